import Synchronization
import WaybillDatabases

/// What a handler sees of the job it runs.
///
/// Rule: nothing an attempt does counts until `commit` has returned. `commit` is also where a handler learns that it must stop:
/// it throws when the lease is lost, the job cancelled or paused, or the process is shutting down.
public struct JobContext<Checkpoint: Codable & Sendable>: Sendable {
    let attempt: Attempt

    public var id: JobID { attempt.record.id }
    public var principal: Principal { attempt.record.principal }
    public var createdAt: Timestamp { attempt.record.createdAt }
    /// The engine's time.
    public var now: Timestamp { attempt.now }
    /// How many attempts have failed before this one.
    public var failedAttempts: Int { attempt.record.attempts }
    /// Names this run of the job among all of its runs.
    public var fence: Int64 { attempt.record.fence }
    /// What the last commit stored, of this attempt or one before.
    public var counters: [String: Int64] { attempt.counters }

    /// Whether it is time to commit: a second or 64 MiB have passed since the last time, or the job is asked to stop.
    public var shouldCommit: Bool { attempt.shouldCommit }

    /// The named output, begun now or gone on with from the last commit.
    /// - Throws: `BlobError` or `SQLError`.
    public func artifact(_ name: String, contentType: String) async throws -> ArtifactWriter {
        attempt.artifact(name, contentType: contentType)
    }

    /// Drops all outputs that have been begun, and the stored checkpoint and counters with them, so that the work starts over.
    public func dropArtifacts() async throws {
        try await attempt.dropArtifacts()
    }

    /// Makes the work up to here durable: outputs, checkpoint, progress and `writing`, in one transaction.
    /// - Parameters:
    ///   - progress: percent, 0 to 100. A lower value than before is ignored.
    ///   - durability: when the step is durable.
    ///   - writing: further rows that belong to the same step.
    /// - Throws: what must be let through: the attempt is over.
    public func commit(
        _ checkpoint: Checkpoint, progress: Double? = nil, counters: [String: Int64]? = nil,
        durability: CommitDurability = .immediate,
        writing: (@Sendable (any SQLSession) throws -> Void)? = nil
    ) async throws {
        let step = CheckpointStep(checkpoint: try JobCoding.encode(checkpoint), counters: counters)
        try await attempt.commit(progress: progress, durability, writesRows: writing != nil) { session in
            try writing?(session)
            return step
        }
    }

    /// Makes the work up to here durable where the checkpoint depends on what is written: `making` writes the step's rows and
    /// gives the checkpoint and the counters, in one transaction with the outputs and the progress. It may be called again if the
    /// transaction could not be committed.
    /// - Returns: the checkpoint that was stored.
    /// - Throws: as the other `commit`.
    @discardableResult
    public func commit(
        progress: Double? = nil, durability: CommitDurability = .immediate,
        making: @escaping @Sendable (any SQLSession) throws -> (Checkpoint, counters: [String: Int64]?)
    ) async throws -> Checkpoint {
        let made = Mutex<Checkpoint?>(nil)
        try await attempt.commit(progress: progress, durability, writesRows: true) { session in
            let (checkpoint, counters) = try making(session)
            made.withLock { $0 = checkpoint }
            return CheckpointStep(checkpoint: try JobCoding.encode(checkpoint), counters: counters)
        }
        guard let checkpoint = made.withLock({ $0 }) else { throw EngineError(.invalid, job: id, "a commit made no checkpoint") }
        return checkpoint
    }

    /// What the commits so far have made of the outputs, in the order in which they were begun.
    public func artifacts() async throws -> [Artifact] { try await attempt.storedArtifacts() }

    /// Gives this job the outputs of a completed one of the same tenant and kind, in the transaction of a commit. From then on
    /// both have the same bytes, which go when the last of both lets go of them.
    /// - Parameter matches: is asked for completed jobs, the newest first, of which there may be many.
    /// - Returns: the one whose outputs they are; nil if none matches, or it has no outputs any more.
    public func adoptArtifacts(in session: any SQLSession, matching matches: (JobRecord) throws -> Bool) throws -> JobRecord? {
        try attempt.adoptArtifacts(in: session, matching: matches)
    }

    /// Shows progress live, without making anything durable.
    public func show(progress: Double) {
        attempt.show(progress: progress)
    }
}

/// When the step of a commit is durable.
public enum CommitDurability: Sendable, Hashable {
    /// When it returns.
    case immediate
    /// Soon after it returns, and before the job's end is stored. Until then a power cut takes the step, as a whole, and the job
    /// does it again. For a handler with many short steps that have no effect outside of the database. Where the database is not
    /// part of this process, and could fail alone, it is `immediate`.
    case delayed
}
