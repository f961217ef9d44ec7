import Synchronization

/// The attempts that run on this node, and those that have ended but are not settled yet.
final class RunningAttempts: Sendable {
    struct Ended: Sendable {
        var attempt: Attempt
        var ending: Ending

        init(_ attempt: Attempt, _ outcome: AttemptOutcome) {
            self.attempt = attempt
            ending = Ending(job: attempt.latest, outcome: outcome, mayHaveArtifacts: attempt.hasArtifacts)
        }
    }

    private struct State {
        var running: [JobID: Attempt] = [:]
        var ended: [Ended] = []
        /// Ended, and may be completed beside whatever else is written.
        var completed: [Ended] = []
        /// Taken to be settled: by the loop that claims, and by the one that completes.
        var settling: [Ended] = []
        var completing: [Ended] = []

        var isIdle: Bool {
            running.isEmpty && ended.isEmpty && completed.isEmpty && settling.isEmpty && completing.isEmpty
        }
    }

    /// So many are completed beside the claims; fewer share their transaction.
    static let completedMin = 16

    /// Says which ends may be written beside claims; nil if none can be.
    private let store: JobStore?

    private let state = Mutex(State())

    init(completesBeside store: JobStore?) {
        self.store = store
    }

    var count: Int { state.withLock { $0.running.count } }

    /// How many have ended and are not settled yet.
    var unsettledCount: Int {
        state.withLock { $0.ended.count + $0.completed.count + $0.settling.count + $0.completing.count }
    }

    /// Whether nothing runs and nothing waits to be settled.
    var isIdle: Bool { state.withLock { $0.isIdle } }

    func started(_ attempt: Attempt) {
        state.withLock { $0.running[attempt.record.id] = attempt }
    }

    /// - Parameter outcome: nil if there is nothing to settle, because the lease is lost.
    /// - Returns: false if the attempt had been given up before.
    @discardableResult
    func ended(_ attempt: Attempt, _ outcome: AttemptOutcome?) -> Bool {
        state.withLock { state in
            // A later attempt of the same job may be running here already.
            guard state.running[attempt.record.id] === attempt else { return false }
            state.running[attempt.record.id] = nil
            guard let outcome else { return true }
            let end = Ended(attempt, outcome)
            if store?.mayComplete(end.ending) == true { state.completed.append(end) } else { state.ended.append(end) }
            return true
        }
    }

    /// Takes what is to be settled in the serial order.
    /// - Parameter all: also completed ones that are many.
    func takeEnded(all: Bool = false) -> [Ended] {
        state.withLock { state in
            if all || state.completed.count < Self.completedMin {
                state.ended += state.completed
                state.completed.removeAll(keepingCapacity: true)
            }
            defer { state.ended.removeAll(keepingCapacity: true) }
            state.settling = state.ended
            return state.ended
        }
    }

    /// Takes those that may be completed beside claims, if they are many.
    func takeCompleted() -> [Ended] {
        state.withLock { state in
            guard state.completed.count >= Self.completedMin else { return [] }
            defer { state.completed.removeAll(keepingCapacity: true) }
            state.completing = state.completed
            return state.completed
        }
    }

    var hasEnded: Bool { state.withLock { !$0.ended.isEmpty || !$0.completed.isEmpty } }

    var hasManyCompleted: Bool { state.withLock { $0.completed.count >= Self.completedMin } }

    /// All that were taken by `takeEnded` are settled, or given back.
    func settled() {
        state.withLock { $0.settling = [] }
    }

    /// Those that were taken by `takeCompleted` are settled, but for some that are to be settled in the serial order.
    func completed(but left: [Ended]) {
        state.withLock { state in
            state.completing = []
            state.ended += left
        }
    }

    /// Ended attempts whose settlement could not be written: it is tried again.
    func giveBack(_ ended: [Ended]) {
        state.withLock { state in
            state.ended.insert(contentsOf: ended, at: 0)
        }
    }

    func attempt(of job: JobID) -> Attempt? {
        state.withLock { $0.running[job] }
    }

    /// Whether a job is in this node's hands in any way.
    func holds(_ job: JobID) -> Bool {
        state.withLock { state in
            state.running[job] != nil
                || [state.ended, state.completed, state.settling, state.completing].contains { ended in
                    ended.contains { $0.attempt.record.id == job }
                }
        }
    }

    var all: [Attempt] { state.withLock { Array($0.running.values) } }
}
