/// Whether a scan goes on to the next row.
public enum SQLScan: Sendable {
    case next, stop
}

/// One connection inside one transaction. It is used by one thread at a time and never kept after the closure it was
/// given to.
///
/// SQL is written once, in the subset that SQLite 3.40 and PostgreSQL 15 share. Parameters are `$1`, `$2`, …, each number
/// first used in rising order; a number may be used again.
public protocol SQLSession: AnyObject {
    var dialect: SQLDialect { get }

    /// Runs a statement and returns the number of rows it changed.
    /// - Throws: `SQLError`.
    @discardableResult
    func execute(_ sql: String, arguments: [SQLValue]) throws -> Int

    /// The same, where the last arguments were made beforehand, as those of many rows are: they are not copied behind the others.
    /// - Throws: `SQLError`.
    @discardableResult
    func execute(_ sql: String, arguments: [SQLValue], rows: [SQLValue]) throws -> Int

    /// Runs a statement that nobody waits for: where the database is another process, it travels with the next one that somebody
    /// does wait for, or with the commit. All statements run in the order in which they were given. If it fails, the next call
    /// throws, or the whole body fails.
    /// - Throws: `SQLError`.
    func send(_ sql: String, arguments: [SQLValue]) throws

    /// Runs a query and hands each row to `body` as it is read, until `body` says `.stop` or throws.
    /// - Throws: `SQLError`, or what `body` throws.
    func scan(_ sql: String, arguments: [SQLValue], _ body: (SQLRow) throws -> SQLScan) throws

    /// Has the statements of `body` see and change only rows of one tenant, where the database can enforce it. Afterwards the
    /// session is what it was.
    func isolated<T>(to tenant: String, _ body: () throws -> T) throws -> T
}

extension SQLSession {
    public func isolated<T>(to tenant: String, _ body: () throws -> T) throws -> T { try body() }

    @discardableResult
    public func execute(_ sql: String, arguments: [SQLValue], rows: [SQLValue]) throws -> Int {
        try execute(sql, arguments: arguments + rows)
    }

    /// A database inside this process has nothing to wait for.
    public func send(_ sql: String, arguments: [SQLValue]) throws { try execute(sql, arguments: arguments) }

    /// Runs a statement that nobody waits for.
    public func send(_ sql: String, _ arguments: (any SQLBindable)...) throws {
        try send(sql, arguments: arguments.map(\.sqlValue))
    }

    /// Runs a statement and returns the number of rows it changed.
    @discardableResult
    public func execute(_ sql: String, _ arguments: (any SQLBindable)...) throws -> Int {
        try execute(sql, arguments: arguments.map(\.sqlValue))
    }

    /// Every row of a query, each made into a value by `make`.
    public func all<T>(_ sql: String, _ arguments: (any SQLBindable)..., make: (SQLRow) throws -> T) throws -> [T] {
        try all(sql, arguments: arguments.map(\.sqlValue), make: make)
    }

    /// Every row of a query, each made into a value by `make`.
    public func all<T>(_ sql: String, arguments: [SQLValue], make: (SQLRow) throws -> T) throws -> [T] {
        var values: [T] = []
        try scan(sql, arguments: arguments) { row in
            values.append(try make(row))
            return .next
        }
        return values
    }

    /// The first row of a query made into a value by `make`, or nil if there is none.
    public func first<T>(_ sql: String, _ arguments: (any SQLBindable)..., make: (SQLRow) throws -> T) throws -> T? {
        try first(sql, arguments: arguments.map(\.sqlValue), make: make)
    }

    /// The first row of a query made into a value by `make`, or nil if there is none.
    public func first<T>(_ sql: String, arguments: [SQLValue], make: (SQLRow) throws -> T) throws -> T? {
        var value: T?
        try scan(sql, arguments: arguments) { row in
            value = try make(row)
            return .stop
        }
        return value
    }

    /// The first column of the first row as an integer; 0 if there is no row.
    public func count(_ sql: String, _ arguments: (any SQLBindable)...) throws -> Int {
        try first(sql, arguments: arguments.map(\.sqlValue)) { $0.int(0) } ?? 0
    }
}
