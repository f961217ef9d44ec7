import GRDB
import GRDBSQLite
import WaybillDatabases

/// A GRDB connection inside a transaction, as a session of the port.
///
/// An embedder makes one of the `Database` that GRDB hands to his own write, and so enqueues in his own transaction. It must
/// not leave that closure. GRDB's observers do not see the rows that are changed through it.
public final class SQLiteSession: SQLSession {
    /// The connection, for what an embedder does with GRDB in the same transaction.
    public let database: Database
    public var dialect: SQLDialect { .sqlite }

    // Of a connection that is known to live on; otherwise GRDB keeps the statements.
    private let shelf: StatementShelf?
    // Errors such as a full disk end the whole transaction. What a body did after that would be committed by itself.
    private var refusesAutocommit = false
    // Queries that are left open from one use of the connection to the next.
    private var openScans: [Int: PreparedStatement] = [:]

    public init(_ database: Database) {
        self.database = database
        shelf = nil
    }

    init(_ database: Database, shelf: StatementShelf) {
        self.database = database
        self.shelf = shelf
    }

    var connection: OpaquePointer? { database.sqliteConnection }

    /// True from `BEGIN` until the transaction ends, also if it ended by itself.
    var isInTransaction: Bool { database.isInsideTransaction }

    @discardableResult
    public func execute(_ sql: String, arguments: [SQLValue]) throws -> Int {
        try execute(sql, arguments: arguments, rows: [])
    }

    @discardableResult
    public func execute(_ sql: String, arguments: [SQLValue], rows: [SQLValue]) throws -> Int {
        let connection = connection
        let statement = try statement(sql)
        defer { statement.finish() }
        try statement.bind(arguments, rows, connection: connection)
        let before = sqlite3_total_changes64(connection)
        while try statement.step(connection: connection) {}
        // What is not a change of rows leaves the count of the last one that was.
        guard sqlite3_total_changes64(connection) != before else { return 0 }
        return Int(sqlite3_changes64(connection))
    }

    public func scan(_ sql: String, arguments: [SQLValue], _ body: (SQLRow) throws -> SQLScan) throws {
        let connection = connection
        let statement = try statement(sql)
        defer { statement.finish() }
        try statement.bind(arguments, connection: connection)
        guard try statement.step(connection: connection) else { return }
        statement.fitColumns()
        while try body(statement.row()) == .next {
            guard try statement.step(connection: connection) else { return }
        }
        guard !statement.isReadonly else { return }
        // A change is finished even if its rows are not wanted any more.
        while try statement.step(connection: connection) {}
    }

    private func statement(_ sql: String) throws -> PreparedStatement {
        if refusesAutocommit, !database.isInsideTransaction {
            throw SQLError(.interrupted, "the transaction has been rolled back by an earlier error")
        }
        do {
            if let shelf { return try shelf.statement(sql, in: database) }
            let cached = try database.cachedStatement(sql: sql)
            let isFree = sqlite3_stmt_busy(cached.sqliteStatement) == 0
            return try PreparedStatement(isFree ? cached : database.makeStatement(sql: sql), sql: sql)
        } catch {
            throw SQLError.from(error, connection: connection)
        }
    }

    func clear() {
        for statement in openScans.values { statement.finish() }
        openScans = [:]
        shelf?.clear()
    }
}

extension SQLiteSession: SQLResumableSession {
    public func scan(
        _ sql: String, arguments: [SQLValue], resuming number: Int, _ body: (SQLRow) throws -> SQLScan
    ) throws -> Bool {
        let statement = try openScan(number, sql, arguments)
        do {
            while try statement.step(connection: connection) {
                statement.fitColumns()
                if try body(statement.row()) == .stop { return true }
            }
        } catch {
            endScan(number)
            throw error
        }
        endScan(number)
        return false
    }

    public func endScan(_ number: Int) {
        openScans.removeValue(forKey: number)?.finish()
    }

    /// The open query of a number, or a new one. It has a statement of its own, which no other use of the text resets.
    private func openScan(_ number: Int, _ sql: String, _ arguments: [SQLValue]) throws -> PreparedStatement {
        if let open = openScans[number] { return open }
        let made: PreparedStatement
        do {
            made = try PreparedStatement(database.makeStatement(sql: sql), sql: sql)
        } catch {
            throw SQLError.from(error, connection: connection)
        }
        openScans[number] = made
        do {
            try made.bind(arguments, connection: connection)
        } catch {
            endScan(number)
            throw error
        }
        return made
    }
}

extension SQLiteSession {
    enum Transaction: String {
        case read = "BEGIN DEFERRED"
        case write = "BEGIN IMMEDIATE"
    }

    /// Begins by way of GRDB, whose own state follows the transaction.
    func begin(_ kind: Transaction) throws {
        try run(kind.rawValue)
        refusesAutocommit = true
    }

    /// - Throws: `SQLError` if nothing of the transaction is durable; it has ended then, too.
    func commit() throws {
        guard isInTransaction else { throw SQLError(.interrupted, "the transaction has been rolled back by an earlier error") }
        do {
            try run("COMMIT")
            refusesAutocommit = false
        } catch {
            rollback()
            throw error
        }
    }

    func rollback() {
        refusesAutocommit = false
        guard isInTransaction else { return }
        do {
            try run("ROLLBACK")
        } catch {
            // SQLite ends the transaction even where it reports an error.
        }
    }

    private func run(_ sql: String) throws {
        do {
            try database.cachedStatement(sql: sql).execute()
        } catch {
            throw SQLError.from(error, connection: connection)
        }
    }
}
