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
        /// Taken to be settled.
        var settling: [Ended] = []
    }

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.running.count } }

    /// Whether nothing runs and nothing waits to be settled.
    var isIdle: Bool { state.withLock { $0.running.isEmpty && $0.ended.isEmpty } }

    var hasEnded: Bool { state.withLock { !$0.ended.isEmpty } }

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
            if let outcome { state.ended.append(Ended(attempt, outcome)) }
            return true
        }
    }

    func takeEnded() -> [Ended] {
        state.withLock { state in
            defer { state.ended.removeAll(keepingCapacity: true) }
            state.settling = state.ended
            return state.ended
        }
    }

    /// All that were taken are settled, or given back.
    func settled() {
        state.withLock { $0.settling = [] }
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
            state.running[job] != nil || (state.settling + state.ended).contains { $0.attempt.record.id == job }
        }
    }

    var all: [Attempt] { state.withLock { Array($0.running.values) } }
}
