import WaybillDatabases

extension JobStore {
    /// Where a pending job stands. Of each limit key no more jobs are ready and running together than the limit allows; the
    /// others are held, and each one that leaves brings the next.
    enum Standing: Int, Sendable {
        /// Paused.
        case none = 0
        case ready = 1
        /// Waits for its time.
        case later = 2
        /// Waits for another job with its limit key.
        case heldByKey = 3
        /// Its process died while it ran without a checkpoint; such jobs run one at a time.
        case suspect = 4
        /// Runs, and has stepped aside: see `stepAside`.
        case running = 5
        case ended = 6
        /// Runs outside: see `ExternalJobHandler`.
        case outside = 7
    }

    /// What decides where a job may stand.
    struct Place: Sendable {
        var id: String
        var tenant: TenantID
        var kind: JobKind
        var limitKey: String?
        var priority: Int
        var isSuspect = false
        var dueAt: Timestamp

        var amongReady: ReadyPlace { ReadyPlace(priority: priority, id: id) }
    }

    /// Where a pending job stands now. A less urgent one of the same limit key may have to make room for it.
    func standing(_ session: any SQLSession, _ place: Place, now: Timestamp, _ changes: inout JobChanges) throws -> Standing {
        if place.dueAt > now { return .later }
        if place.isSuspect { return .suspect }
        let standing = try admission(session, place, &changes)
        if standing == .ready { changes.gain(place.tenant, place.kind, at: place.amongReady) }
        return standing
    }

    private func admission(_ session: any SQLSession, _ place: Place, _ changes: inout JobChanges) throws -> Standing {
        guard let key = place.limitKey, let limit = limits.perKey[place.kind] else { return .ready }
        let used = try session.count(
            """
            SELECT count(*) FROM engine_jobs WHERE tenant = $1 AND kind = $2 AND limit_key = $3 AND ended_at IS NULL
                AND standing IN (1, 5) AND id <> $4
            """, place.tenant.text, place.kind.text, key, place.id)
        guard used >= limit else { return .ready }
        let lesser = try session.first(
            """
            SELECT id FROM engine_jobs WHERE tenant = $1 AND kind = $2 AND limit_key = $3 AND ended_at IS NULL
                AND standing = 1 AND state = 'pending' AND priority < $4
            ORDER BY priority, id DESC LIMIT 1
            """, place.tenant.text, place.kind.text, key, place.priority
        ) { $0.string(0) }
        guard let lesser else { return .heldByKey }
        try session.execute("UPDATE engine_jobs SET standing = 3 WHERE id = $1", lesser)
        changes.move(place.tenant, place.kind, ready: -1)
        return .ready
    }

    /// Lets a waiting job be claimed, as far as its limit key allows.
    private func makeReady(_ session: any SQLSession, _ place: Place, _ changes: inout JobChanges) throws {
        let standing = try admission(session, place, &changes)
        try session.execute("UPDATE engine_jobs SET standing = $1 WHERE id = $2", standing.rawValue, place.id)
        if standing == .ready { changes.gain(place.tenant, place.kind, at: place.amongReady) }
    }

    /// One job that was held by the key of `job` may be claimed now, because that is no longer ready or running.
    func releaseKey(_ session: any SQLSession, of job: JobRecord, _ changes: inout JobChanges) throws {
        guard let key = job.limitKey, let limit = limits.perKey[job.kind] else { return }
        let used = try session.count(
            """
            SELECT count(*) FROM engine_jobs WHERE tenant = $1 AND kind = $2 AND limit_key = $3 AND ended_at IS NULL
                AND standing IN (1, 5) AND id <> $4
            """, job.tenant.text, job.kind.text, key, job.id.text)
        guard used < limit else { return }
        let next = try session.first(
            """
            SELECT id, barren_deaths FROM engine_jobs WHERE tenant = $1 AND kind = $2 AND limit_key = $3 AND ended_at IS NULL
                AND standing = 3
            ORDER BY priority DESC, id LIMIT 1
            """, job.tenant.text, job.kind.text, key
        ) { ($0.string(0), $0.int(1)) }
        guard let (id, barrenDeaths) = next else { return }
        let standing: Standing = barrenDeaths > 0 ? .suspect : .ready
        try session.execute("UPDATE engine_jobs SET standing = $1 WHERE id = $2", standing.rawValue, id)
        if standing == .ready { changes.gain(job.tenant, job.kind, at: nil) }
    }

    /// Lets the jobs whose time has come be claimed.
    func promoteDue(_ session: any SQLSession, now: Timestamp, _ changes: inout JobChanges) throws {
        let due = try session.all(
            """
            SELECT id, tenant, kind, limit_key, priority, barren_deaths, due_at FROM engine_jobs WHERE standing = 2 AND
                due_at <= $1
            ORDER BY due_at LIMIT 500
            """, now.microseconds, make: Self.place
        ).compactMap { $0 }
        for place in due {
            if place.isSuspect {
                try session.execute("UPDATE engine_jobs SET standing = 4 WHERE id = $1", place.id)
            } else {
                try makeReady(session, place, &changes)
            }
        }
    }

    /// Lets one suspect be claimed if none is running or ready: a poison job then can take nobody with it but itself.
    func promoteSuspect(_ session: any SQLSession, kinds: Set<JobKind>, _ changes: inout JobChanges) throws {
        let suspects = try session.all(
            """
            SELECT id, tenant, kind, limit_key, priority, barren_deaths, due_at FROM engine_jobs
            WHERE barren_deaths > 0 AND ended_at IS NULL AND standing = 4 ORDER BY id LIMIT 100
            """, make: Self.place
        ).compactMap { $0 }
        guard let place = suspects.first(where: { kinds.contains($0.kind) }),
            try session.count(
                "SELECT count(*) FROM engine_jobs WHERE barren_deaths > 0 AND ended_at IS NULL AND standing IN (1, 5)") == 0
        else { return }
        try makeReady(session, place, &changes)
    }

    private static func place(_ row: SQLRow) -> Place? {
        TenantID(row.string(1)).map {
            Place(
                id: row.string(0), tenant: $0, kind: JobKind(row.string(2)), limitKey: row.optionalString(3),
                priority: row.int(4),
                isSuspect: row.int(5) > 0, dueAt: Timestamp(microseconds: row.int64(6)))
        }
    }

    /// Puts every waiting job where it belongs under the limits of this start.
    /// - Parameter alone: no other node works on the database. Then the lanes are counted anew as well; among other nodes, which
    ///   would have to wait for that, each transaction that moves a job keeps them right.
    func restand(_ session: any SQLSession, alone: Bool, now: Timestamp) throws {
        try changing(session, now: now) { changes in
            // A suspect of a kind that is not handled any more must not keep the others waiting.
            let suspects = try session.all(
                """
                SELECT id, tenant, kind, limit_key, standing FROM engine_jobs
                WHERE barren_deaths > 0 AND ended_at IS NULL AND standing IN (1, 3) AND state = 'pending'
                """, make: Self.stood)
            for job in suspects { try stand(session, job, at: .suspect, &changes) }
            try restandKeyed(session, &changes)
        }
        if alone { try recountLanes(session) }
    }

    private func restandKeyed(_ session: any SQLSession, _ changes: inout JobChanges) throws {
        let keyed = try session.all(
            """
            SELECT id, tenant, kind, limit_key, CASE WHEN state = 'running' THEN 5 ELSE standing END AS place FROM engine_jobs
            WHERE limit_key IS NOT NULL AND ended_at IS NULL AND standing IN (1, 3, 5)
            ORDER BY state = 'running' DESC, priority DESC, id
            """, make: Self.stood)
        var used: [[String]: Int] = [:]
        for job in keyed {
            let limit = limits.perKey[JobKind(job.kind)] ?? .max
            let before = used[[job.tenant, job.kind, job.key], default: 0]
            let standing: Standing = job.standing == .running ? .running : before < limit ? .ready : .heldByKey
            if standing != .heldByKey { used[[job.tenant, job.kind, job.key]] = before + 1 }
            try stand(session, job, at: standing, &changes)
        }
    }

    private typealias Stood = (id: String, tenant: String, kind: String, key: String, standing: Standing)

    private static func stood(_ row: SQLRow) -> Stood {
        (
            row.string(0), row.string(1), row.string(2), row.optionalString(3) ?? "", Standing(rawValue: row.int(4)) ?? .ended
        )
    }

    private func stand(_ session: any SQLSession, _ job: Stood, at standing: Standing, _ changes: inout JobChanges) throws {
        guard standing != job.standing, let tenant = TenantID(job.tenant) else { return }
        // Another node may have moved it since the look.
        let moved = try session.execute(
            "UPDATE engine_jobs SET standing = $1 WHERE id = $2 AND standing = $3 AND state = 'pending'", standing.rawValue,
            job.id,
            job.standing.rawValue)
        guard moved == 1 else { return }
        if standing == .ready {
            changes.gain(tenant, JobKind(job.kind), at: nil)
        } else if job.standing == .ready {
            changes.move(tenant, JobKind(job.kind), ready: -1)
        }
    }
}
