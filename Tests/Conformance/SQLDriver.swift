import Testing
import WaybillDatabases
import WaybillSQLite

/// A database driver that the SQL suites run on. A new driver adds one line to `all`.
struct SQLDriver: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// Whether a read and a write can run at the same time.
    var readsDuringWrites: Bool
    /// Opens an empty database, with a folder for those who need one.
    var open: @Sendable (TemporaryFolder) async throws -> any SQLDatabase

    static let all = [
        SQLDriver(testDescription: "SQLite file", readsDuringWrites: true) { try SQLiteDatabase(path: $0.path + "/test.sqlite") },
        SQLDriver(testDescription: "SQLite memory", readsDuringWrites: false) { _ in try SQLiteDatabase.inMemory() },
    ]

    /// Runs a test on an empty database that has a table `things (id, name)`.
    func withThings(_ body: (any SQLDatabase) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        let database = try await open(folder)
        try await database.write { session in
            try session.execute("CREATE TABLE things (id BIGINT NOT NULL PRIMARY KEY, name \(session.dialect.text))")
        }
        try await body(database)
        if let database = database as? SQLiteDatabase { try await database.close() }
    }
}

extension SQLDatabase {
    func names() async throws -> [String] {
        try await read { try $0.all("SELECT name FROM things ORDER BY id") { $0.string(0) } }
    }
}

/// What a body throws to be rolled back.
struct Refusal: Error, Equatable {
    var number = 0
}
