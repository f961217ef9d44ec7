import Synchronization
import WaybillDatabases

/// Keeps the statements of one transaction that completes a job and claims another.
final class RecordingDatabase: SQLDatabase {
    struct Statement: Sendable {
        var sql: String
        var arguments: [SQLValue]
    }

    private let base: any SQLDatabase
    private let kept = Mutex<[Statement]?>(nil)

    init(_ base: any SQLDatabase) {
        self.base = base
    }

    var dialect: SQLDialect { base.dialect }
    var cycle: [Statement]? { kept.withLock { $0 } }

    func read<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        try await base.read(body)
    }

    func write<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        try await base.write { [self] session in
            let recording = RecordingSession(session)
            let result = try body(recording)
            let (settles, claims) = (recording.has("'completed'"), recording.has("state = 'running', fence"))
            if settles, claims { kept.withLock { $0 = $0 ?? recording.statements } }
            return result
        }
    }
}

private final class RecordingSession: SQLSession {
    private let base: any SQLSession
    private(set) var statements: [RecordingDatabase.Statement] = []

    init(_ base: any SQLSession) {
        self.base = base
    }

    var dialect: SQLDialect { base.dialect }

    func has(_ text: String) -> Bool { statements.contains { $0.sql.contains(text) } }

    func execute(_ sql: String, arguments: [SQLValue]) throws -> Int {
        statements.append(.init(sql: sql, arguments: arguments))
        return try base.execute(sql, arguments: arguments)
    }

    func send(_ sql: String, arguments: [SQLValue]) throws {
        statements.append(.init(sql: sql, arguments: arguments))
        try base.send(sql, arguments: arguments)
    }

    func scan(_ sql: String, arguments: [SQLValue], _ body: (SQLRow) throws -> SQLScan) throws {
        statements.append(.init(sql: sql, arguments: arguments))
        try base.scan(sql, arguments: arguments, body)
    }
}
