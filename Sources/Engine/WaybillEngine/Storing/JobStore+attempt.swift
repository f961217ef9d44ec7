import SeededBugs
import WaybillDatabases

/// What an attempt commits besides its checkpoint.
struct Checkpointing: Sendable {
    var job: JobID
    var fence: Int64
    /// When it was made. Each commit of an attempt has a later time than the one before, so it also says which one it is.
    var at: Timestamp
    /// Percent; nil leaves the stored one.
    var progress: Double?
    var artifacts: [ArtifactChange] = []
}

/// The point from which the next attempt would go on.
struct CheckpointStep: Sendable {
    /// JSON.
    var checkpoint: String
    /// nil leaves the stored ones.
    var counters: [String: Int64]?
}

/// What the commit learned: whether the attempt is asked to stop.
struct StopRequest: Sendable, Hashable {
    var cancel: Bool
    var pause: Bool
}

extension JobStore {
    /// Writes a running attempt's checkpoint, once: if it is tried again because nobody knows whether it took place, and it did,
    /// then nothing is written.
    /// - Parameter making: writes the rows that belong to the step, once it is sure that the attempt may write.
    /// - Throws: `EngineError` with code `.leaseLost` if the attempt's fence is not the job's any more.
    func checkpoint(
        _ session: any SQLSession, _ commit: Checkpointing, making: (any SQLSession) throws -> CheckpointStep
    ) throws -> (StopRequest, JobRecord) {
        let now = commit.at
        let isFence = SeededBug.ignoresFence ? ">=" : "="
        let row = "FROM engine_jobs WHERE id = $1 AND fence \(isFence) $2 AND state = 'running'"
        let found = try session.first("SELECT progress, progressed_at \(row)", commit.job.text, commit.fence) {
            (progress: $0.double(0), at: $0.int64(1))
        }
        guard let found else { throw EngineError(.leaseLost, job: commit.job, "another attempt has the job") }
        if found.at == commit.at.microseconds,
            let stored = try session.first(
                "SELECT \(JobColumns.list) \(row)", commit.job.text, commit.fence, make: JobColumns.record)
        {
            return (StopRequest(cancel: stored.cancelRequested, pause: stored.pauseRequested), stored)
        }
        let before = found.progress
        let step = try making(session)
        let told = min(100, commit.progress.map { $0.isFinite ? $0 : before } ?? before)
        let progress = SeededBug.progressFalls ? before > 30 ? 5 : told : max(before, told)
        var record: JobRecord?
        try session.scan(
            """
            UPDATE engine_jobs SET checkpoint = $1, counters = coalesce($2, counters), progress = $3,
                checkpoint_fence = fence, barren_deaths = 0, updated_at = $4, progressed_at = $4, stalled = 0
            WHERE id = $5 AND fence \(isFence) $6 AND state = 'running'
            RETURNING \(JobColumns.list)
            """,
            arguments: [
                step.checkpoint.sqlValue, step.counters.map(JobColumns.text(counters:)).sqlValue, .double(progress),
                .integer(now.microseconds), .text(commit.job.text), .integer(commit.fence),
            ]
        ) { row in
            record = try JobColumns.record(row)
            return .next
        }
        guard let record else { throw EngineError(.leaseLost, job: commit.job, "another attempt has the job") }
        for artifact in commit.artifacts { try artifacts.store(session, artifact, of: commit.job, now: now) }
        if ProgressPolicy.isStep(from: before, to: progress) {
            try events.append(
                session, [EventDraft(tenant: record.tenant, job: record.id, name: .progress, progress: progress)], now: now)
        }
        return (StopRequest(cancel: record.cancelRequested, pause: record.pauseRequested), record)
    }

    /// Drops all that the attempts of a job have made so far, and its checkpoint with it: the work starts over.
    /// - Throws: `EngineError` with code `.leaseLost` if the attempt's fence is not the job's any more.
    func startOver(_ session: any SQLSession, _ job: JobID, fence: Int64, now: Timestamp) throws {
        let changed = try session.execute(
            "UPDATE engine_jobs SET checkpoint = NULL, counters = '' WHERE id = $1 AND fence = $2 AND state = 'running'",
            job.text, fence)
        guard changed == 1 else { throw EngineError(.leaseLost, job: job, "another attempt has the job") }
        try artifacts.forget(session, of: job, now: now)
    }

    /// Renews the leases of a node, of those of its jobs that have stepped aside. A lease that has run out is not renewed:
    /// another node may be about to take the job.
    func heartbeat(_ session: any SQLSession, node: String, now: Timestamp) throws {
        // As by the clock of a node that is an hour ahead.
        let ahead: Int64 = SeededBug.beatsByOwnClock ? 3_600_000_000 : 0
        // A row that another transaction holds just now is left for the next time: a heartbeat waits for nobody.
        try session.execute(
            """
            WITH held AS (SELECT id FROM engine_jobs WHERE node = $1 AND standing = 5
                AND lease_until >= \(leaseNow(session, "$2")) ORDER BY id \(session.dialect.forUpdateSkipLocked))
            UPDATE engine_jobs SET lease_until = \(leaseNow(session, "$2")) + $3 WHERE id IN (SELECT id FROM held)
            """, node, now.microseconds, leaseMicroseconds + ahead)
    }
}
