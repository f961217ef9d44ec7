import Synchronization

/// Wakes those on this node who watch a job or the whole log. It carries no facts: a watcher reads them from the store, so
/// nothing is lost when it is slow; only live progress between commits is kept here.
final class EventHub: Sendable {
    private struct State {
        var nextID = 0
        var watchers: [JobID: [Int: AsyncStream<Void>.Continuation]] = [:]
        var listeners: [Int: AsyncStream<Void>.Continuation] = [:]
        var throttle = ProgressThrottle()
        var live: [JobID: Double] = [:]
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
                if state.watchers[job]?.isEmpty == true { state.watchers[job] = nil }
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
        state.withLock { state in
            state.live[job.id] = max(state.live[job.id] ?? 0, job.progress)
            guard let watchers = state.watchers[job.id], state.throttle.mayTell(job.id, now: now) else { return }
            state.ticks += 1
            for continuation in watchers.values { continuation.yield() }
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
