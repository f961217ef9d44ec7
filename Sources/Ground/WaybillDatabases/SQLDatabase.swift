/// A database: many readers at once, and writes that are atomic and durable when they return.
///
/// The bodies run on a driver's thread, never on the cooperative pool, and may block there.
public protocol SQLDatabase: Sendable {
    var dialect: SQLDialect { get }
    /// How the nodes that share it wake each other; nil if only one can use it.
    var signals: (any SQLSignals)? { get }
    /// Where a task's writes need no change of threads; nil if there is no such place. All writes wait while a task runs there:
    /// it is for a loop that writes and does little else.
    var writingExecutor: (any TaskExecutor)? { get }
    /// Whether `concurrent` writes go on while a serial one does.
    var writesSideBySide: Bool { get }
    /// What keeps the rows of tenants apart.
    var tenantIsolation: SQLTenantIsolation { get }

    /// Has the database itself keep the rows of tenants apart from now on, if it can. To be called once the schema is there;
    /// `SQLMigrator` does.
    /// - Throws: `SQLError`: `.schema` if the database would hide rows from this program itself.
    @discardableResult
    func isolateTenants() async throws -> SQLTenantIsolation

    /// Runs `body` in a read transaction: all its queries see one state.
    /// - Throws: what `body` throws, `SQLError`, or `CancellationError` once the task is cancelled.
    func read<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T

    /// Runs `body` in a write transaction and returns once it is committed and durable. If `body` throws, nothing of it stays.
    /// Writes run one after another, also those of other nodes.
    ///
    /// A driver may commit several bodies together (group commit); each one is still atomic of itself. A body may be run again
    /// if the transaction could not be committed, so it must have no other effects than its writes. It goes on to its end even
    /// if the task is cancelled.
    /// - Throws: what `body` throws, or `SQLError`.
    @discardableResult
    func write<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T

    /// Runs `body` in a write transaction as `write` does, in an order that it can bear.
    @discardableResult
    func write<T: Sendable>(
        _ order: SQLWriteOrder, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T

    /// Reads on behalf of one tenant: where the database can enforce it, rows of all others are out of sight, whatever the
    /// statements say.
    func read<T: Sendable>(
        tenant: String, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T

    /// Writes on behalf of one tenant: where the database can enforce it, rows of all others are out of sight and out of reach.
    /// A row of another tenant is refused with a `SQLError`.
    @discardableResult
    func write<T: Sendable>(
        _ order: SQLWriteOrder, tenant: String, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T

    /// Has the database look at tables again that have grown since it last did, where its choice of plans goes by that: before
    /// long queries on what may just have been stored.
    /// - Throws: `SQLError`.
    func refreshStatistics(of tables: [String]) async throws
}

/// How a write stands to others that come at the same time, on whatever node.
public enum SQLWriteOrder: Sendable, Hashable {
    /// One after another: a body sees all that came before it, and nothing changes while it runs but by `concurrent` ones.
    case serial
    /// Side by side with all others: each statement sees what is committed when it begins. For a body that finds its rows by
    /// key and whose conditions are part of the statements that change them. Two such bodies that take the same rows in
    /// different order may make each other wait until the database runs one of them again.
    case concurrent
    /// As `concurrent`, on a connection that waits for nothing else: for what must not come late.
    case urgent
    /// As `serial`, for a step of work that is done again if it is lost. Where the database ends together with this process, the
    /// write returns before it is durable: it becomes so soon after, and before any write of another order returns. Until then
    /// a power cut takes it, as a whole and with all that came after it. Elsewhere it is a `serial` one.
    case delayed
}

extension SQLDatabase {
    public var signals: (any SQLSignals)? { nil }
    public var writingExecutor: (any TaskExecutor)? { nil }
    public var writesSideBySide: Bool { false }
    public var tenantIsolation: SQLTenantIsolation { .byStatements }

    @discardableResult
    public func isolateTenants() async throws -> SQLTenantIsolation { tenantIsolation }

    public func read<T: Sendable>(
        tenant: String, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        try await read { session in try session.isolated(to: tenant) { try body(session) } }
    }

    @discardableResult
    public func write<T: Sendable>(
        _ order: SQLWriteOrder, tenant: String, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        try await write(order) { session in try session.isolated(to: tenant) { try body(session) } }
    }

    /// For a database whose plans go by the statement alone.
    public func refreshStatistics(of tables: [String]) async throws {}

    /// A database with one writer has no other order than the serial one.
    @discardableResult
    public func write<T: Sendable>(
        _ order: SQLWriteOrder, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        try await write(body)
    }
}
