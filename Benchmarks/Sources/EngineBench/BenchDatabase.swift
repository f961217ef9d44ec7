import Foundation
import WaybillDatabases
import WaybillEngine
import WaybillPostgres
import WaybillSQLite

/// Where the engine keeps its jobs while it is measured: a SQLite file in a folder, or a PostgreSQL database that is empty.
struct BenchDatabase {
    let database: any SQLDatabase
    let isShared: Bool
    private let close: () async throws -> Void

    /// - Parameter place: a folder, or a URL.
    init(_ place: String) async throws {
        if place.hasPrefix("postgres") {
            let postgres = try PostgresDatabase(url: place)
            (database, isShared) = (postgres, true)
            close = { await postgres.close() }
        } else {
            let path = "\(place)/jobs.db"
            let sqlite = try SQLiteDatabase(path: path)
            (database, isShared) = (sqlite, false)
            close = {
                try await sqlite.close()
                try FileManager.default.removeItem(atPath: path)
            }
        }
        try await SQLMigrator(EngineMigrations.all).migrate(database, now: 0)
    }

    func end() async throws { try await close() }
}
