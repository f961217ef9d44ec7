import WaybillDatabases

/// Jobs that are worked outside: see `ExternalJobHandler`.
extension JobStore {
    func isExternal(_ job: JobRecord) -> Bool { external.contains(job.kind) }

    /// Has a job run that was just stored, in nobody's hands here.
    func begin(_ session: any SQLSession, external job: inout JobRecord, now: Timestamp, _ changes: inout JobChanges) throws {
        job.state = .running
        job.startedAt = now
        job.fence = 1
        try session.send(
            "UPDATE engine_jobs SET state = 'running', standing = $1, started_at = $2, fence = 1 WHERE id = $3",
            Standing.outside.rawValue, now.microseconds, job.id.text)
        changes.tell(job, .created)
        changes.tell(job, .started)
    }

    /// Notes how far a job is that is worked outside.
    /// - Parameter deadlineAt: its new one.
    /// - Throws: `EngineError` with code `.notFound` or `.alreadyEnded`.
    func advance(
        _ session: any SQLSession, _ id: JobID, progress: Double, counters: [String: Int64], deadlineAt: Timestamp?,
        now: Timestamp
    ) throws -> JobRecord {
        var job = try outside(session, id)
        let before = job.progress
        job.progress = progress.isFinite ? min(100, max(before, progress)) : before
        job.counters = counters
        job.deadlineAt = deadlineAt
        job.updatedAt = now
        try session.execute(
            """
            UPDATE engine_jobs SET progress = $1, counters = $2, deadline_at = $3, updated_at = $4, progressed_at = $4
            WHERE id = $5
            """, job.progress, JobColumns.text(counters: counters), deadlineAt?.microseconds, now.microseconds, id.text)
        // Its first progress says that somebody is at work, which no attempt does.
        if ProgressPolicy.isStep(from: before, to: job.progress) || (before == 0 && job.progress > 0) {
            try events.append(
                session, [EventDraft(tenant: job.tenant, job: id, name: .progress, progress: job.progress)], now: now)
        }
        return job
    }

    /// Ends a job that is worked outside; its kind's hook runs.
    /// - Parameter outcome: its output, or why it failed.
    /// - Throws: `EngineError` with code `.notFound` or `.alreadyEnded`.
    func end(
        _ session: any SQLSession, external id: JobID, _ outcome: Result<String, JobFailure>, now: Timestamp
    ) throws -> JobRecord {
        var job = try outside(session, id)
        switch outcome {
        case .success(let output):
            job.state = .completed
            job.output = output
        case .failure(let failure):
            job.state = .failed
            job.failure = failure
        }
        try changing(session, now: now) { changes in try end(session, &job, now: now, &changes) }
        return job
    }

    private func outside(_ session: any SQLSession, _ id: JobID) throws -> JobRecord {
        guard let job = try find(session, id), isExternal(job) else { throw EngineError(.notFound, job: id, "no such job") }
        guard job.state == .running else { throw EngineError(.alreadyEnded, job: id, "the job has ended") }
        return job
    }
}
