import Synchronization
import WaybillDatabases

/// A database whose writes fail as long as the test says so.
final class FaultyDatabase: SQLDatabase {
    struct Fault: Sendable {
        var error: SQLError
        /// How many writes fail; nil is all.
        var writes: Int?
        /// Only writes that touch a statement with this text.
        var statement: String?
        /// The write takes place all the same.
        var isDoubt = false
    }

    private let base: any SQLDatabase
    private let fault = Mutex<Fault?>(nil)
    private let failures = Mutex(0)

    init(_ base: any SQLDatabase) {
        self.base = base
    }

    var dialect: SQLDialect { base.dialect }
    var failureCount: Int { failures.withLock { $0 } }

    /// - Parameter isDoubt: whether the writes take place all the same, and only their answers are lost.
    func fail(_ code: SQLError.Code, writes: Int? = nil, statement: String? = nil, isDoubt: Bool = false) {
        fault.withLock {
            $0 = Fault(error: SQLError(code, "made to fail"), writes: writes, statement: statement, isDoubt: isDoubt)
        }
    }

    func mend() {
        fault.withLock { $0 = nil }
    }

    func read<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        try await base.read(body)
    }

    func write<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        let (result, lost) = try await base.write { [self] session -> (T, SQLError?) in
            guard let fault = fault.withLock({ $0 }) else { return (try body(session), nil) }
            let watched = WatchedSession(session, looksFor: fault.statement)
            let result = try body(watched)
            guard watched.hasFound else { return (result, nil) }
            self.fault.withLock { fault in
                guard let left = fault?.writes else { return }
                if left <= 1 { fault = nil } else { fault?.writes = left - 1 }
            }
            failures.withLock { $0 += 1 }
            guard fault.isDoubt else { throw fault.error }
            return (result, fault.error)
        }
        if let lost { throw lost }
        return result
    }
}

/// Notices a statement.
private final class WatchedSession: SQLSession {
    private let base: any SQLSession
    private let text: String?
    private(set) var hasFound: Bool

    init(_ base: any SQLSession, looksFor text: String?) {
        self.base = base
        self.text = text
        hasFound = text == nil
    }

    var dialect: SQLDialect { base.dialect }

    func execute(_ sql: String, arguments: [SQLValue]) throws -> Int {
        look(sql)
        return try base.execute(sql, arguments: arguments)
    }

    func scan(_ sql: String, arguments: [SQLValue], _ body: (SQLRow) throws -> SQLScan) throws {
        look(sql)
        try base.scan(sql, arguments: arguments, body)
    }

    func isolated<T>(to tenant: String, _ body: () throws -> T) throws -> T { try base.isolated(to: tenant, body) }

    private func look(_ sql: String) {
        if let text, sql.contains(text) { hasFound = true }
    }
}
