import SeededBugs
import WaybillDatabases

extension JobStore {
    /// Claims up to `count` ready jobs for `node`: tenants by turns, then by priority and age. Each claimed job may be run while
    /// its fence is the row's.
    func claim(_ session: any SQLSession, count: Int, kinds: Set<JobKind>, node: String, now: Timestamp) throws -> [JobRecord] {
        try changing(session, now: now) { changes in
            try claim(session, count: count, kinds: kinds, node: node, now: now, &changes)
        }
    }

    func claim(
        _ session: any SQLSession, count: Int, kinds: Set<JobKind>, node: String, now: Timestamp, _ changes: inout JobChanges
    ) throws -> [JobRecord] {
        guard count > 0, !kinds.isEmpty else { return [] }
        // What only tells how many run is written with what is claimed from the same lane.
        if hasSharedLimits || changes.movesReady { try writeLanes(session, &changes) }
        var claimed: [JobRecord] = []
        var blocked: Set<JobChanges.LaneKey> = []
        var policy: ClaimPolicy?
        while claimed.count < count {
            let left = count - claimed.count
            var outlook = try outlook(session, kinds: kinds, limit: max(16, left) + blocked.count, now: now, changes)
            if policy == nil, outlook.hasDue || outlook.hasSuspects {
                if outlook.hasDue { try promoteDue(session, now: now, &changes) }
                if outlook.hasSuspects || outlook.hasDue { try promoteSuspect(session, kinds: kinds, &changes) }
                try writeLanes(session, &changes)
                outlook = try self.outlook(session, kinds: kinds, limit: max(16, left), now: now, changes)
            }
            let ready = outlook.ready.filter { !blocked.contains($0.key) }
            guard !ready.isEmpty else { break }
            var present = try policy ?? claimPolicy(session, kinds: kinds)
            let open = ready.filter { present.capacity(of: $0).jobs > 0 }
            for lane in ready where !open.contains(lane) { blocked.insert(lane.key) }
            var passed: [(lane: Lane, jobs: Int)] = []
            var last: [JobChanges.LaneKey: ReadyPlace] = [:]
            for turn in TurnPlan.turns(open, count: left) {
                for (lane, jobs) in try shares(session, of: turn) {
                    let allowed = min(jobs, present.capacity(of: lane).jobs)
                    let taken = allowed > 0 ? try take(session, from: lane, count: allowed, node: node, now: now) : []
                    if taken.count < jobs { blocked.insert(lane.key) }
                    if allowed > 0 { passed.append((lane, taken.count)) }
                    if let job = taken.last {
                        let place = ReadyPlace(priority: job.priority, id: job.id.text)
                        last[lane.key] = max(last[lane.key] ?? place, place)
                    }
                    present.claimed(taken.count, from: lane)
                    claimed += taken
                }
            }
            try pass(session, passed, last, alone: outlook.isOfOneTenant, &changes)
            policy = present
        }
        tellStarted(session, claimed, now: now, &changes)
        return claimed
    }

    private func tellStarted(
        _ session: any SQLSession, _ jobs: [JobRecord], now: Timestamp, _ changes: inout JobChanges
    ) {
        guard isBatch(session, jobs.count) else {
            for job in jobs { changes.tell(job, .started) }
            return
        }
        for (_, jobs) in Dictionary(grouping: jobs, by: \.lane).sorted(by: { $0.key < $1.key }) {
            // The row of a job knows when it was first started, and no later start.
            let first = jobs.filter { $0.startedAt == now }
            let batch = isBatch(session, first.count) ? changes.openBatch() : nil
            for job in first { changes.tell(job, .started, in: batch) }
            for job in jobs where job.startedAt != now { changes.tell(job, .started) }
        }
    }

    /// What a claim sees first, in one look.
    private struct Outlook {
        /// Jobs whose time has come are there.
        var hasDue = false
        var hasSuspects = false
        var ready: [Lane] = []
        /// Not all lanes that wait are in it.
        var isCut = false

        /// Nobody else waits for what is claimed.
        var isOfOneTenant: Bool { !isCut && Set(ready.map(\.tenant)).count == 1 }
    }

    private func outlook(
        _ session: any SQLSession, kinds: Set<JobKind>, limit: Int, now: Timestamp, _ changes: JobChanges
    ) throws -> Outlook {
        let names = kinds.sorted().map { SQLValue.text($0.text) }
        // The bound is part of the text, so that the plan is made for it; few texts, so that all stay prepared.
        let bound = Self.roundedUp(limit)
        var outlook = Outlook()
        try session.scan(
            """
            SELECT lane.tenant, lane.kind, lane.ready, lane.running, lane.virtual_time,
                EXISTS (SELECT 1 FROM engine_jobs WHERE standing = 2 AND due_at <= $1),
                EXISTS (SELECT 1 FROM engine_jobs WHERE barren_deaths > 0 AND ended_at IS NULL AND standing = 4),
                lane.mark_priority, lane.mark_id, lane.mark_epoch
            FROM (SELECT 1 AS one) AS look LEFT JOIN (
                SELECT tenant, kind, ready, running, virtual_time, mark_priority, mark_id, mark_epoch FROM engine_lanes
                WHERE waits = 1 AND kind IN (\(session.dialect.placeholders(names.count, from: 2)))
                ORDER BY \(SeededBug.ignoresTurns ? "" : "virtual_time, ")tenant, kind LIMIT \(bound)) AS lane ON one = 1
            """, arguments: [.integer(now.microseconds)] + names
        ) { row in
            (outlook.hasDue, outlook.hasSuspects) = (row.bool(5), row.bool(6))
            guard !row.isNull(0), var lane = Self.lane(row) else { return .next }
            lane.running += changes.running(lane.key)
            lane.mark = row.optionalString(8).map { ReadyPlace(priority: row.int(7), id: $0) }
            lane.markEpoch = row.int64(9)
            outlook.ready.append(lane)
            return .next
        }
        outlook.isCut = outlook.ready.count >= bound
        return outlook
    }

    /// The next power of two from 16 on.
    private static func roundedUp(_ count: Int) -> Int {
        var bound = 16
        while bound < count, bound < 1 << 20 { bound *= 2 }
        return bound
    }

    private static func lane(_ row: SQLRow) -> Lane? {
        TenantID(row.string(0)).map {
            Lane(tenant: $0, kind: JobKind(row.string(1)), ready: row.int(2), running: row.int(3), virtualTime: row.int64(4))
        }
    }

    /// Whether what may run depends on what runs of other tenants or kinds.
    var hasSharedLimits: Bool { limits.perTenant != nil || !limits.perKind.isEmpty }

    /// The limits while nothing runs.
    func policy(kinds: Set<JobKind>) -> ClaimPolicy {
        ClaimPolicy(limits: limits, runningByTenant: [:], runningByKind: [:], kinds: kinds)
    }

    func claimPolicy(_ session: any SQLSession, kinds: Set<JobKind>) throws -> ClaimPolicy {
        var policy = policy(kinds: kinds)
        guard hasSharedLimits else { return policy }
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
        var first: [(place: ReadyPlace, lane: Int)] = []
        for (index, lane) in turn.lanes.enumerated() {
            let ready = firstReady(lane, turn.jobs, "priority, id", in: session, from: 3)
            let places = try session.all(
                ready.sql, arguments: [.text(lane.tenant.text), .text(lane.kind.text)] + ready.arguments
            ) { ReadyPlace(priority: $0.int(0), id: $0.string(1)) }
            first += places.prefix(turn.jobs).map { ($0, index) }
        }
        first.sort { $0.place < $1.place }
        var jobs = turn.lanes.map { _ in 0 }
        for job in first.prefix(turn.jobs) { jobs[job.lane] += 1 }
        return zip(turn.lanes, jobs).filter { $1 > 0 }.map { (lane: $0, jobs: $1) }
    }

    private func take(
        _ session: any SQLSession, from lane: Lane, count: Int, node: String, now: Timestamp
    ) throws -> [JobRecord] {
        // Ready jobs are taken in the serial order only, so that no row of theirs has to be locked or skipped.
        switch session.dialect.name {
        case .postgres:
            var taken = try takeTogether(session, from: lane, count: count, node: node, now: now)
            if taken.count < count, lane.mark != nil {
                // There should be more: it is looked for from the beginning.
                var whole = lane
                whole.mark = nil
                taken += try takeTogether(session, from: whole, count: count - taken.count, node: node, now: now)
            }
            return taken.sorted { ($1.priority, $0.id) < ($0.priority, $1.id) }
        case .sqlite: return try takeEach(session, from: lane, count: count, node: node, now: now)
        }
    }

    /// Writes to the lanes what was taken from them, in the order in which `writeLanes` takes them.
    private func pass(
        _ session: any SQLSession, _ passed: [(lane: Lane, jobs: Int)], _ last: [JobChanges.LaneKey: ReadyPlace], alone: Bool,
        _ changes: inout JobChanges
    ) throws {
        for (lane, jobs) in passed.sorted(by: { ($0.lane.tenant, $0.lane.kind) < ($1.lane.tenant, $1.lane.kind) }) {
            if jobs == 0 {
                try emptyLane(session, lane)
            } else {
                try passTurn(
                    session, lane, jobs: jobs, ended: -changes.takeRunning(lane.key), alone: alone, last: last[lane.key])
            }
        }
    }

    /// Takes the first ready jobs of a lane in one statement: a server is asked once.
    private func takeTogether(
        _ session: any SQLSession, from lane: Lane, count: Int, node: String, now: Timestamp
    ) throws -> [JobRecord] {
        var jobs: [JobRecord] = []
        // By where they stand in the table, which nobody changes meanwhile: no index is asked a second time.
        let ready = firstReady(lane, count, "ctid AS place", in: session, from: 7)
        // A plan for any mark looks a little worse than one for this mark, which would be made anew for each claim: that costs
        // more than the claim.
        if lane.mark != nil, let keepsPlans = session.dialect.keepsPlans { try session.send(keepsPlans) }
        try session.scan(
            """
            WITH first AS (SELECT place FROM (\(ready.sql)) AS ready LIMIT $3)
            UPDATE engine_jobs SET state = 'running', fence = fence + 1, node = $4,
                lease_until = CAST($5 AS BIGINT) + \(leaseNow(session, "$6")), stalled = 0,
                started_at = coalesce(started_at, $6), updated_at = $6, progressed_at = $6
            WHERE ctid \(session.dialect.eachOf("SELECT place FROM first"))
            RETURNING \(JobColumns.list)
            """,
            arguments: [
                .text(lane.tenant.text), .text(lane.kind.text), .integer(Int64(count)), .text(node),
                .integer(leaseMicroseconds), .integer(now.microseconds),
            ] + ready.arguments
        ) { row in
            jobs.append(try JobColumns.record(row))
            return .next
        }
        return jobs.sorted { ($1.priority, $0.id) < ($0.priority, $1.id) }
    }

    /// Gives the first ready jobs of a lane in their order: those behind its mark, which are two stretches of the index.
    /// - Parameter first: the number of its first argument; tenant and kind are $1 and $2.
    private func firstReady(
        _ lane: Lane, _ count: Int, _ columns: String, in session: any SQLSession, from first: Int
    ) -> (sql: String, arguments: [SQLValue]) {
        // The bound is part of the text and tells the database to plan for few rows; it reads no more of them than are asked for.
        let bound = "LIMIT \(Self.roundedUp(count))"
        let ready = """
            SELECT \(columns) FROM engine_jobs WHERE tenant = $1 AND kind = $2 AND standing = 1 AND state = 'pending'
            """
        guard usesMarks(session), let mark = lane.mark else { return ("\(ready) ORDER BY priority DESC, id \(bound)", []) }
        return (
            """
            (\(ready) AND priority = $\(first) AND id > $\(first + 1) ORDER BY id \(bound)) UNION ALL
            (\(ready) AND priority < $\(first) ORDER BY priority DESC, id \(bound))
            """, [.integer(Int64(mark.priority)), .text(mark.id)]
        )
    }

    /// Takes the first ready jobs of a lane row by row: what an update returns costs a database in the process more than the
    /// update.
    private func takeEach(
        _ session: any SQLSession, from lane: Lane, count: Int, node: String, now: Timestamp
    ) throws -> [JobRecord] {
        var jobs: [JobRecord] = []
        var rows: [Int64] = []
        try session.scan(
            """
            SELECT \(JobColumns.list), rowid FROM engine_jobs WHERE tenant = $1 AND kind = $2 AND standing = 1
                AND state = 'pending'
            ORDER BY priority DESC, id LIMIT $3
            """, arguments: [.text(lane.tenant.text), .text(lane.kind.text), .integer(Int64(count))]
        ) { row in
            var job = try JobColumns.record(row)
            (job.state, job.fence, job.node, job.stalled) = (.running, job.fence + 1, node, false)
            (job.startedAt, job.updatedAt) = (job.startedAt ?? now, now)
            jobs.append(job)
            rows.append(row.int64(JobColumns.names.count))
            return .next
        }
        for row in rows {
            try session.execute(
                """
                UPDATE engine_jobs SET state = 'running', fence = fence + 1, node = $1, lease_until = $2,
                    stalled = 0, started_at = coalesce(started_at, $3), updated_at = $3, progressed_at = $3
                WHERE rowid = $4
                """, node, leaseMicroseconds + now.microseconds, now.microseconds, row)
        }
        return jobs
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
