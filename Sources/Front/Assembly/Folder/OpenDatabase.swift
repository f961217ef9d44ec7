import WaybillDatabases
import WaybillPostgres
import WaybillSQLite

/// The database that the settings name, and how it is closed.
struct OpenDatabase: Sendable {
    let database: any SQLDatabase
    let close: @Sendable () async throws -> Void

    /// - Parameter folder: the data folder, which is there.
    /// - Throws: `SQLError`.
    init(_ settings: DatabaseSettings, folder: String) throws {
        if let url = settings.url {
            var configuration = PostgresConfiguration()
            configuration.tenantRole = settings.isolation == .off ? nil : settings.tenantRole
            let shared = try PostgresDatabase(url: url, configuration: configuration)
            database = shared
            close = { await shared.close() }
        } else {
            let file = try SQLiteDatabase(path: OpenDatabase.file(in: folder))
            database = file
            close = { try await file.close() }
        }
    }

    static func file(in folder: String) -> String { "\(folder)/waybill.db" }
}
