/// A job as it is stored.
public struct JobRecord: Sendable, Hashable {
    public var id: JobID
    public var kind: JobKind
    public var principal: Principal
    public var state: JobState
    /// 0 to 100, higher first.
    public var priority: Int
    public var createdAt: Timestamp
    /// When the first attempt began.
    public var startedAt: Timestamp?
    public var updatedAt: Timestamp
    public var endedAt: Timestamp?
    /// Pending: not before this time. It is later than now while a retry waits.
    public var dueAt: Timestamp
    public var deadlineAt: Timestamp?
    /// The node that runs it.
    public var node: String?
    /// Grows with every claim.
    public var fence: Int64
    /// Attempts that ended by their own error.
    public var attempts: Int
    public var maxAttempts: Int
    /// Attempts that a shutdown ended; they are free.
    public var interruptions: Int
    /// Attempts whose process died or whose lease ran out.
    public var deaths: Int
    /// Deaths in a row without a checkpoint.
    public var barrenDeaths: Int
    public var cancelRequested: Bool
    public var pauseRequested: Bool
    /// Percent, 0 to 100; never falls.
    public var progress: Double
    public var counters: [String: Int64]
    public var uniqueKey: String?
    public var limitKey: String?
    /// Runs, but has made no progress for longer than it should.
    public var stalled: Bool
    /// JSON.
    public var input: String
    /// JSON, of the handler's `Checkpoint`.
    public var checkpoint: String?
    /// JSON, of the handler's `Output`, once completed.
    public var output: String?
    /// Of the last attempt that failed; of the whole job once it has failed.
    public var failure: JobFailure?

    public var tenant: TenantID { principal.tenant }
}
