/// How long ended jobs and their artifacts are kept.
public struct RetentionPolicy: Sendable, Hashable {
    /// How long the row of an ended job stays, by its state.
    public var completed: Duration
    public var failed: Duration
    public var cancelled: Duration
    /// Of jobs whose deadline passed before they ended.
    public var expired: Duration
    /// How long the artifacts of a job stay; never longer than its row.
    public var artifacts: Duration

    public init(
        completed: Duration = .seconds(30 * 86_400), failed: Duration = .seconds(30 * 86_400),
        cancelled: Duration = .seconds(7 * 86_400), expired: Duration = .seconds(30 * 86_400),
        artifacts: Duration = .seconds(7 * 86_400)
    ) {
        self.completed = completed
        self.failed = failed
        self.cancelled = cancelled
        self.expired = expired
        self.artifacts = artifacts
    }

    func pruneAt(_ state: JobState, endedAt: Timestamp) -> Timestamp {
        switch state {
        case .completed: endedAt.advanced(by: max(completed, artifacts))
        case .cancelled: endedAt.advanced(by: cancelled)
        case .expired: endedAt.advanced(by: expired)
        case .failed, .pending, .running, .paused: endedAt.advanced(by: failed)
        }
    }

    func artifactsExpireAt(_ state: JobState, endedAt: Timestamp) -> Timestamp {
        min(endedAt.advanced(by: artifacts), pruneAt(state, endedAt: endedAt))
    }
}
