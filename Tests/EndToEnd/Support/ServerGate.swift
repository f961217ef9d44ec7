import Synchronization

/// Lets a few servers run at once: more would only make each other slow.
///
/// Suites that share a server and tests that have one of their own wait at two gates. A test that waits takes one of the places
/// in which tests run, which are few: at one gate, enough of them would wait for a suite whose tests find no place.
final class ServerGate: Sendable {
    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    static let ofSuites = ServerGate(places: 2)
    static let ofTests = ServerGate(places: 2)
    private let state: Mutex<State>

    init(places: Int) {
        state = Mutex(State(free: places))
    }

    /// Waits for a place, first come, first served.
    func enter() async {
        await withCheckedContinuation { caller in
            let isFree = state.withLock { state in
                guard state.free > 0 else {
                    state.waiting.append(caller)
                    return false
                }
                state.free -= 1
                return true
            }
            if isFree { caller.resume() }
        }
    }

    func leave() {
        let next = state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.free += 1
                return CheckedContinuation<Void, Never>?.none
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}
