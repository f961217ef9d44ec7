/// A session whose connection sees one state from one use to the next, so that a query can be left open in between.
public protocol SQLResumableSession: SQLSession {
    /// Hands the next rows of a query to `body`, until that says `.stop` or throws. After `.stop` the query stays open under its
    /// number, and goes on behind the row that was handed out last; at its end, and after an error, it is closed.
    /// - Parameter number: of the query on this connection. A number that is not in use begins a new one.
    /// - Returns: whether the query is still open.
    /// - Throws: `SQLError`, or what `body` throws.
    func scan(
        _ sql: String, arguments: [SQLValue], resuming number: Int, _ body: (SQLRow) throws -> SQLScan
    ) throws -> Bool

    /// Closes an open query. Does nothing for a number that is not in use.
    func endScan(_ number: Int)
}
