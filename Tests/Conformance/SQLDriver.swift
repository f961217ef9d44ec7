import PostgresFixture
import Testing
import WaybillDatabases
import WaybillPostgres
import WaybillSQLite

/// A database driver that the SQL suites run on. A new driver adds one line to `all`.
struct SQLDriver: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// Whether a read and a write can run at the same time.
    var readsDuringWrites: Bool
    /// Opens an empty database, runs a test on it, and closes it.
    var using: @Sendable (_ test: (any SQLDatabase) async throws -> Void) async throws -> Void

    static let all = [
        SQLDriver(testDescription: "SQLite file", readsDuringWrites: true) { test in
            let folder = try TemporaryFolder()
            let database = try SQLiteDatabase(path: folder.path + "/test.sqlite")
            try await test(database)
            try await database.close()
        },
        SQLDriver(testDescription: "SQLite memory", readsDuringWrites: false) { test in
            let database = try SQLiteDatabase.inMemory()
            try await test(database)
            try await database.close()
        },
        SQLDriver(testDescription: "PostgreSQL", readsDuringWrites: true) { test in
            try await PostgresFixture.withDatabase { try await test($0.database) }
        },
        SQLDriver(testDescription: "PostgreSQL by TLS", readsDuringWrites: true) { test in
            try await PostgresFixture.withDatabase(usesTLS: true) { try await test($0.database) }
        },
        SQLDriver(testDescription: "PostgreSQL behind pgbouncer", readsDuringWrites: true) { test in
            let folder = try TemporaryFolder(in: "/tmp")
            try await PostgresFixture.withDatabase { behind in
                let pooler = try Pooler(before: behind.url, .transaction, folder: folder.path)
                let database = try PostgresDatabase(url: pooler.url, configuration: PostgresFixture.small)
                try await test(database)
                await database.close()
                try pooler.stop()
            }
        },
    ]

    /// Runs a test on an empty database that has a table `things (id, name)`.
    func withThings(_ body: (any SQLDatabase) async throws -> Void) async throws {
        try await using { database in
            try await database.write { session in
                try session.execute("CREATE TABLE things (id BIGINT NOT NULL PRIMARY KEY, name \(session.dialect.text))")
            }
            try await body(database)
        }
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
