import Foundation
import WaybillDatabases
import WaybillPostgres
import WaybillSQLite

/// A database of the tests' server that lives as long as its test holds it.
public final class LeasedDatabase: SQLDatabase {
    private let lease: PostgresLease

    /// - Parameter encoding: of its texts; `SQL_ASCII` takes any bytes.
    public init(encoding: String = "UTF8") async throws {
        lease = try await PostgresFixture.lease(encoding: encoding)
    }

    public var url: String { lease.url }
    public var dialect: SQLDialect { lease.database.dialect }
    public var signals: (any SQLSignals)? { lease.database.signals }
    public var writesSideBySide: Bool { lease.database.writesSideBySide }

    public func read<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        try await lease.database.read(body)
    }

    public func write<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        try await lease.database.write(body)
    }

    public func write<T: Sendable>(
        _ order: SQLWriteOrder, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        try await lease.database.write(order, body)
    }

    public var tenantIsolation: SQLTenantIsolation { lease.database.tenantIsolation }

    public func isolateTenants() async throws -> SQLTenantIsolation { try await lease.database.isolateTenants() }

    public func read<T: Sendable>(
        tenant: String, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        try await lease.database.read(tenant: tenant, body)
    }

    public func write<T: Sendable>(
        _ order: SQLWriteOrder, tenant: String, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        try await lease.database.write(order, tenant: tenant, body)
    }

    public func refreshStatistics(of tables: [String]) async throws {
        try await lease.database.refreshStatistics(of: tables)
    }
}

/// Which database suites run on that have one body for all: SQLite, or with `WAYBILL_TEST_DATABASE=postgres` PostgreSQL.
public enum TestDatabase {
    public static let isPostgres = ProcessInfo.processInfo.environment["WAYBILL_TEST_DATABASE"] == "postgres"

    /// An empty one.
    public static func open() async throws -> any SQLDatabase {
        if isPostgres { return try await LeasedDatabase() }
        return try SQLiteDatabase.inMemory()
    }
}
