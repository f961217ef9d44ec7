import SeededBugs
import Synchronization

/// Makes a long file durable while more of it is written: a disk keeps much in memory of its own, and would write all of it at
/// the end, while everybody waits.
final class EarlySync: Sendable {
    private struct State {
        /// Bytes that came since the last step has begun.
        var bytes = 0
        var isRunning = false
        var hasEnded = false
        /// A failure is told once for an open file, so it must not be lost: what came before it may not be on the disk.
        var failure: (any Error)?
    }

    private let service: DiskIOService
    private let stepBytes: Int
    private let sync: @Sendable () throws -> Void
    private let state = Mutex(State())
    /// Is held while the system is at work, so that the file stays open.
    private let call = Mutex(())

    /// - Parameter sync: makes what was written to the file durable. Blocks.
    init(service: DiskIOService, stepBytes: Int = 12 << 20, sync: @escaping @Sendable () throws -> Void) {
        self.service = service
        self.stepBytes = stepBytes
        self.sync = sync
    }

    /// Bytes have been appended.
    /// - Throws: what a step has thrown.
    func wrote(_ count: Int) throws {
        let starts = try state.withLock { state in
            if let failure = state.failure { throw failure }
            state.bytes += count
            guard state.bytes >= stepBytes, !state.isRunning, !SeededBug.dropsFileSync else { return false }
            state.bytes = 0
            state.isRunning = true
            return true
        }
        if starts { service.submit { self.step() } }
    }

    /// Nothing is at work when this returns, and nothing will be. Blocks.
    /// - Throws: what a step has thrown.
    func end() throws {
        state.withLock { $0.hasEnded = true }
        call.withLock { _ in }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    private func step() {
        call.withLock { _ in
            guard !state.withLock({ $0.hasEnded }) else { return }
            let result = Result { try sync() }
            state.withLock { state in
                state.isRunning = false
                if case .failure(let error) = result { state.failure = error }
            }
        }
    }
}
