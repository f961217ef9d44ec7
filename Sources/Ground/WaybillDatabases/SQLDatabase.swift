/// A database: many readers at once, and writes that are atomic and durable when they return.
///
/// The bodies run on a driver's thread, never on the cooperative pool, and may block there.
public protocol SQLDatabase: Sendable {
    var dialect: SQLDialect { get }

    /// Runs `body` in a read transaction: all its queries see one state.
    /// - Throws: what `body` throws, `SQLError`, or `CancellationError` once the task is cancelled.
    func read<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T

    /// Runs `body` in a write transaction and returns once it is committed and durable. If `body` throws, nothing of it stays.
    ///
    /// A driver may commit several bodies together (group commit); each one is still atomic of itself. A body may be run again
    /// if the transaction could not be committed, so it must have no other effects than its writes. It goes on to its end even
    /// if the task is cancelled.
    /// - Throws: what `body` throws, or `SQLError`.
    @discardableResult
    func write<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T
}
