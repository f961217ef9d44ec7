import Synchronization
import WaybillDatabases

/// Asks the server before each statement as whom it will run, and notes it.
final class RecordingDatabase: SQLDatabase {
    struct Statement: Sendable, Hashable {
        var sql: String
        /// The server's `current_user`.
        var role: String
        var tenant: String
    }

    private let inner: any SQLDatabase
    private let statements = Mutex<[Statement]>([])

    init(_ inner: any SQLDatabase) {
        self.inner = inner
    }

    /// What has been run since the last call.
    func take() -> [Statement] {
        statements.withLock { statements in
            defer { statements = [] }
            return statements
        }
    }

    fileprivate func note(_ statement: Statement) {
        statements.withLock { $0.append(statement) }
    }

    var dialect: SQLDialect { inner.dialect }
    var tenantIsolation: SQLTenantIsolation { inner.tenantIsolation }
    func isolateTenants() async throws -> SQLTenantIsolation { try await inner.isolateTenants() }

    func read<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        try await inner.read { [self] in try body(RecordingSession($0, self)) }
    }

    func write<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        try await inner.write { [self] in try body(RecordingSession($0, self)) }
    }

    func write<T: Sendable>(
        _ order: SQLWriteOrder, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        try await inner.write(order) { [self] in try body(RecordingSession($0, self)) }
    }

    func read<T: Sendable>(
        tenant: String, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        try await inner.read(tenant: tenant) { [self] in try body(RecordingSession($0, self)) }
    }

    func write<T: Sendable>(
        _ order: SQLWriteOrder, tenant: String, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        try await inner.write(order, tenant: tenant) { [self] in try body(RecordingSession($0, self)) }
    }
}

private final class RecordingSession: SQLSession {
    private let base: any SQLSession
    private let record: RecordingDatabase

    init(_ base: any SQLSession, _ record: RecordingDatabase) {
        self.base = base
        self.record = record
    }

    var dialect: SQLDialect { base.dialect }

    func execute(_ sql: String, arguments: [SQLValue]) throws -> Int {
        try note(sql)
        return try base.execute(sql, arguments: arguments)
    }

    func scan(_ sql: String, arguments: [SQLValue], _ body: (SQLRow) throws -> SQLScan) throws {
        try note(sql)
        try base.scan(sql, arguments: arguments, body)
    }

    func isolated<T>(to tenant: String, _ body: () throws -> T) throws -> T { try base.isolated(to: tenant, body) }

    private func note(_ sql: String) throws {
        let statement = try base.first("SELECT current_user::text, coalesce(current_setting('waybill.tenant', true), '')") {
            RecordingDatabase.Statement(sql: sql, role: $0.string(0), tenant: $0.string(1))
        }
        if let statement { record.note(statement) }
    }
}
