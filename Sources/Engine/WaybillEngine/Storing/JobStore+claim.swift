import SeededBugs
import WaybillDatabases

extension JobStore {
    /// Claims up to `count` ready jobs for `node`: tenants by turns, then by priority and age. Each claimed job may be run while
    /// its fence is the row's.
    func claim(_ session: any SQLSession, count: Int, kinds: Set<JobKind>, node: String, now: Timestamp) throws -> [JobRecord] {
        guard count > 0, !kinds.isEmpty else { return [] }
        try changing(session, now: now) { changes in
            try promoteDue(session, now: now, &changes)
            try promoteSuspect(session, kinds: kinds, &changes)
        }
        var claimed: [JobRecord] = []
        var blocked: Set<JobChanges.LaneKey> = []
        var policy: ClaimPolicy?
        while claimed.count < count {
            let left = count - claimed.count
            let ready = try readyLanes(session, kinds: kinds, limit: max(16, left) + blocked.count)
                .filter { !blocked.contains($0.key) }
            guard !ready.isEmpty else { break }
            var present = try policy ?? claimPolicy(session, kinds: kinds)
            let open = ready.filter { present.capacity(of: $0).jobs > 0 }
            for lane in ready where !open.contains(lane) { blocked.insert(lane.key) }
            for turn in TurnPlan.turns(open, count: left) {
                for (lane, jobs) in try shares(session, of: turn) {
                    let allowed = min(jobs, present.capacity(of: lane).jobs)
                    let taken = allowed > 0 ? try claim(session, from: lane, count: allowed, node: node, now: now) : []
                    if taken.count < jobs { blocked.insert(lane.key) }
                    present.claimed(taken.count, from: lane)
                    claimed += taken
                }
            }
            policy = present
        }
        try events.append(
            session, claimed.map { EventDraft(tenant: $0.tenant, job: $0.id, name: .started, progress: $0.progress) }, now: now)
        return claimed
    }

    private func readyLanes(_ session: any SQLSession, kinds: Set<JobKind>, limit: Int) throws -> [Lane] {
        let names = kinds.sorted().map { SQLValue.text($0.text) }
        return try session.all(
            """
            SELECT tenant, kind, ready, running, virtual_time FROM engine_lanes
            WHERE ready > 0 AND kind IN (\(session.dialect.placeholders(names.count)))
            ORDER BY \(SeededBug.ignoresTurns ? "" : "virtual_time, ")tenant, kind LIMIT $\(names.count + 1)
            """, arguments: names + [.integer(Int64(limit))], make: Self.lane
        ).compactMap { $0 }
    }

    private static func lane(_ row: SQLRow) -> Lane? {
        TenantID(row.string(0)).map {
            Lane(tenant: $0, kind: JobKind(row.string(1)), ready: row.int(2), running: row.int(3), virtualTime: row.int64(4))
        }
    }

    func claimPolicy(_ session: any SQLSession, kinds: Set<JobKind>) throws -> ClaimPolicy {
        var policy = ClaimPolicy(limits: limits, runningByTenant: [:], runningByKind: [:], kinds: kinds)
        guard limits.perTenant != nil || !limits.perKind.isEmpty else { return policy }
        for lane in try session.all(
            "SELECT tenant, kind, ready, running, virtual_time FROM engine_lanes WHERE running > 0", make: Self.lane)
        {
            if let lane { policy.claimed(lane.running, from: lane) }
        }
        return policy
    }

    /// How a tenant's turn is shared by its kinds: by the priority and age of their first jobs.
    private func shares(_ session: any SQLSession, of turn: TurnPlan.Turn) throws -> [(lane: Lane, jobs: Int)] {
        if turn.lanes.count == 1, let lane = turn.lanes.first { return [(lane, turn.jobs)] }
        var first: [(priority: Int, id: String, lane: Int)] = []
        for (index, lane) in turn.lanes.enumerated() {
            first += try session.all(
                """
                SELECT priority, id FROM engine_jobs WHERE tenant = $1 AND kind = $2 AND standing = 1 ORDER BY priority
                    DESC, id LIMIT $3
                """,
                lane.tenant.text, lane.kind.text, turn.jobs
            ) { ($0.int(0), $0.string(1), index) }
        }
        first.sort { ($1.priority, $0.id) < ($0.priority, $1.id) }
        var jobs = turn.lanes.map { _ in 0 }
        for job in first.prefix(turn.jobs) { jobs[job.lane] += 1 }
        return zip(turn.lanes, jobs).filter { $1 > 0 }.map { (lane: $0, jobs: $1) }
    }

    private func claim(_ session: any SQLSession, from lane: Lane, count: Int, node: String, now: Timestamp) throws -> [JobRecord]
    {
        var jobs: [JobRecord] = []
        try session.scan(
            """
            WITH first AS (SELECT id FROM engine_jobs WHERE tenant = $1 AND kind = $2 AND standing = 1
                ORDER BY priority DESC, id LIMIT $3 \(session.dialect.forUpdateSkipLocked))
            UPDATE engine_jobs SET state = 'running', standing = 5, fence = fence + 1, node = $4,
                lease_until = CAST($5 AS BIGINT) + \(leaseNow(session, "$6")), stalled = 0,
                started_at = coalesce(started_at, $6), updated_at = $6, progressed_at = $6
            WHERE id IN (SELECT id FROM first)
            RETURNING \(JobColumns.list)
            """,
            arguments: [
                .text(lane.tenant.text), .text(lane.kind.text), .integer(Int64(count)), .text(node),
                .integer(leaseMicroseconds), .integer(now.microseconds),
            ]
        ) { row in
            jobs.append(try JobColumns.record(row))
            return .next
        }
        if jobs.isEmpty {
            // The count had drifted; it is mended here so that the lane is not looked at again and again.
            try session.execute(
                "UPDATE engine_lanes SET ready = 0 WHERE tenant = $1 AND kind = $2", lane.tenant.text, lane.kind.text)
            return []
        }
        try passTurn(session, lane.tenant, lane.kind, jobs: jobs.count)
        return jobs.sorted { ($1.priority, $0.id) < ($0.priority, $1.id) }
    }

    /// When the next waiting job is due, if one waits.
    func nextDue(_ session: any SQLSession) throws -> Timestamp? {
        try session.first("SELECT due_at FROM engine_jobs WHERE standing = 2 ORDER BY due_at LIMIT 1") {
            Timestamp(microseconds: $0.int64(0))
        }
    }
}

extension Lane {
    fileprivate var key: JobChanges.LaneKey { JobChanges.LaneKey(tenant: tenant, kind: kind) }
}
