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
        /// Those that wait for a worker among them.
        var running: [JobID: Attempt] = [:]
        /// Claimed before a worker was free for them, first come first.
        var waiting: [Attempt] = []
        var ahead: ClaimAhead

        /// The next one that may begin.
        mutating func next(workers: Int) -> Attempt? {
            guard !waiting.isEmpty, running.count - waiting.count < workers else { return nil }
            return waiting.removeFirst()
        }

        var ended: [Ended] = []
        /// Taken to be settled.
        var settling: [Ended] = []
    }

    private let state: Mutex<State>
    private let workers: Int

    init(workers: Int, ahead: ClaimAhead) {
        self.workers = workers
        state = Mutex(State(ahead: ahead))
    }

    /// How many jobs may be claimed now.
    var room: Int { state.withLock { workers + $0.ahead.jobs - $0.running.count } }

    var count: Int { state.withLock { $0.running.count } }

    /// Whether nothing runs and nothing waits to be settled.
    var isIdle: Bool { state.withLock { $0.running.isEmpty && $0.ended.isEmpty } }

    var hasEnded: Bool { state.withLock { !$0.ended.isEmpty } }

    /// Takes an attempt in that runs already, whatever the number of workers.
    func started(_ attempt: Attempt) {
        state.withLock { $0.running[attempt.record.id] = attempt }
    }

    /// Takes an attempt in.
    /// - Returns: whether it begins now; else it waits for a worker.
    func admitted(_ attempt: Attempt) -> Bool {
        state.withLock { state in
            let begins = state.running.count - state.waiting.count < workers
            state.running[attempt.record.id] = attempt
            if !begins { state.waiting.append(attempt) }
            return begins
        }
    }

    /// The next of those that wait for a worker, if one is free.
    func next() -> Attempt? { state.withLock { $0.next(workers: workers) } }

    /// Notes how long an attempt ran.
    func ran(for duration: Duration) {
        state.withLock { $0.ahead.ran(for: duration) }
    }

    /// Ends those that wait for a worker without having begun, so that their jobs are not in the hands of a node that has no time
    /// for them.
    /// - Returns: whether there were any.
    func giveUpWaiting() -> Bool {
        state.withLock { state in
            for attempt in state.waiting {
                state.running[attempt.record.id] = nil
                switch attempt.stop {
                case .leaseLost: break
                case .cancelled: state.ended.append(Ended(attempt, .cancelled))
                case .paused: state.ended.append(Ended(attempt, .paused))
                case .interrupted, nil: state.ended.append(Ended(attempt, .interrupted))
                }
            }
            defer { state.waiting = [] }
            state.ahead.reset()
            return !state.waiting.isEmpty
        }
    }

    /// The job that has waited longest for a worker.
    var firstWaiting: JobID? { state.withLock { $0.waiting.first?.record.id } }

    /// - Parameter outcome: nil if there is nothing to settle, because the lease is lost.
    /// - Returns: false if the attempt had been given up before.
    @discardableResult
    func ended(_ attempt: Attempt, _ outcome: AttemptOutcome?) -> Bool {
        state.withLock { state in
            // A later attempt of the same job may be running here already.
            guard state.running[attempt.record.id] === attempt else { return false }
            state.running[attempt.record.id] = nil
            state.waiting.removeAll { $0 === attempt }
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
