import Dispatch
import GRDB
import Synchronization
import WaybillDatabases

/// Commits together what arrives together. While one transaction is being synced, the bodies of the next one gather.
///
/// Who was in line when a transaction ended is not kept waiting by those who come after it: one who writes much, again and again,
/// would else hold everybody up twice.
final class GroupCommit: Sendable {
    private struct State {
        var waiting: [any PendingWrite] = []
        var isScheduled = false
        var isClosed = false
        /// How many were in line when the last transaction ended.
        var turn = 0
    }

    private let state = Mutex(State())
    private let writer: any DatabaseWriter
    let executor: WriterExecutor
    private let sessions: ConnectionSessions
    // It is told of every commit, so it lives as long as there can be one.
    private let checkpointer: LogCheckpointer?
    /// Of connections that are this program's own; all other commits are waited for.
    private let syncer: LogSyncer?

    init(_ writer: any DatabaseWriter, sessions: ConnectionSessions, checkpointer: LogCheckpointer?) {
        self.writer = writer
        executor = WriterExecutor(writer)
        self.sessions = sessions
        self.checkpointer = checkpointer
        syncer = checkpointer.map { LogSyncer($0) }
    }

    /// Puts a write in line. The first one to come schedules the transaction, or runs it if it comes from where that would be.
    func enqueue(_ write: any PendingWrite) {
        enum Next { case wait, schedule, refuse }
        let next: Next = state.withLock { state in
            guard !state.isClosed else { return .refuse }
            state.waiting.append(write)
            guard !state.isScheduled else { return .wait }
            state.isScheduled = true
            return .schedule
        }
        switch next {
        case .wait: break
        case .schedule where executor.isHere: writer.unsafeReentrantWrite { takeTurn($0) }
        case .schedule: schedule()
        case .refuse: write.finish(SQLError(.unavailable, "the database is closing"))
        }
    }

    /// Refuses everything that comes from now on. What is in line is still committed.
    func close() {
        state.withLock { $0.isClosed = true }
    }

    /// Returns when nothing syncs beside the writer any more.
    func endSyncs() { syncer?.close() }

    private func schedule() {
        // One transaction per turn of the writer's queue, so that others who use the same connection get their turn as well.
        writer.asyncWriteWithoutTransaction { self.takeTurn($0) }
    }

    private func takeTurn(_ database: Database) {
        commitWaiting(sessions.session(database))
        let goesOn = state.withLock { state in
            state.isScheduled = !state.waiting.isEmpty
            return state.isScheduled
        }
        if goesOn { schedule() }
    }

    private func commitWaiting(_ session: SQLiteSession) {
        let writes = state.withLock { state in
            let writes = state.waiting.prefix(state.turn > 0 ? min(state.turn, CommitBatch.bodiesMax) : CommitBatch.bodiesMax)
            state.turn = 0
            state.waiting.removeFirst(writes.count)
            return writes
        }
        guard let first = writes.first else { return }
        if writes.count == 1 {
            commitAlone(first, in: session)
            return
        }
        do {
            try begin(writes, in: session)
        } catch {
            tell(writes, error)
            return
        }
        commitMany(writes, in: session)
    }

    private func commitMany(_ writes: ArraySlice<any PendingWrite>, in session: SQLiteSession) {
        var batch = CommitBatch(now: DispatchTime.now().uptimeNanoseconds)
        var ran = writes.startIndex
        var failure: (any Error)?
        while failure == nil, ran < writes.endIndex, batch.admits(now: DispatchTime.now().uptimeNanoseconds) {
            failure = runAlone(writes[ran], in: session)
            ran += 1
        }
        if ran < writes.endIndex {
            let left = writes[ran...]
            state.withLock { $0.waiting.insert(contentsOf: left, at: 0) }
        }
        let ranWrites = writes[..<ran]
        do {
            if let failure { throw failure }
            try commit(session)
        } catch {
            session.rollback()
            // A deferred constraint is the fault of one body. Alone, each one gets the answer that is his own.
            if (error as? SQLError)?.code == .constraint, failure == nil {
                ranWrites.forEach { commitAlone($0, in: session) }
            } else {
                tell(ranWrites, error)
            }
            return
        }
        // Also a body that threw hears of it only now: it may have seen what others wrote, and that was not sure until now.
        tell(ranWrites, nil)
    }

    private func begin(_ writes: ArraySlice<any PendingWrite>, in session: SQLiteSession) throws {
        try syncer?.begins(session.database, isDelayed: writes.allSatisfy(\.isDelayed))
        try session.begin(.write)
    }

    private func commit(_ session: SQLiteSession) throws {
        do {
            try session.commit()
        } catch {
            syncer?.failed(error)
            throw error
        }
        syncer?.committed()
    }

    /// Ends the turn, and tells those who were part of it.
    private func tell(_ writes: ArraySlice<any PendingWrite>, _ failure: (any Error)?) {
        state.withLock { $0.turn = $0.waiting.count }
        for write in writes { write.finish(failure) }
    }

    private func commitAlone(_ write: any PendingWrite, in session: SQLiteSession) {
        do {
            try begin([write], in: session)
        } catch {
            tell([write], error)
            return
        }
        do {
            try write.run(session)
        } catch {
            session.rollback()
            tell([write], nil)
            return
        }
        do {
            try commit(session)
            tell([write], nil)
        } catch {
            tell([write], error)
        }
    }

    /// Runs one body so that it leaves nothing if it throws.
    /// - Returns: why the whole transaction is lost, or nil if it can go on.
    private func runAlone(_ write: any PendingWrite, in session: SQLiteSession) -> (any Error)? {
        do {
            try session.execute("SAVEPOINT body")
            do {
                try write.run(session)
            } catch {
                guard session.isInTransaction else { return error }
                try session.execute("ROLLBACK TO body")
            }
            try session.execute("RELEASE body")
            return nil
        } catch {
            return error
        }
    }
}
