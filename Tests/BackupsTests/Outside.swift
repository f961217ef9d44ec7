import Foundation
import Logging
import PostgresFixture
import Testing
import WaybillDatabases
import WaybillSQLite

@testable import Assembly

/// A table of somebody else that two tenants have rows in, and that goes with its test: in a SQLite file, or with
/// `WAYBILL_TEST_DATABASE=postgres` in a PostgreSQL database.
final class Outside: Sendable {
    static let name = "outside"

    private let folder: String
    private let server: LeasedDatabase?

    init() async throws {
        server = TestDatabase.isPostgres ? try await LeasedDatabase() : nil
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("outside-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try await write(
            """
            CREATE TABLE things (nr BIGINT PRIMARY KEY, owner TEXT, readers TEXT, text TEXT, big BIGINT,
                size DOUBLE PRECISION)
            """,
            "INSERT INTO things VALUES (1, 'acme', 'everyone', 'a, \"b\"\r\nc', -9223372036854775808, 0.1)",
            "INSERT INTO things VALUES (2, 'acme', 'role:press', '', NULL, -2.5e-9)",
            "INSERT INTO things VALUES (3, 'acme', 'user:eve', NULL, 9223372036854775807, NULL)",
            "INSERT INTO things VALUES (4, 'other', 'everyone', 'of another tenant', 4, 4.5)",
            "INSERT INTO things VALUES (5, 'acme', 'everyone', ' é😀 =1+1', 0, 1e300)")
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func write(_ statements: String...) async throws {
        if let server {
            return try await server.write { session in for text in statements { try session.execute(text) } }
        }
        let database = try SQLiteDatabase(path: folder + "/outside.db")
        try await database.write { session in for text in statements { try session.execute(text) } }
        try await database.close()
    }

    /// Some thousands more rows of a tenant.
    func fill(_ count: Int) async throws {
        try await write(
            """
            INSERT INTO things WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(count))
            SELECT 1000 + i, 'acme', 'everyone', 'text ' || (i * 7919 % 1000), i, i / 4.0 FROM n
            """)
    }

    /// The table as the configuration names it.
    func catalog() async throws -> DatasetCatalog {
        let text = """
            datasets:
              \(Self.name):
                source: \(server?.url ?? folder + "/outside.db")
                table: things
                key: nr
                tenantColumn: owner
                readersColumn: readers
            """
        let file = try SettingsFile(path: "waybill.yaml", content: Array(text.utf8))
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let settings = try Settings.load(environment: [:], file: file).settings
        return try await DatasetCatalog(settings.datasets, logger: logger)
    }
}
