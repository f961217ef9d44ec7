import Synchronization
import WaybillDatabases

/// One reading of a table from its first row to its last in one query, which stays open from chunk to chunk. A view, or a table
/// whose key has no index, is so looked at and sorted once, and not anew for each chunk.
///
/// A cursor of it is the number of rows that have been taken. It is used by one read at a time, on one connection of a snapshot.
final class TablePass: Sendable {
    private enum State: Sendable {
        case closed
        case open(taken: Int64)
        case ended(taken: Int64)
    }

    /// Of the query on its connection, where it is the only one.
    private static let number = 1
    private let state = Mutex(State.closed)

    static func cursor(_ taken: Int64) -> KeysetCursor { KeysetCursor([.integer(taken)]) }

    static func taken(_ value: KeysetCursor.Value) -> Int64? {
        if case .integer(let taken) = value { taken } else { nil }
    }

    /// Hands the next rows to `body`.
    /// - Parameters:
    ///   - taken: how many rows come before. Where the query stands elsewhere, it is begun again.
    ///   - rows: at most.
    func read(
        _ text: String, _ arguments: [SQLValue], behind taken: Int64, rows: Int, in session: any SQLSession,
        _ body: (SQLRow) throws -> SQLScan
    ) throws -> ChunkEnd {
        var skipped: Int64 = taken
        switch state.withLock({ $0 }) {
        case .open(taken): skipped = 0
        case .ended(taken): return ChunkEnd(last: nil, isStopped: false)
        default: (session as? any SQLResumableSession)?.endScan(Self.number)
        }
        var now = taken
        var isStopped = false
        let next = { (row: SQLRow) throws -> SQLScan in
            if skipped > 0 {
                skipped -= 1
                return .next
            }
            now += 1
            isStopped = try body(row) == .stop
            return isStopped || now - taken >= rows ? .stop : .next
        }
        state.withLock { $0 = .closed }
        if let session = session as? any SQLResumableSession {
            let isOpen = try session.scan(text, arguments: arguments, resuming: Self.number, next)
            state.withLock { $0 = isOpen ? .open(taken: now) : .ended(taken: now) }
        } else {
            skipped = 0
            try session.scan("\(text) LIMIT \(rows) OFFSET \(taken)", arguments: arguments, next)
        }
        return ChunkEnd(last: now > taken ? Self.cursor(now) : nil, isStopped: isStopped)
    }
}
