/// One state of somebody else's database, on several connections that can be read side by side.
public protocol SQLSnapshot: Sendable {
    var readerCount: Int { get }

    /// Reads on one of the connections. Calls for the same one take turns.
    /// - Parameter reader: from 0 to `readerCount - 1`.
    /// - Throws: `SQLError`, what `body` throws, or `CancellationError` when the task is cancelled.
    func read<T: Sendable>(reader: Int, _ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T

    /// Lets the state go, once running reads have ended.
    func close() async
}

/// A database that Waybill only reads: its tables can be looked at, and its rows had in one state.
public protocol SQLSnapshotSource: Sendable {
    var dialect: SQLDialect { get }

    /// What a table or view is made of.
    /// - Throws: `SQLError`: `.schema` if there is none of that name, `.unavailable`, `.corrupt`, `.busy`.
    func describe(_ table: String) async throws -> SQLTableDescription

    /// The state it has now. It may have fewer readers than were asked for, but one at least.
    /// - Throws: `SQLError`.
    func openSnapshot(readers: Int) async throws -> any SQLSnapshot
}
