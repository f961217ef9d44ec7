import WaybillDatabases

extension JobStore {
    /// Stores a job.
    /// - Throws: `EngineError` with code `.duplicate` if an unfinished job has the same unique key.
    func enqueue(_ session: any SQLSession, _ request: JobRequest, id: JobID, now: Timestamp) throws -> JobRecord {
        let dueAt = request.dueAt ?? now
        let principal = request.principal
        return try changing(session, now: now) { changes in
            // A duplicate must not have moved others of its limit key, so the place is found once the row is there.
            let isLimited = request.limitKey != nil && limits.perKey[request.kind] != nil && !external.contains(request.kind)
            let standing: Standing = isLimited ? .none : dueAt > now ? .later : .ready
            let arguments = [
                id.text.sqlValue, principal.tenant.text.sqlValue, principal.user.sqlValue,
                JobColumns.text(roles: principal.roles).sqlValue, principal.apiKey.sqlValue, request.kind.text.sqlValue,
                request.priority.sqlValue, now.microseconds.sqlValue, dueAt.microseconds.sqlValue,
                (request.deadlineAt?.microseconds).sqlValue, request.maxAttempts.sqlValue, request.uniqueKey.sqlValue,
                request.limitKey.sqlValue, request.input.sqlValue, standing.rawValue.sqlValue,
            ]
            if let key = request.uniqueKey {
                guard try session.execute(Self.insertion, arguments: arguments) == 1 else {
                    let other = try holder(session, principal.tenant, request.kind, uniqueKey: key)
                    throw EngineError(.duplicate, job: other, "an unfinished job does the same")
                }
            } else {
                // Nothing can be in its way.
                try session.send(Self.insertion, arguments: arguments)
            }
            var job = Self.record(of: request, id: id, now: now)
            if isExternal(job) {
                try begin(session, external: &job, now: now, &changes)
                return job
            }
            if isLimited {
                let place = try self.standing(session, Place(job), now: now, &changes)
                try session.send("UPDATE engine_jobs SET standing = $1 WHERE id = $2", place.rawValue, id.text)
            } else if standing == .ready {
                changes.gain(job.tenant, job.kind, at: ReadyPlace(priority: job.priority, id: id.text))
            }
            changes.tell(job, .created)
            return job
        }
    }

    private static let insertion = """
        INSERT INTO engine_jobs (id, tenant, user_id, roles, api_key, kind, state, priority, created_at, updated_at, due_at,
            deadline_at, fence, attempts, max_attempts, interruptions, deaths, barren_deaths, cancel_requested, pause_requested,
            progress, counters, unique_key, limit_key, stalled, input, standing, checkpoint_fence, progressed_at)
        VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $8, $8, $9, $10, 0, 0, $11, 0, 0, 0, 0, 0, 0, '', $12, $13, 0, $14, $15,
            -1, $8)
        ON CONFLICT (tenant, kind, unique_key) WHERE unique_key IS NOT NULL AND ended_at IS NULL DO NOTHING
        """

    private static func record(of request: JobRequest, id: JobID, now: Timestamp) -> JobRecord {
        JobRecord(
            id: id, kind: request.kind, principal: request.principal, state: .pending, priority: request.priority, createdAt: now,
            startedAt: nil, updatedAt: now, endedAt: nil, dueAt: request.dueAt ?? now, deadlineAt: request.deadlineAt, node: nil,
            fence: 0,
            attempts: 0, maxAttempts: request.maxAttempts, interruptions: 0, deaths: 0, barrenDeaths: 0, cancelRequested: false,
            pauseRequested: false, progress: 0, counters: [:], uniqueKey: request.uniqueKey, limitKey: request.limitKey,
            stalled: false,
            input: request.input, checkpoint: nil, output: nil, failure: nil)
    }

    func holder(_ session: any SQLSession, _ tenant: TenantID, _ kind: JobKind, uniqueKey: String) throws -> JobID? {
        try session.first(
            "SELECT id FROM engine_jobs WHERE tenant = $1 AND kind = $2 AND unique_key = $3 AND ended_at IS NULL", tenant.text,
            kind.text,
            uniqueKey
        ) { JobID(trusted: $0.string(0)) }
    }
}
