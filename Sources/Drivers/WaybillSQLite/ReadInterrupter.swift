import Dispatch
import GRDBSQLite
import Synchronization

/// Ends a read whose task is cancelled: it is interrupted again and again until it has ended. Between two of its statements, or
/// before the first, there is nothing to be interrupted.
final class ReadInterrupter: Sendable {
    // Safe because the connection is used under the lock only, and while the read that has it runs.
    private struct State: @unchecked Sendable {
        var connection: OpaquePointer?
        var isCancelled = false
    }

    private let state = Mutex(State())
    private let queue = DispatchQueue.global()
    private static let pause = DispatchTimeInterval.milliseconds(50)

    /// Runs a body that may be interrupted.
    /// - Throws: `CancellationError` if it has been cancelled already; what the body throws.
    func run<T>(on connection: OpaquePointer?, _ body: () throws -> T) throws -> T {
        let isCancelled = state.withLock { state in
            state.connection = connection
            return state.isCancelled
        }
        defer { state.withLock { $0.connection = nil } }
        if isCancelled { throw CancellationError() }
        return try body()
    }

    func cancel() {
        state.withLock { $0.isCancelled = true }
        interrupt()
    }

    private func interrupt() {
        queue.async { [self] in
            let isRunning = state.withLock { state in
                guard let connection = state.connection else { return false }
                sqlite3_interrupt(connection)
                return true
            }
            guard isRunning else { return }
            queue.asyncAfter(deadline: .now() + Self.pause) { self.interrupt() }
        }
    }
}
