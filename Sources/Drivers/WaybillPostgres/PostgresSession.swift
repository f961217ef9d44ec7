import CLibPQ
import WaybillDatabases

/// A connection inside a transaction, with its prepared statements.
public final class PostgresSession: SQLSession {
    public var dialect: SQLDialect { .postgres }

    private unowned let connection: PostgresConnection
    private let preparesStatements: Bool
    private let statementsMax: Int
    private let isExact: Bool
    /// The server makes a plan for a role, so that what runs in two of them is prepared twice.
    private struct StatementKey: Hashable {
        var sql: String
        var isTenants: Bool
    }

    private var statements: [StatementKey: PreparedStatement] = [:]
    private var uses: UInt64 = 0
    private var lastName = 0
    /// Statements that the server keeps are from before a change of the schema.
    private var isStale = false
    private let buffer = ArgumentBuffer()
    /// The statement whose rows are being read.
    private var reading: ResultReader?
    private lazy var pipe = StatementPipe(connection)

    /// Why the transaction can't be committed, once a statement has failed. The driver looks here first: a body may have thrown
    /// something else after it, or nothing.
    private(set) var failure: PostgresFailure?
    /// Whether anything but plain queries was run since the last `beginBody`.
    private(set) var hasWritten = false

    private let role: TenantRole
    /// On whose behalf statements are to run, and do run as far as the server knows. It is told before the next one.
    private var wantedTenant: String?
    var presentTenant: String?

    init(
        _ connection: PostgresConnection, role: TenantRole, preparesStatements: Bool, statementsMax: Int, isExact: Bool
    ) {
        self.connection = connection
        self.role = role
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

    public func send(_ sql: String, arguments: [SQLValue]) throws {
        try telling {
            try switchTenant()
            try post(sql, arguments)
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

    /// Begins a transaction.
    /// - Parameter tenant: of the first body.
    /// - Returns: as `run`.
    /// - Throws: `PostgresFailure`.
    @discardableResult
    func begin(_ start: TransactionStart, tenant: String?) throws -> (text: String?, command: String) {
        let tenant = role.isEnforced ? tenant : nil
        presentTenant = nil
        let result = try run(start.text(tenant == nil ? "" : role.statements(for: tenant)))
        presentTenant = tenant
        return result
    }

    /// Begins a transaction that writes. Where nothing has to be set, nobody waits: it travels with the first statement of the
    /// first body.
    /// - Parameter opened: is told when it has begun.
    /// - Throws: `PostgresFailure`, or `SQLError`.
    func begin(_ start: TransactionStart, tenant: String?, _ opened: OpenTransaction) throws {
        guard start.settings.isEmpty else { return opened.begins(try begin(start, tenant: tenant).text) }
        presentTenant = nil
        wantedTenant = role.isEnforced ? tenant : nil
        try post(start.begin)
        try switchTenant()
        try post(start.then) { result in
            opened.begins(PQgetvalue(result, 0, PQnfields(result) - 1).map { String(cString: $0) })
        }
    }

    /// Tells the server on whose behalf the next statements run.
    private func switchTenant() throws {
        guard wantedTenant != presentTenant else { return }
        try post(TenantRole.switching, role.switching(to: wantedTenant))
        presentTenant = wantedTenant
    }

    /// Forgets what the body before has done.
    func beginBody(tenant: String?) {
        failure = nil
        hasWritten = false
        wantedTenant = role.isEnforced ? tenant : nil
    }

    public func isolated<T>(to tenant: String, _ body: () throws -> T) throws -> T {
        guard role.isEnforced else { return try body() }
        let before = wantedTenant
        wantedTenant = tenant
        defer { wantedTenant = before }
        return try body()
    }

    /// Runs text of the driver's own.
    /// - Throws: `PostgresFailure`.
    @discardableResult
    func run(_ sql: String) throws -> (text: String?, command: String) {
        reading?.dropRest()
        reading = nil
        try drain()
        return try connection.run(sql)
    }

    /// Sends a statement of the driver's own, to travel with the next one.
    /// - Parameter body: is called with its result, in time.
    /// - Throws: `PostgresFailure`, or `SQLError`.
    func post(_ sql: String, _ arguments: [SQLValue] = [], then body: ((OpaquePointer) -> Void)? = nil) throws {
        let statement = try prepare(sql, arguments)
        if pipe.isFull { try drain() }
        try pipe.open()
        try submit(statement, arguments)
        pipe.sent(body)
    }

    /// Waits for what was sent.
    /// - Throws: `PostgresFailure` of the first statement that failed.
    func drain() throws(PostgresFailure) {
        if let result = try pipe.drain() { PQclear(result) }
    }

    /// Waits for what a body has sent. If it failed, `failure` says so.
    func finishBody() {
        do {
            try drain()
        } catch {
            failure = failure ?? error
        }
    }

    /// - Returns: false if the server has rolled back instead.
    /// - Throws: `PostgresFailure`: of the commit, or of a statement before it that nobody has waited for; then the transaction
    ///   is still there.
    func commit() throws -> Bool {
        guard !pipe.isEmpty else { return try run("COMMIT").command == "COMMIT" }
        var isCommitted = false
        try post("COMMIT") { result in
            isCommitted = PQcmdStatus(result).map { String(cString: $0) } == "COMMIT"
        }
        try drain()
        return isCommitted
    }

    func rollback() throws { try undo("ROLLBACK") }

    /// Goes back to the savepoint of the body.
    func abandonBody() throws { try undo("ROLLBACK TO body; RELEASE body") }

    private func undo(_ sql: String) throws {
        do {
            try drain()
        } catch let failure where failure.kind != .lost {
            // What was still on its way is undone with the rest.
        }
        try run(sql)
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
        try switchTenant()
        let statement = try prepare(sql, arguments)
        try submit(statement, arguments)
        let reader: ResultReader
        if pipe.isEmpty {
            // The rows of a change come when all of it is done, so that nothing is won by taking them one by one.
            if inRows, statement.isQuery { PQsetSingleRowMode(connection.handle) }
            reader = ResultReader(connection, statement, isExact: isExact)
        } else {
            pipe.sent()
            reader = ResultReader(connection, statement, isExact: isExact, whole: try pipe.drain(returningLast: true))
        }
        reading = reader
        // The plans of before may have other columns now.
        if statement.changesSchema {
            statements = [:]
            isStale = true
        }
        return reader
    }

    /// The statement, ready to be sent with these arguments.
    private func prepare(_ sql: String, _ arguments: [SQLValue]) throws -> PreparedStatement {
        if let reading, !reading.hasEnded { reading.keepRest() }
        reading = nil
        let statement = try statement(sql)
        if !statement.isQuery { hasWritten = true }
        try buffer.encode(arguments, types: statement.parameterTypes, sql: sql)
        return statement
    }

    private func submit(_ statement: PreparedStatement, _ arguments: [SQLValue]) throws {
        let count = Int32(truncatingIfNeeded: arguments.count)
        // It blocks where the link takes no more.
        let sent = connection.watch.waiting {
            statement.name.isEmpty
                ? PQsendQueryParams(
                    connection.handle, statement.sql, count, statement.parameterTypes, buffer.values, buffer.lengths,
                    buffer.formats, 1)
                : PQsendQueryPrepared(
                    connection.handle, statement.name, count, buffer.values, buffer.lengths, buffer.formats, 1)
        }
        guard sent == 1 else { throw PostgresFailure(lost: connection.handle) }
    }

    private func statement(_ sql: String) throws -> PreparedStatement {
        uses &+= 1
        let key = StatementKey(sql: sql, isTenants: presentTenant != nil)
        if let known = statements[key] {
            known.lastUse = uses
            return known
        }
        // What only libpq's blocking calls can do must not find anything on its way.
        try drain()
        if isStale { try forgetStatements() }
        lastName += 1
        let name = preparesStatements ? "s\(lastName)" : ""
        try check(connection.watch.waiting { PQprepare(connection.handle, name, sql, 0, nil) }) { _ in }
        var statement: PreparedStatement?
        try check(connection.watch.waiting { PQdescribePrepared(connection.handle, name) }) { result in
            statement = PreparedStatement(
                sql: sql, name: name, parameterTypes: (0..<PQnparams(result)).map { PQparamtype(result, $0) },
                columnTypes: (0..<PQnfields(result)).map { PQftype(result, $0) })
        }
        guard let statement else { throw PostgresFailure(lost: connection.handle) }
        statement.lastUse = uses
        if statements.count >= statementsMax { try removeOldest() }
        if !statement.changesSchema { statements[key] = statement }
        return statement
    }

    private func check(_ result: OpaquePointer?, _ body: (OpaquePointer) -> Void) throws {
        guard let result else { throw PostgresFailure(lost: connection.handle) }
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_COMMAND_OK else { throw PostgresFailure(result, connection: connection.handle) }
        body(result)
    }

    private func removeOldest() throws {
        guard let (key, oldest) = statements.min(by: { $0.value.lastUse < $1.value.lastUse }) else { return }
        statements[key] = nil
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
