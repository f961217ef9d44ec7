import Synchronization
import WaybillDatabases

/// A snapshot that counts what is asked of it.
final class WatchedSnapshot: SQLSnapshot {
    struct Counts: Sendable {
        /// Queries for rows in an order that were run by themselves.
        var sorted = 0
        /// Uses of open queries.
        var pieces = 0
        /// Open queries that were closed to be begun again.
        var ends = 0
    }

    private let base: any SQLSnapshot
    private let state = Mutex(Counts())

    init(_ base: any SQLSnapshot) { self.base = base }

    var counts: Counts { state.withLock { $0 } }
    var readerCount: Int { base.readerCount }

    func read<T: Sendable>(reader: Int, _ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        try await base.read(reader: reader) { [self] session in
            try body(Session(base: session) { change in self.state.withLock { change(&$0) } })
        }
    }

    func close() async { await base.close() }

    private final class Session: SQLResumableSession {
        private let base: any SQLSession
        private let note: ((inout Counts) -> Void) -> Void

        init(base: any SQLSession, note: @escaping ((inout Counts) -> Void) -> Void) {
            self.base = base
            self.note = note
        }

        var dialect: SQLDialect { base.dialect }

        func execute(_ sql: String, arguments: [SQLValue]) throws -> Int { try base.execute(sql, arguments: arguments) }

        func scan(_ sql: String, arguments: [SQLValue], _ body: (SQLRow) throws -> SQLScan) throws {
            if sql.contains("ORDER BY") { note { $0.sorted += 1 } }
            try base.scan(sql, arguments: arguments, body)
        }

        func scan(
            _ sql: String, arguments: [SQLValue], resuming number: Int, _ body: (SQLRow) throws -> SQLScan
        ) throws -> Bool {
            guard let base = base as? any SQLResumableSession else { throw SQLError(.other, "the driver leaves no query open") }
            note { $0.pieces += 1 }
            return try base.scan(sql, arguments: arguments, resuming: number, body)
        }

        func endScan(_ number: Int) {
            note { $0.ends += 1 }
            (base as? any SQLResumableSession)?.endScan(number)
        }
    }
}
