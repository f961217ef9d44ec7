import Synchronization

/// A number of places. Who finds none waits for one, in the order of coming.
package final class CallPlaces: Sendable {
    private struct State {
        var free: Int
        var nextNumber: UInt64 = 0
        var waiting: [(number: UInt64, caller: CheckedContinuation<Void, any Error>)] = []
    }

    private let state: Mutex<State>

    package init(_ count: Int) {
        state = Mutex(State(free: max(1, count)))
    }

    /// - Throws: `CancellationError` if the task is cancelled while it waits.
    package func take() async throws {
        let number = state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { caller in
                // The handler may have run before: then nobody would wake the caller.
                let isCancelled = Task.isCancelled
                let isTaken = state.withLock { state in
                    if isCancelled { return false }
                    if state.free > 0 {
                        state.free -= 1
                        return true
                    }
                    state.waiting.append((number, caller))
                    return false
                }
                if isTaken { caller.resume() } else if isCancelled { caller.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            leave(number)
        }
    }

    package func give() {
        let next = state.withLock { state -> CheckedContinuation<Void, any Error>? in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst().caller }
            state.free += 1
            return nil
        }
        next?.resume()
    }

    private func leave(_ number: UInt64) {
        let caller = state.withLock { state in
            state.waiting.firstIndex { $0.number == number }.map { state.waiting.remove(at: $0).caller }
        }
        caller?.resume(throwing: CancellationError())
    }
}
