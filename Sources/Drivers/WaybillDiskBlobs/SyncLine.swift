import Synchronization

/// Makes files durable. Who asks for a file that waits already shares its turn: one call of the system serves them all. A few
/// files go side by side, so that the file system's journal commits them together.
final class SyncLine: Sendable {
    private struct Waiting {
        var file: DiskStagedFile
        var callers: [CheckedContinuation<Void, any Error>]
    }

    private struct State {
        /// Paths, in the order of their coming.
        var order: [String] = []
        var waiting: [String: Waiting] = [:]
        var running = 0
    }

    private static let sideBySide = 4
    private let state = Mutex(State())
    private let service: DiskIOService
    private let counter = Mutex(0)

    init(service: DiskIOService) {
        self.service = service
    }

    /// How many calls of the system there were.
    var count: Int { counter.withLock { $0 } }

    /// Returns once everything is durable that was written to the file before.
    func sync(_ file: DiskStagedFile) async throws {
        try await withCheckedThrowingContinuation { caller in
            let starts = state.withLock { state in
                let key = file.path
                if state.waiting[key] != nil {
                    state.waiting[key]?.callers.append(caller)
                    return false
                }
                state.waiting[key] = Waiting(file: file, callers: [caller])
                state.order.append(key)
                guard state.running < Self.sideBySide else { return false }
                state.running += 1
                return true
            }
            if starts { service.submit { self.work() } }
        }
    }

    private func work() {
        while let next = next() {
            counter.withLock { $0 += 1 }
            let result = Result { try next.file.syncNow() }
            for caller in next.callers { caller.resume(with: result) }
        }
    }

    /// What is taken is no longer waiting: who asks from now on has written after its turn has begun.
    private func next() -> Waiting? {
        state.withLock { state in
            guard !state.order.isEmpty else {
                state.running -= 1
                return nil
            }
            return state.waiting.removeValue(forKey: state.order.removeFirst())
        }
    }
}
