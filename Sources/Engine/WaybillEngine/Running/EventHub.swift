import Synchronization

/// Wakes those on this node who watch a job or the whole log. It carries no facts: a watcher reads them from the store, so
/// nothing is lost when it is slow; only live progress between commits is kept here.
///
/// Other nodes are told as well, and what they tell wakes the watchers here.
final class EventHub: Sendable {
    private let voice: NodeVoice

    init(_ voice: NodeVoice) {
        self.voice = voice
    }

    private struct State {
        var nextID = 0
        var watchers: [JobID: [Int: AsyncStream<Void>.Continuation]] = [:]
        var listeners: [Int: AsyncStream<Void>.Continuation] = [:]
        var throttle = ProgressThrottle()
        var live: [JobID: Double] = [:]
        /// Jobs whose progress is known from other nodes only. It is kept while somebody watches.
        var remote: Set<JobID> = []
        /// How often watchers of a job were woken by its progress.
        var ticks = 0
    }

    private let state = Mutex(State())

    /// A stream that ticks when something of the job has changed. Ticks are merged while nobody looks.
    func watch(_ job: JobID) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.nextID += 1
            state.watchers[job, default: [:]][state.nextID] = continuation
            return state.nextID
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { state in
                state.watchers[job]?[id] = nil
                guard state.watchers[job]?.isEmpty == true else { return }
                state.watchers[job] = nil
                guard state.remote.remove(job) != nil else { return }
                state.live[job] = nil
                state.throttle.forget(job)
            }
        }
        return stream
    }

    /// A stream that ticks when a durable event of any tenant was written on this node.
    func listen() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.nextID += 1
            state.listeners[state.nextID] = continuation
            return state.nextID
        }
        continuation.onTermination = { [weak self] _ in self?.state.withLock { $0.listeners[id] = nil } }
        return stream
    }

    /// Something durable of these jobs has changed.
    func changed(_ jobs: [JobRecord]) {
        guard !jobs.isEmpty else { return }
        voice.changed(jobs)
        state.withLock { state in
            for job in jobs {
                if job.state != .running, !state.live.isEmpty {
                    state.live[job.id] = nil
                    state.throttle.forget(job.id)
                }
                if !state.watchers.isEmpty, let watchers = state.watchers[job.id] {
                    for continuation in watchers.values { continuation.yield() }
                }
            }
            for continuation in state.listeners.values { continuation.yield() }
        }
    }

    /// A running job has got further. Watchers are woken at most four times a second.
    func progressed(_ job: JobRecord, now: Timestamp) {
        let isTold = progressed(job.id, percent: job.progress, isAlwaysTold: voice.signals != nil, now: now)
        if isTold { voice.say([.progress(job.id, percent: job.progress)]) }
    }

    /// - Parameter isAlwaysTold: also if nobody watches here.
    /// - Returns: whether it is the time to tell.
    @discardableResult
    private func progressed(_ job: JobID, percent: Double, isAlwaysTold: Bool, now: Timestamp) -> Bool {
        state.withLock { state in
            state.live[job] = max(state.live[job] ?? 0, percent)
            let watchers = state.watchers[job]
            guard watchers != nil || isAlwaysTold, state.throttle.mayTell(job, now: now) else { return false }
            guard let watchers else { return true }
            state.ticks += 1
            for continuation in watchers.values { continuation.yield() }
            return true
        }
    }

    // MARK: Other nodes

    /// - Returns: whether there may be work to claim.
    func heard(_ word: NodeWord, now: Timestamp) -> Bool {
        switch word {
        case .work: return true
        case .manyChanged: wakeAll()
        case .changed(let job):
            state.withLock { state in
                for continuation in state.watchers[job, default: [:]].values { continuation.yield() }
                for continuation in state.listeners.values { continuation.yield() }
            }
        case .progress(let job, let percent):
            // Of a job that nobody watches here, nothing is kept.
            let isWatched = state.withLock { state in
                guard state.watchers[job] != nil else { return false }
                if state.live[job] == nil { state.remote.insert(job) }
                return true
            }
            guard isWatched else { return false }
            progressed(job, percent: percent, isAlwaysTold: false, now: now)
        }
        return word == .manyChanged
    }

    /// Has everybody look for himself: words may have been missed.
    func wakeAll() {
        state.withLock { state in
            for watchers in state.watchers.values {
                for continuation in watchers.values { continuation.yield() }
            }
            for continuation in state.listeners.values { continuation.yield() }
        }
    }

    /// For tests: how often progress has woken watchers.
    var ticks: Int { state.withLock { $0.ticks } }

    /// A job runs on this node no longer.
    func forget(_ job: JobID) {
        state.withLock { state in
            state.live[job] = nil
            state.throttle.forget(job)
        }
    }

    /// The highest progress that a running job on this node has shown.
    func liveProgress(_ job: JobID) -> Double? {
        state.withLock { $0.live[job] }
    }
}
