import WaybillDatabases

@testable import WaybillEngine

/// What must never be.
struct Violation: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) {
        self.description = description
    }
}

/// What the nodes and users were told, and what follows from it. It knows nothing of how the store does it.
struct Ledger {
    struct Entry {
        var state: JobState = .pending
        /// The highest that a claim was given.
        var fence: Int64 = 0
        /// The checkpoint of the last commit that was acknowledged.
        var checkpoint: String?
        var segments = 0
        var cancelAsked = false
        var progress = 0.0
        var makesArtifact = true
        /// Rows that commits have written.
        var rows: [String] = []
    }

    private(set) var jobs: [JobID: Entry] = [:]
    private var lastEvent: [TenantID: Int64] = [:]
    private(set) var ended = 0

    // MARK: What happens

    mutating func enqueued(_ job: JobRecord) {
        jobs[job.id] = Entry()
    }

    mutating func claimed(_ job: JobRecord) throws {
        guard var entry = jobs[job.id] else { throw Violation("an unknown job was claimed") }
        guard job.fence > entry.fence else { throw Violation("\(job.id): fence \(job.fence) after \(entry.fence)") }
        guard job.checkpoint == entry.checkpoint else {
            throw Violation("\(job.id): claimed with checkpoint \(job.checkpoint ?? "none"), not \(entry.checkpoint ?? "none")")
        }
        entry.fence = job.fence
        entry.state = .running
        jobs[job.id] = entry
    }

    mutating func committed(_ job: JobRecord, text: String, segments: Int) throws {
        guard var entry = jobs[job.id] else { throw Violation("a commit of an unknown job") }
        guard entry.fence == job.fence else { throw Violation("\(job.id): a commit of fence \(job.fence) after \(entry.fence)") }
        guard entry.state == .running else { throw Violation("\(job.id): a commit while \(entry.state)") }
        entry.checkpoint = text
        entry.segments += segments
        entry.rows.append(text)
        jobs[job.id] = entry
    }

    /// An attempt was told that its lease is lost.
    func lost(_ job: JobRecord) throws {
        guard let entry = jobs[job.id] else { return }
        guard entry.fence > job.fence || entry.state != .running else {
            throw Violation("\(job.id): the attempt of fence \(job.fence) was refused though the job is its own")
        }
    }

    mutating func settled(_ job: JobRecord, _ result: JobRecord?, makesArtifact: Bool) throws {
        guard let result else { return try lost(job) }
        guard let entry = jobs[job.id], entry.fence == job.fence, entry.state == .running else {
            throw Violation("\(job.id): an end of fence \(job.fence) was taken, the job's is \(jobs[job.id]?.fence ?? -1)")
        }
        if entry.cancelAsked, result.state != .cancelled {
            throw Violation("\(job.id): \(result.state) although cancelled before")
        }
        moved(result)
        jobs[job.id]?.makesArtifact = makesArtifact
    }

    /// A dead attempt's job was taken from it.
    mutating func taken(_ job: JobRecord, _ result: JobRecord?) throws {
        if let result { moved(result) }
    }

    mutating func expired(_ job: JobRecord) { moved(job) }

    mutating func cancelAsked(_ job: JobRecord) {
        if job.state == .running { jobs[job.id]?.cancelAsked = true }
    }

    mutating func startedOver(_ job: JobRecord) {
        guard let entry = jobs[job.id] else { return }
        var fresh = Entry()
        fresh.fence = entry.fence
        fresh.rows = entry.rows
        jobs[job.id] = fresh
    }

    mutating func pruned(_ id: JobID) {
        jobs[id] = nil
    }

    private mutating func moved(_ job: JobRecord) {
        jobs[job.id]?.state = job.state
        if job.state.isFinal { ended += 1 }
    }

    // MARK: What must be so

    mutating func check(_ session: any SQLSession, store: JobStore) throws {
        try checkLanes(session)
        try checkEvents(session, store)
        try checkLimits(session, store)
        let stored = try session.all("SELECT \(JobColumns.list) FROM engine_jobs", make: JobColumns.record)
        guard Set(stored.map(\.id)) == Set(jobs.keys), stored.count == jobs.count else {
            throw Violation("jobs were lost or doubled")
        }
        for job in stored { try check(job) }
        try checkArtifacts(session)
        try checkRows(session)
        for job in stored {
            jobs[job.id]?.state = job.state
            jobs[job.id]?.progress = job.progress
        }
    }

    private func check(_ job: JobRecord) throws {
        guard let entry = jobs[job.id] else { return }
        if entry.state.isFinal, entry.state != job.state { throw Violation("\(job.id) was \(entry.state), is \(job.state)") }
        guard job.fence == entry.fence else { throw Violation("\(job.id): fence \(job.fence), claimed \(entry.fence)") }
        guard job.checkpoint == entry.checkpoint else {
            throw Violation("\(job.id): checkpoint \(job.checkpoint ?? "none"), acknowledged \(entry.checkpoint ?? "none")")
        }
        guard job.progress >= entry.progress, job.progress <= 100 else {
            throw Violation("\(job.id): progress fell to \(job.progress)")
        }
        guard job.attempts <= job.maxAttempts, job.barrenDeaths <= 3 else { throw Violation("\(job.id): too many attempts") }
        guard job.state.isFinal == (job.endedAt != nil) else { throw Violation("\(job.id) is \(job.state), and ended or not") }
        if job.state == .failed, job.failure == nil { throw Violation("\(job.id) failed without a reason") }
        if job.state == .running, job.node == nil { throw Violation("\(job.id) runs nowhere") }
    }

    private func checkLanes(_ session: any SQLSession) throws {
        let wrong = try session.all(
            """
            SELECT tenant, kind, ready, running FROM engine_lanes AS l
            WHERE ready <> (SELECT count(*) FROM engine_jobs AS j WHERE j.tenant = l.tenant AND j.kind = l.kind AND standing = 1
                AND state = 'pending')
                OR running <> (SELECT count(*) FROM engine_jobs AS j WHERE j.tenant = l.tenant AND j.kind = l.kind AND state
                    = 'running')
                OR (waits = 1) <> (ready > 0)
            """
        ) { "\($0.string(0))/\($0.string(1)) ready \($0.int(2)) running \($0.int(3))" }
        guard wrong.isEmpty else { throw Violation("lanes have drifted: \(wrong)") }
        let misplaced = try session.count(
            """
            SELECT count(*) FROM engine_jobs WHERE (state = 'running' AND standing NOT IN (1, 5))
                OR (standing = 5 AND state <> 'running') OR (standing = 0) <> (state = 'paused')
                OR (standing IN (1, 2, 3, 4) AND state NOT IN ('pending', 'running')) OR (state = 'pending' AND standing > 4)
                OR (standing = 6) <> (ended_at IS NOT NULL)
                OR (prune_at IS NULL) <> (ended_at IS NULL)
            """)
        guard misplaced == 0 else { throw Violation("\(misplaced) jobs stand where they should not") }
    }

    private mutating func checkEvents(_ session: any SQLSession, _ store: JobStore) throws {
        for (tenant, last) in try store.events.tenants(session) {
            let before = lastEvent[tenant] ?? 0
            guard last >= before else { throw Violation("\(tenant): events went back from \(before) to \(last)") }
            let fresh = try store.events.ofTenant(session, tenant, after: before, limit: 1000).map(\.number)
            guard fresh == Array(before..<last).map({ $0 + 1 }) else {
                throw Violation("\(tenant): events \(fresh) after \(before), the last is \(last)")
            }
            lastEvent[tenant] = last
        }
    }

    private func checkLimits(_ session: any SQLSession, _ store: JobStore) throws {
        for (kind, limit) in store.limits.perKey {
            let over = try session.count(
                """
                SELECT count(*) FROM (SELECT 1 FROM engine_jobs WHERE kind = $1 AND limit_key IS NOT NULL AND state = 'running'
                    GROUP BY tenant, limit_key HAVING count(*) > $2) AS over_limit
                """, kind.text, limit)
            guard over == 0 else { throw Violation("more than \(limit) jobs with one key run") }
        }
        for (kind, limit) in store.limits.perKind {
            let running = try session.count("SELECT count(*) FROM engine_jobs WHERE kind = $1 AND state = 'running'", kind.text)
            guard running <= limit else { throw Violation("\(running) jobs of \(kind) run, the limit is \(limit)") }
        }
        if let limit = store.limits.perTenant {
            let most = try session.count(
                """
                SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM engine_jobs WHERE state = 'running' GROUP BY
                    tenant) AS t
                """
            )
            guard most <= limit else { throw Violation("\(most) jobs of a tenant run, the limit is \(limit)") }
        }
        let suspects = try session.count("SELECT count(*) FROM engine_jobs WHERE barren_deaths > 0 AND state = 'running'")
        guard suspects <= 1 else { throw Violation("\(suspects) suspects run at once") }
        let twice = try session.count(
            """
            SELECT count(*) FROM (SELECT 1 FROM engine_jobs WHERE unique_key IS NOT NULL AND ended_at IS NULL GROUP BY
                tenant, kind, unique_key
                HAVING count(*) > 1) AS twice
            """)
        guard twice == 0 else { throw Violation("a unique key is held twice") }
    }

    private func checkArtifacts(_ session: any SQLSession) throws {
        let wrong = try session.count(
            """
            SELECT count(*) FROM engine_artifacts AS a
            WHERE state IN ('ready', 'expired') AND NOT EXISTS (SELECT 1 FROM engine_jobs AS h WHERE h.id = a.job_id AND
                h.state = 'completed')
                OR state = 'open' AND NOT EXISTS (SELECT 1 FROM engine_jobs AS j WHERE j.id = a.job_id AND j.ended_at IS NULL)
                OR state <> 'expired' AND length <> (SELECT coalesce(sum(length), 0) FROM engine_segments AS s WHERE s.job_id
                    = a.job_id)
            """)
        guard wrong == 0 else { throw Violation("\(wrong) artifacts are not what their jobs are") }
        let without = try session.all(
            """
            SELECT id FROM engine_jobs AS h
            WHERE state = 'completed' AND NOT EXISTS (SELECT 1 FROM engine_artifacts AS a WHERE a.job_id = h.id)
            """
        ) { JobID(trusted: $0.string(0)) }
        if let wrong = without.first(where: { jobs[$0]?.makesArtifact ?? true }) {
            throw Violation("\(wrong) has lost its artifact")
        }
        let garbage = try session.count(
            """
            SELECT count(*) FROM engine_garbage AS g WHERE EXISTS (SELECT 1 FROM engine_segments AS s WHERE s.blob_key
                = g.blob_key)
            """
        )
        guard garbage == 0 else { throw Violation("a blob that is in use would be deleted") }
    }

    /// Each acknowledged commit's row is there once, and no other.
    private func checkRows(_ session: any SQLSession) throws {
        var found: [JobID: [String]] = [:]
        try session.scan("SELECT job_id, number FROM simulated_rows ORDER BY rowid", arguments: []) { row in
            found[JobID(trusted: row.string(0)), default: []].append(row.string(1))
            return .next
        }
        for (id, entry) in jobs where found[id, default: []] != entry.rows {
            throw Violation("\(id): rows \(found[id] ?? []), acknowledged \(entry.rows)")
        }
    }

    func checkDrained() throws {
        if let stuck = jobs.first(where: { !$0.value.state.isFinal }) {
            throw Violation("\(stuck.key) is \(stuck.value.state) at the end")
        }
    }
}
