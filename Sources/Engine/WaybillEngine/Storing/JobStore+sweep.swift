import WaybillDatabases

/// What a look at the store finds to be done.
struct DueWork: Sendable {
    /// Jobs may be there to be claimed.
    var ready: Bool
    /// Attempts of dead nodes, passed deadlines, stalls or ticks of schedules.
    var sweep: Bool
}

extension JobStore {
    /// Whether there may be jobs to claim. Cheap: a node that shares the database asks before it takes its turn to write.
    func mayClaim(_ session: any SQLSession, now: Timestamp) throws -> Bool {
        try session.count(
            """
            SELECT (SELECT count(*) FROM (SELECT 1 FROM engine_lanes WHERE waits = 1 LIMIT 1) AS ready)
                + (SELECT count(*) FROM (SELECT 1 FROM engine_jobs WHERE standing = 2 AND due_at <= $1 LIMIT 1) AS later)
                + (SELECT count(*) FROM (SELECT 1 FROM engine_jobs WHERE barren_deaths > 0 AND ended_at IS NULL AND standing
                    = 4 LIMIT 1)
                    AS suspects)
            """, now.microseconds) > 0
    }

    /// Whether there is anything to do. Cheap: it is asked each second.
    func due(_ session: any SQLSession, now: Timestamp, stall: Duration, except node: String) throws -> DueWork {
        let ready = try mayClaim(session, now: now)
        let stalledBefore = now.advanced(by: .zero - stall)
        let sweep = try session.count(
            """
            SELECT (SELECT count(*) FROM engine_jobs WHERE standing = 5
                    AND ((node <> $1 AND lease_until < \(leaseNow(session, "$2"))) OR (stalled = 0 AND progressed_at <= $3)))
                + (SELECT count(*) FROM \(Self.fresh(session.dialect))
                    AND job.node <> $1 AND job.lease_until < \(leaseNow(session, "$2")))
                + (SELECT count(*) FROM (SELECT 1 FROM engine_jobs WHERE deadline_at IS NOT NULL AND ended_at IS NULL
                    AND deadline_at <= $2 LIMIT 1) AS late)
                + (SELECT count(*) FROM (SELECT 1 FROM engine_schedules WHERE next_at <= $2 LIMIT 1) AS ticks)
            """, node, now.microseconds, stalledBefore.microseconds)
        return DueWork(ready: ready, sweep: sweep > 0)
    }

    /// Jobs whose attempt is dead: of nodes other than `node` whose lease has run out, or of all when a node that is alone
    /// starts.
    func dead(_ session: any SQLSession, except node: String, alone: Bool, now: Timestamp, limit: Int = 200) throws -> [Ending] {
        let columns = "\(JobColumns.list), checkpoint_fence"
        if alone {
            return try session.all(
                """
                SELECT \(columns) FROM engine_jobs WHERE standing = 5
                UNION ALL SELECT \(columns) FROM engine_jobs WHERE standing = 1 AND state = 'running' ORDER BY id LIMIT $1
                """, limit, make: Self.dead)
        }
        let isLapsed = "node <> $1 AND lease_until < \(leaseNow(session, "$2"))"
        return try session.all(
            """
            SELECT \(columns) FROM engine_jobs WHERE standing = 5 AND \(isLapsed)
            UNION ALL SELECT \(columns) FROM (SELECT job.* FROM \(Self.fresh(session.dialect))) AS fresh WHERE \(isLapsed)
            ORDER BY id LIMIT $3
            """, node, now.microseconds, limit, make: Self.dead)
    }

    private static func dead(_ row: SQLRow) throws -> Ending {
        let job = try JobColumns.record(row)
        // The fence moves with the next claim; until then the job is not running, which refuses a late write as well.
        return Ending(job: job, outcome: .died(committed: row.int64(JobColumns.names.count) == job.fence))
    }

    /// Whether a running job's lease has run out.
    func isDead(_ session: any SQLSession, _ id: JobID, now: Timestamp) throws -> Bool {
        try session.count(
            "SELECT count(*) FROM engine_jobs WHERE id = $1 AND state = 'running' AND lease_until < \(leaseNow(session, "$2"))",
            id.text, now.microseconds
        ) > 0
    }

    /// Unfinished jobs whose deadline has passed.
    func overdue(_ session: any SQLSession, now: Timestamp, limit: Int = 100) throws -> [JobID] {
        try session.all(
            """
            SELECT id FROM engine_jobs WHERE deadline_at IS NOT NULL AND ended_at IS NULL AND deadline_at <= $1
            ORDER BY deadline_at LIMIT $2
            """, now.microseconds, limit
        ) { JobID(trusted: $0.string(0)) }
    }

    /// Marks and tells running jobs that are alive but have made no progress for `stall`.
    func markStalled(_ session: any SQLSession, stall: Duration, now: Timestamp) throws -> [JobRecord] {
        let before = now.advanced(by: .zero - stall)
        var stalled = try session.all(
            """
            SELECT \(JobColumns.list) FROM engine_jobs WHERE standing = 5 AND stalled = 0 AND progressed_at <= $1
                LIMIT 100
            """,
            before.microseconds, make: JobColumns.record)
        try changing(session, now: now) { changes in
            for index in stalled.indices {
                stalled[index].stalled = true
                let changed = try session.execute(
                    "UPDATE engine_jobs SET stalled = 1 WHERE id = $1 AND state = 'running'", stalled[index].id.text)
                if changed == 1 { changes.tell(stalled[index], .stalled) }
            }
        }
        return stalled
    }

    // MARK: Retention

    func hasOverdueRows(_ session: any SQLSession, now: Timestamp) throws -> Bool {
        try session.count(
            """
            SELECT (SELECT count(*) FROM (SELECT 1 FROM engine_artifacts WHERE state = 'ready' AND expires_at <= $1 LIMIT 1)
                AS expired)
                + (SELECT count(*) FROM (SELECT 1 FROM engine_jobs WHERE prune_at <= $1 LIMIT 1) AS old)
                + (SELECT count(*) FROM (SELECT 1 FROM engine_batches WHERE prune_at <= $1 LIMIT 1) AS old_batches)
            """, now.microseconds) > 0
    }

    /// Marks artifacts whose time has passed as expired and gives their blobs to the sweep.
    func expireArtifacts(_ session: any SQLSession, now: Timestamp) throws -> [JobRecord] {
        let jobs = try session.all(
            """
            SELECT DISTINCT job_id FROM (SELECT job_id FROM engine_artifacts WHERE state = 'ready' AND expires_at <= $1
                ORDER BY expires_at LIMIT 100) AS expired
            """, now.microseconds
        ) { JobID(trusted: $0.string(0)) }
        return try changing(session, now: now) { changes in
            try jobs.compactMap { id in
                try artifacts.end(session, of: id, as: .expired, now: now)
                guard let job = try find(session, id) else { return nil }
                changes.tell(job, .artifactExpired)
                return job
            }
        }
    }

    /// Deletes the rows of ended jobs whose time has passed, with their artifacts and events.
    /// - Returns: how many there were.
    @discardableResult
    func prune(_ session: any SQLSession, now: Timestamp, limit: Int = 200) throws -> Int {
        let ids = try session.all(
            "SELECT id FROM engine_jobs WHERE prune_at <= $1 ORDER BY prune_at LIMIT $2", now.microseconds, limit
        ) {
            JobID(trusted: $0.string(0))
        }
        try delete(session, ids, now: now)
        var pruned = ids.count
        while pruned < limit, let batch = try events.overdue(session, now: now) {
            let ids = try events.jobs(session, in: batch, limit: limit - pruned)
            try delete(session, ids, now: now)
            // Also what it tells of a job that is not there.
            try events.remove(session, of: ids, in: batch)
            pruned += ids.count
        }
        return pruned
    }

    /// Deletes jobs with all that hangs on them.
    func delete(_ session: any SQLSession, _ ids: [JobID], now: Timestamp) throws {
        var gone: [EventStore.Gone] = []
        for id in ids {
            try artifacts.forget(session, of: id, now: now)
            // Before its events: it may be being completed just now, which is told by one.
            let job = try session.first(
                "DELETE FROM engine_jobs WHERE id = $1 RETURNING tenant, started_at, ended_at", id.text
            ) { row in
                EventStore.Gone(
                    id: id, tenant: row.string(0), moments: [row.optionalInt64(1), row.optionalInt64(2)].compactMap(\.self))
            }
            gone.append(job ?? EventStore.Gone(id: id, tenant: "", moments: []))
        }
        try events.remove(session, of: gone)
    }
}
