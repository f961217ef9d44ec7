import Foundation
import WaybillDatabases
import WaybillSQLite

/// One end of a move: its database, and the lock that keeps servers away from a folder.
struct MoveSide: Sendable {
    let settings: Settings
    let database: any SQLDatabase
    private let closeDatabase: @Sendable () async throws -> Void
    private let lock: FolderLock?

    /// - Parameter isThere: there must be an installation already.
    /// - Throws: `SQLError`.
    init(_ settings: Settings, isThere: Bool) throws {
        self.settings = settings
        let folder = settings.data.folder
        if settings.database.url == nil {
            guard !isThere || FileManager.default.fileExists(atPath: OpenDatabase.file(in: folder)) else {
                throw SQLError(.unavailable, "there is no installation in \(folder)")
            }
            try Installation.make(folder)
            lock = try FolderLock(path: folder)
        } else {
            lock = nil
        }
        do {
            let open = try OpenDatabase(settings.database, folder: folder)
            database = open.database
            closeDatabase = open.close
        } catch {
            lock?.release()
            throw error
        }
    }

    /// What people call it; without a password.
    var place: String {
        guard let url = settings.database.url else { return "sqlite:\(settings.data.folder)" }
        guard let scheme = url.firstRange(of: "://") else { return "a PostgreSQL database" }
        let rest = url[scheme.upperBound...].prefix { $0 != "?" }
        return "postgres://" + (rest.lastIndex(of: "@").map { rest[rest.index(after: $0)...] } ?? rest)
    }

    /// Whether there is nothing in any table.
    func isEmpty(_ tables: [MoveTable], in session: any SQLSession) throws -> Bool {
        try tables.allSatisfy { table in
            try session.count("SELECT count(*) FROM (SELECT 1 FROM \(MoveTable.quoted(table.name)) LIMIT 1) AS first_row") == 0
        }
    }

    func close() async throws {
        try await closeDatabase()
        lock?.release()
    }
}
