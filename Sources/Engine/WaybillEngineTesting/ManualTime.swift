import Synchronization
import WaybillEngine

/// A clock that stands still until it is told to go on. Those who sleep wake in the order of their deadlines.
public final class ManualTime: TimeSource {
    private struct Sleeper {
        var id: Int
        var deadline: Timestamp
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct Watcher {
        var isMet: @Sendable ([Timestamp]) -> Bool
        var continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var now: Timestamp
        var nextID = 0
        var sleepers: [Sleeper] = []
        var cancelled: Set<Int> = []
        var watchers: [Watcher] = []

        /// Those who have waited for such sleepers as there are now.
        mutating func contented() -> [CheckedContinuation<Void, Never>] {
            guard !watchers.isEmpty else { return [] }
            let deadlines = sleepers.map(\.deadline)
            let met = watchers.filter { $0.isMet(deadlines) }
            watchers.removeAll { $0.isMet(deadlines) }
            return met.map(\.continuation)
        }
    }

    private let state: Mutex<State>

    /// - Parameter now: 2026-01-01T00:00:00Z if nothing else is given.
    public init(now: Timestamp = Timestamp(microseconds: 1_767_225_600_000_000)) {
        state = Mutex(State(now: now))
    }

    public func now() -> Timestamp { state.withLock { $0.now } }

    public func sleep(until deadline: Timestamp) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                enum Next { case wake, cancel, wait([CheckedContinuation<Void, Never>]) }
                let next: Next = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return .cancel }
                    guard deadline > state.now else { return .wake }
                    state.sleepers.append(Sleeper(id: id, deadline: deadline, continuation: continuation))
                    return .wait(state.contented())
                }
                switch next {
                case .wake: continuation.resume()
                case .cancel: continuation.resume(throwing: CancellationError())
                case .wait(let contented): contented.forEach { $0.resume() }
                }
            }
        } onCancel: {
            let sleeper: Sleeper? = state.withLock { state in
                guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return state.sleepers.remove(at: index)
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
        _ = state.withLock { $0.cancelled.remove(id) }
    }

    /// Lets time pass, and wakes those whose deadline is reached, the earliest first.
    public func advance(by duration: Duration) {
        advance(to: now().advanced(by: duration))
    }

    /// Lets time pass until `later`. An earlier time than now sets the clock back, as an operator may, and wakes nobody.
    public func advance(to later: Timestamp) {
        let due = state.withLock { state in
            state.now = later
            let due = state.sleepers.filter { $0.deadline <= later }.sorted { ($0.deadline, $0.id) < ($1.deadline, $1.id) }
            state.sleepers.removeAll { $0.deadline <= later }
            return due
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    /// When the next sleeper wakes, if anybody sleeps.
    public var nextDeadline: Timestamp? { state.withLock { $0.sleepers.map(\.deadline).min() } }

    /// Returns once at least `count` tasks sleep: a signal that they have done what they do before.
    public func untilAsleep(_ count: Int = 1) async {
        await untilAsleep { $0.count >= count }
    }

    /// Returns once a task sleeps until exactly `deadline`.
    public func untilAsleep(until deadline: Timestamp) async {
        await untilAsleep { $0.contains(deadline) }
    }

    private func untilAsleep(_ isMet: @escaping @Sendable ([Timestamp]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let contented = state.withLock { state in
                state.watchers.append(Watcher(isMet: isMet, continuation: continuation))
                return state.contented()
            }
            contented.forEach { $0.resume() }
        }
    }
}
