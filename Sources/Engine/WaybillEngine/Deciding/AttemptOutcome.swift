/// How an attempt ended, as its worker saw it.
enum AttemptOutcome: Sendable {
    /// JSON of the handler's output, and what was written since the last commit.
    case completed(output: String, made: [ArtifactChange] = [])
    case failed(JobFailure)
    /// The handler honoured a cancel.
    case cancelled
    /// The handler honoured a pause; its checkpoint is stored.
    case paused
    /// The process is shutting down; its checkpoint is stored.
    case interrupted
    /// The store of files was away. No fault of the job, which goes on when it is back.
    case hindered(JobFailure)
    /// The process died, or its lease ran out. `committed`: the attempt had stored a checkpoint since its claim.
    case died(committed: Bool)
}
