import CLibPQ
import WaybillDatabases

/// A connection inside a transaction, with its prepared statements.
public final class PostgresSession: SQLSession {
    public var dialect: SQLDialect { .postgres }

    private unowned let connection: PostgresConnection
    private let preparesStatements: Bool
    private let statementsMax: Int
    private let isExact: Bool
    private var statements: [String: PreparedStatement] = [:]
    private var uses: UInt64 = 0
    private var lastName = 0
    /// Statements that the server keeps are from before a change of the schema.
    private var isStale = false
    private let buffer = ArgumentBuffer()
    /// The statement whose rows are being read.
    private var reading: ResultReader?

    /// Why the transaction can't be committed, once a statement has failed. The driver looks here first: a body may have thrown
    /// something else after it, or nothing.
    private(set) var failure: PostgresFailure?
    /// Whether anything but plain queries was run since the last `beginBody`.
    private(set) var hasWritten = false

    init(_ connection: PostgresConnection, preparesStatements: Bool, statementsMax: Int, isExact: Bool) {
        self.connection = connection
        self.preparesStatements = preparesStatements
        self.statementsMax = max(8, statementsMax)
        self.isExact = isExact
    }

    @discardableResult
    public func execute(_ sql: String, arguments: [SQLValue]) throws -> Int {
        try telling {
            let reader = try start(sql, arguments, inRows: false)
            while try reader.next() != nil {}
            return reader.changed
        }
    }

    public func scan(_ sql: String, arguments: [SQLValue], _ body: (SQLRow) throws -> SQLScan) throws {
        let reader = try telling { try start(sql, arguments, inRows: true) }
        var goesOn = true
        while goesOn, let row = try telling({ try reader.next() }) {
            do {
                goesOn = try body(row) == .next
            } catch {
                reader.dropRest()
                if let failure = reader.failure { self.failure = self.failure ?? failure }
                throw error
            }
        }
        guard !goesOn else { return }
        // A change is finished even if its rows are not wanted any more.
        reader.dropRest()
        if let failure = reader.failure { try telling { throw failure } }
    }

    // MARK: The transaction

    /// Forgets what the body before has done.
    func beginBody() {
        failure = nil
        hasWritten = false
    }

    /// Runs text of the driver's own.
    /// - Throws: `PostgresFailure`.
    @discardableResult
    func run(_ sql: String) throws -> (text: String?, command: String) {
        reading?.dropRest()
        reading = nil
        return try connection.run(sql)
    }

    /// Hands out `SQLError`, and remembers what has happened.
    private func telling<T>(_ act: () throws -> T) throws -> T {
        do {
            return try act()
        } catch let failure as PostgresFailure {
            self.failure = self.failure ?? failure
            throw failure.error
        }
    }

    // MARK: Statements

    private func start(_ sql: String, _ arguments: [SQLValue], inRows: Bool) throws -> ResultReader {
        if let reading, !reading.hasEnded { reading.keepRest() }
        reading = nil
        let statement = try statement(sql)
        if !statement.isQuery { hasWritten = true }
        try buffer.encode(arguments, types: statement.parameterTypes, sql: sql)
        let count = Int32(truncatingIfNeeded: arguments.count)
        let sent =
            statement.name.isEmpty
            ? PQsendQueryParams(
                connection.handle, sql, count, statement.parameterTypes, buffer.values, buffer.lengths, buffer.formats, 1)
            : PQsendQueryPrepared(
                connection.handle, statement.name, count, buffer.values, buffer.lengths, buffer.formats, 1)
        guard sent == 1 else { throw PostgresFailure(lost: connection.handle) }
        if inRows { PQsetSingleRowMode(connection.handle) }
        let reader = ResultReader(connection, statement, isExact: isExact)
        reading = reader
        // The plans of before may have other columns now.
        if statement.changesSchema {
            statements = [:]
            isStale = true
        }
        return reader
    }

    private func statement(_ sql: String) throws -> PreparedStatement {
        uses &+= 1
        if let known = statements[sql] {
            known.lastUse = uses
            return known
        }
        if isStale { try forgetStatements() }
        lastName += 1
        let name = preparesStatements ? "s\(lastName)" : ""
        try check(PQprepare(connection.handle, name, sql, 0, nil)) { _ in }
        var statement: PreparedStatement?
        try check(PQdescribePrepared(connection.handle, name)) { result in
            statement = PreparedStatement(
                sql: sql, name: name, parameterTypes: (0..<PQnparams(result)).map { PQparamtype(result, $0) },
                columnTypes: (0..<PQnfields(result)).map { PQftype(result, $0) })
        }
        guard let statement else { throw PostgresFailure(lost: connection.handle) }
        statement.lastUse = uses
        if statements.count >= statementsMax { try removeOldest() }
        if !statement.changesSchema { statements[sql] = statement }
        return statement
    }

    private func check(_ result: OpaquePointer?, _ body: (OpaquePointer) -> Void) throws {
        guard let result else { throw PostgresFailure(lost: connection.handle) }
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_COMMAND_OK else { throw PostgresFailure(result, connection: connection.handle) }
        body(result)
    }

    private func removeOldest() throws {
        guard let oldest = statements.values.min(by: { $0.lastUse < $1.lastUse }) else { return }
        statements[oldest.sql] = nil
        if !oldest.name.isEmpty { try connection.run("DEALLOCATE \(oldest.name)") }
    }

    /// Lets all statements go, those of the server as well.
    /// - Throws: `PostgresFailure`.
    func forgetStatements() throws {
        statements = [:]
        isStale = false
        if preparesStatements { try connection.run("DEALLOCATE ALL") }
    }

    /// The connection ends.
    func forget() {
        reading = nil
        statements = [:]
    }
}
