import GRDB
import WaybillDatabases

@testable import WaybillSQLite

/// A session whose statements fail when the simulation says so.
final class FailingSession: SQLSession {
    private let base: SQLiteSession
    /// After so many more statements each one fails, until the transaction is rolled back.
    var failsIn: Int?

    init(_ database: Database) {
        base = SQLiteSession(database, shelf: StatementShelf())
    }

    /// How many rows have been changed since the connection was opened.
    var changes: Int { base.database.totalChangesCount }

    var dialect: SQLDialect { base.dialect }

    func execute(_ sql: String, arguments: [SQLValue]) throws -> Int {
        try count()
        return try base.execute(sql, arguments: arguments)
    }

    func scan(_ sql: String, arguments: [SQLValue], _ body: (SQLRow) throws -> SQLScan) throws {
        try count()
        try base.scan(sql, arguments: arguments, body)
    }

    func begin(_ kind: SQLiteSession.Transaction) throws { try base.begin(kind) }
    func commit() throws { try base.commit() }
    func rollback() { base.rollback() }

    /// Lets the statements go.
    func clear() { base.clear() }

    private func count() throws {
        guard let left = failsIn else { return }
        guard left > 0 else { throw SQLError(.unavailable, "simulated in a statement") }
        failsIn = left - 1
    }
}
