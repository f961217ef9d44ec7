import Dispatch
import Synchronization
import WaybillDatabases

/// Runs a body in a transaction that only reads, in which all queries see one state.
struct ReadRunner: Sendable {
    let waitSeconds: Double
    let start: TransactionStart
    /// On whose behalf; nil for the program itself.
    let tenant: String?

    /// On the slot's queue.
    func run<T>(on slot: ConnectionSlot, ticket: ReadTicket, _ body: (any SQLSession) throws -> T) throws -> T {
        let deadline = DispatchTime.now() + waitSeconds
        while true {
            guard !ticket.isCancelled else { throw CancellationError() }
            do {
                let connection = try slot.connected(until: deadline)
                do {
                    try connection.session.begin(start, tenant: tenant)
                } catch let failure as PostgresFailure where failure.kind == .lost && DispatchTime.now() < deadline {
                    // It was lost while nobody used it; the body has not seen anything yet.
                    slot.drop()
                    continue
                }
                return try run(on: connection, slot, ticket, body)
            } catch let failure as PostgresFailure {
                if failure.kind == .lost { slot.drop() }
                throw failure.error
            }
        }
    }

    private func run<T>(
        on connection: PostgresConnection, _ slot: ConnectionSlot, _ ticket: ReadTicket, _ body: (any SQLSession) throws -> T
    ) throws -> T {
        let session = connection.session
        session.beginBody(tenant: tenant)
        guard ticket.begin(connection) else {
            try session.run("ROLLBACK")
            throw CancellationError()
        }
        let result = Result { try body(session) }
        let wasCancelled = ticket.end()
        if wasCancelled || connection.isBroken {
            // A cancel that comes late must not hit what others do.
            slot.drop()
        } else {
            try session.run("ROLLBACK")
            if session.failure?.kind == .again { try session.forgetStatements() }
        }
        if wasCancelled, session.failure?.error.code == .interrupted { throw CancellationError() }
        return try result.get()
    }
}

/// Lets a task that is cancelled interrupt the statement that it waits for.
final class ReadTicket: Sendable {
    private enum State {
        case waiting
        case running(PostgresConnection)
        /// With the connection on which it still runs.
        case cancelled(PostgresConnection?)
        case ended
    }

    private let state = Mutex(State.waiting)
    /// Held while a cancel is on its way.
    private let sending = Mutex(())
    private let cancels = DispatchQueue.global()

    var isCancelled: Bool {
        state.withLock { if case .cancelled = $0 { true } else { false } }
    }

    /// - Returns: false if it has been cancelled.
    func begin(_ connection: PostgresConnection) -> Bool {
        state.withLock { state in
            guard case .waiting = state else { return false }
            state = .running(connection)
            return true
        }
    }

    /// Waits for a cancel that is on its way: it must not hit what the connection does next.
    /// - Returns: whether it was cancelled while it ran.
    func end() -> Bool {
        let wasCancelled = state.withLock { state in
            defer { state = .ended }
            return if case .cancelled = state { true } else { false }
        }
        if wasCancelled { sending.withLock { _ in } }
        return wasCancelled
    }

    func cancel() {
        let isRunning = state.withLock { state in
            switch state {
            case .waiting: state = .cancelled(nil)
            case .running(let connection):
                state = .cancelled(connection)
                return true
            case .cancelled, .ended: break
            }
            return false
        }
        if isRunning { interrupt() }
    }

    /// Again and again until the read has ended: between two of its statements there is nothing to be interrupted.
    private func interrupt() {
        // It connects to the server, which may block.
        cancels.async { [self] in
            let isRunning = sending.withLock { _ in
                let connection: PostgresConnection? = state.withLock {
                    if case .cancelled(let connection) = $0 { connection } else { nil }
                }
                connection?.cancel()
                return connection != nil
            }
            guard isRunning else { return }
            cancels.asyncAfter(deadline: .now() + Self.pause) { self.interrupt() }
        }
    }

    private static let pause = DispatchTimeInterval.milliseconds(100)
}
