import SeededBugs
import WaybillDatabases

extension JobStore {
    /// Cancels a job: at once if it doesn't run, else by asking its attempt.
    /// - Throws: `EngineError` with code `.notFound` or `.alreadyEnded`.
    func cancel(_ session: any SQLSession, _ id: JobID, now: Timestamp) throws -> JobRecord {
        var job = try unfinished(session, id)
        switch JobStateMachine.cancel(job.state, requested: job.cancelRequested, isExternal: isExternal(job)) {
        case .move:
            try changing(session, now: now) { changes in
                try leave(session, job, &changes)
                job.state = .cancelled
                try end(session, &job, now: now, &changes)
            }
        case .request:
            job.cancelRequested = !SeededBug.losesCancel
            if SeededBug.losesCancel { return job }
            try session.execute(
                "UPDATE engine_jobs SET cancel_requested = 1, updated_at = $1 WHERE id = $2", now.microseconds, id.text)
            try tell(session, job, .cancelRequested, now: now)
        case .nothing: break
        case .refuse(let code): throw EngineError(code, job: id, "the job has ended")
        }
        return job
    }

    /// Pauses a job: at once if it doesn't run, else by asking its attempt.
    /// - Throws: `EngineError` with code `.notFound` or `.alreadyEnded`.
    func pause(_ session: any SQLSession, _ id: JobID, now: Timestamp) throws -> JobRecord {
        var job = try unfinished(session, id)
        switch JobStateMachine.pause(job.state, requested: job.pauseRequested, isExternal: isExternal(job)) {
        case .move:
            try changing(session, now: now) { changes in
                try leave(session, job, &changes)
                job.state = .paused
                job.updatedAt = now
                try session.execute(
                    "UPDATE engine_jobs SET state = 'paused', standing = 0, updated_at = $1 WHERE id = $2", now.microseconds,
                    id.text)
                changes.tell(job, .paused)
            }
        case .request:
            job.pauseRequested = true
            try session.execute(
                "UPDATE engine_jobs SET pause_requested = 1, updated_at = $1 WHERE id = $2", now.microseconds, id.text)
            try tell(session, job, .pauseRequested, now: now)
        case .nothing: break
        case .refuse(.workedOutside): throw Self.workedOutside(id)
        case .refuse(let code): throw EngineError(code, job: id, "the job has ended")
        }
        return job
    }

    /// Lets a paused job go on from its checkpoint, or takes back a pause that has not been honoured yet.
    /// - Throws: `EngineError` with code `.notFound` or `.alreadyEnded`.
    func resume(_ session: any SQLSession, _ id: JobID, now: Timestamp) throws -> JobRecord {
        var job = try unfinished(session, id)
        switch JobStateMachine.resume(job.state, pauseRequested: job.pauseRequested) {
        case .move:
            job.state = .pending
            job.dueAt = max(job.dueAt, now)
            job.updatedAt = now
            try changing(session, now: now) { changes in
                let standing = try standing(session, Place(job), now: now, &changes)
                try session.execute(
                    "UPDATE engine_jobs SET state = 'pending', standing = $1, due_at = $2, updated_at = $3 WHERE id = $4",
                    standing.rawValue, job.dueAt.microseconds, now.microseconds, id.text)
                changes.tell(job, .resumed)
            }
        case .request:
            job.pauseRequested = false
            try session.execute(
                "UPDATE engine_jobs SET pause_requested = 0, updated_at = $1 WHERE id = $2", now.microseconds, id.text)
            try tell(session, job, .resumed, now: now)
        case .nothing: break
        case .refuse(let code): throw EngineError(code, job: id, "the job has ended")
        }
        return job
    }

    /// Starts a job that ended without success over: from the beginning, with all its attempts.
    /// - Throws: `EngineError` with code `.notFound`, `.notEnded`, `.alreadyEnded` (it completed) or `.duplicate`.
    func retry(_ session: any SQLSession, _ id: JobID, now: Timestamp) throws -> JobRecord {
        guard let ended = try take(session, id) else { throw EngineError(.notFound, job: id, "no such job") }
        guard ended.state.isFinal else { throw EngineError(.notEnded, job: id, "the job has not ended") }
        guard ended.state != .completed else { throw EngineError(.alreadyEnded, job: id, "the job has completed") }
        guard !isExternal(ended) else { throw Self.workedOutside(id) }
        if let key = ended.uniqueKey, let other = try holder(session, ended.tenant, ended.kind, uniqueKey: key) {
            throw EngineError(.duplicate, job: other, "an unfinished job does the same")
        }
        try session.execute(
            """
            UPDATE engine_jobs SET state = 'pending', standing = 0, updated_at = $1, ended_at = NULL, due_at = $1,
                deadline_at = NULL,
                node = NULL, attempts = 0, barren_deaths = 0, cancel_requested = 0, pause_requested = 0, progress = 0,
                    counters = '',
                checkpoint = NULL, output = NULL, failure_code = NULL, failure_message = NULL, prune_at = NULL
            WHERE id = $2
            """, now.microseconds, id.text)
        try artifacts.forget(session, of: id, now: now)
        let job = try unfinished(session, id)
        try changing(session, now: now) { changes in
            let standing = try standing(session, Place(job), now: now, &changes)
            try session.execute("UPDATE engine_jobs SET standing = $1 WHERE id = $2", standing.rawValue, id.text)
            changes.tell(job, .restarted)
        }
        return job
    }

    /// Starts an unfinished job over: from the beginning, with all its attempts, and with what is asked for now. An attempt that
    /// runs loses it, since the job is not running any more and its fence moves with the next claim.
    /// - Throws: `EngineError` with code `.notFound` or `.alreadyEnded`.
    func restart(_ session: any SQLSession, _ id: JobID, as request: JobRequest, now: Timestamp) throws -> JobRecord {
        let before = try unfinished(session, id)
        guard !isExternal(before) else { throw Self.workedOutside(id) }
        try changing(session, now: now) { changes in try leave(session, before, &changes) }
        try session.execute(
            """
            UPDATE engine_jobs SET state = 'pending', standing = 0, updated_at = $1, due_at = $1, deadline_at = $2, node = NULL,
                lease_until = NULL, attempts = 0, barren_deaths = 0, cancel_requested = 0, pause_requested = 0, progress = 0,
                counters = '', checkpoint = NULL, stalled = 0, failure_code = NULL, failure_message = NULL, input = $3
            WHERE id = $4
            """, now.microseconds, request.deadlineAt?.microseconds, request.input, id.text)
        try artifacts.forget(session, of: id, now: now)
        let job = try unfinished(session, id)
        try changing(session, now: now) { changes in
            let standing = try standing(session, Place(job), now: now, &changes)
            try session.execute("UPDATE engine_jobs SET standing = $1 WHERE id = $2", standing.rawValue, id.text)
            changes.tell(job, .restarted)
        }
        return job
    }

    /// Ends a job whose deadline has passed. A running attempt loses its fence.
    func expire(
        _ session: any SQLSession, _ id: JobID, now: Timestamp, _ changes: inout JobChanges, runsHook: Bool = true
    ) throws -> JobRecord? {
        guard var job = try take(session, id), !job.state.isFinal, let deadline = job.deadlineAt, deadline <= now else {
            return nil
        }
        try leave(session, job, &changes)
        job.state = .expired
        job.failure = .expired
        try end(session, &job, now: now, &changes, runsHook: runsHook)
        return job
    }

    private func tell(_ session: any SQLSession, _ job: JobRecord, _ name: JobEvent.Name, now: Timestamp) throws {
        try events.append(session, [EventDraft(tenant: job.tenant, job: job.id, name: name, progress: job.progress)], now: now)
    }

    /// Takes an unfinished job out of its lane's counts, and lets its limit key go.
    private func leave(_ session: any SQLSession, _ job: JobRecord, _ changes: inout JobChanges) throws {
        if isExternal(job) { return }
        if job.state == .running {
            changes.move(job.tenant, job.kind, running: -1)
        } else if job.state == .pending, try standing(session, of: job.id) == .ready {
            changes.move(job.tenant, job.kind, ready: -1)
        }
        try releaseKey(session, of: job, &changes)
    }

    /// Where an unfinished job stands; nil if there is none.
    func standing(_ session: any SQLSession, of id: JobID) throws -> Standing? {
        try session.first("SELECT standing FROM engine_jobs WHERE id = $1", id.text) { Standing(rawValue: $0.int(0)) } ?? nil
    }

    private static func workedOutside(_ id: JobID) -> EngineError {
        EngineError(.workedOutside, job: id, "the job is worked by a client, who alone can do that")
    }

    private func unfinished(_ session: any SQLSession, _ id: JobID) throws -> JobRecord {
        guard let job = try take(session, id) else { throw EngineError(.notFound, job: id, "no such job") }
        guard !job.state.isFinal else { throw EngineError(.alreadyEnded, job: id, "the job has ended") }
        return job
    }
}

extension JobStore.Place {
    /// Of a pending job.
    init(_ job: JobRecord) {
        self.init(
            id: job.id.text, tenant: job.tenant, kind: job.kind, limitKey: job.limitKey, priority: job.priority,
            isSuspect: job.barrenDeaths > 0, dueAt: job.dueAt)
    }
}
