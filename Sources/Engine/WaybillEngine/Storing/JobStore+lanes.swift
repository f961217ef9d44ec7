import WaybillDatabases

extension JobStore {
    /// Moves the counts of a lane. A tenant that had nothing to do begins at the present virtual time, so that it neither gains
    /// turns by having been idle nor pays for what it had while nobody else was waiting.
    func moveLane(_ session: any SQLSession, _ tenant: TenantID, _ kind: JobKind, ready: Int = 0, running: Int = 0) throws {
        guard ready != 0 || running != 0 else { return }
        if ready == 0, running < 0 {
            // One that loses jobs is there.
            return try session.send(
                "UPDATE engine_lanes SET running = running + $1 WHERE tenant = $2 AND kind = $3", running, tenant.text, kind.text)
        }
        if ready <= 0, running <= 0 {
            return try session.send(
                """
                UPDATE engine_lanes SET ready = ready + $1, waits = \(Self.waits("ready + $1")), running = running + $2
                WHERE tenant = $3 AND kind = $4
                """, ready, running, tenant.text, kind.text)
        }
        let known = try session.first(
            "UPDATE engine_lanes SET ready = ready + $1, running = running + $2 WHERE tenant = $3 AND kind = $4 RETURNING ready",
            ready,
            running, tenant.text, kind.text
        ) { $0.int(0) }
        if known == nil {
            try session.send(
                "INSERT INTO engine_lanes (tenant, kind, ready, running, virtual_time) VALUES ($1, $2, $3, $4, 0)", tenant.text,
                kind.text,
                ready, running)
        }
        if (known ?? ready) == ready { try takePlace(session, tenant) }
    }

    /// What `waits` is while a lane has so many ready jobs.
    private static func waits(_ ready: String) -> String { "CASE WHEN \(ready) > 0 THEN 1 ELSE 0 END" }

    /// Gives all lanes of a tenant one virtual time, after one of them has become ready.
    private func takePlace(_ session: any SQLSession, _ tenant: TenantID) throws {
        let own = try session.first(
            """
            SELECT max(virtual_time), sum(CASE WHEN ready > 0 THEN 1 ELSE 0 END) FROM engine_lanes WHERE
                tenant = $1
            """, tenant.text
        ) { (latest: $0.int64(0), ready: $0.int(1)) }
        guard let own else { return }
        var time = own.latest
        if own.ready == 1 {
            time = max(time, try timeOfOthers(session, tenant) ?? time)
        }
        try session.send(
            "UPDATE engine_lanes SET virtual_time = $1, waits = \(Self.waits("ready")) WHERE tenant = $2", time, tenant.text)
    }

    /// The virtual time at which other tenants wait, or stopped waiting.
    private func timeOfOthers(_ session: any SQLSession, _ tenant: TenantID) throws -> Int64? {
        switch session.dialect.name {
        case .postgres:
            // The transaction may be the tenant's own, from which the lanes of others are hidden.
            return try session.first("SELECT engine_time_of_others($1)", tenant.text) { $0.optionalInt64(0) } ?? nil
        case .sqlite:
            let lowest = """
                SELECT virtual_time FROM engine_lanes WHERE waits = 1 AND tenant <> $1 ORDER BY virtual_time LIMIT 1
                """
            let highest = """
                SELECT virtual_time FROM engine_lanes WHERE waits = 0 AND tenant <> $1
                ORDER BY virtual_time DESC LIMIT 1
                """
            return try session.first(lowest, tenant.text) { $0.int64(0) } ?? session.first(highest, tenant.text) { $0.int64(0) }
        }
    }

    /// Takes claimed jobs out of a lane's ready ones, and the tenant's turn.
    /// - Parameters:
    ///   - ended: so many jobs of the lane run no longer.
    ///   - alone: no other tenant waits for its turn. Then none is counted, and the lane keeps its place.
    func passTurn(_ session: any SQLSession, _ lane: Lane, jobs: Int, ended: Int, alone: Bool) throws {
        guard alone else {
            return try session.send(
                """
                UPDATE engine_lanes SET virtual_time = virtual_time + $1, ready = ready - CASE WHEN kind = $2 THEN $1 ELSE 0 END,
                    waits = \(Self.waits("ready - CASE WHEN kind = $2 THEN $1 ELSE 0 END")),
                    running = running + CASE WHEN kind = $2 THEN $1 - $3 ELSE 0 END
                WHERE tenant = $4
                """, jobs, lane.kind.text, ended, lane.tenant.text)
        }
        // Others may have made jobs ready since the lane was read, but none has taken any.
        let waits = lane.ready > jobs ? "" : ", waits = \(Self.waits("ready - $1"))"
        try session.send(
            """
            UPDATE engine_lanes SET ready = ready - $1, running = running + $1 - $2\(waits) WHERE tenant = $3 AND kind = $4
            """, jobs, ended, lane.tenant.text, lane.kind.text)
    }

    /// The count of a lane had drifted: it has no ready jobs. Mended so that it is not looked at again and again.
    func emptyLane(_ session: any SQLSession, _ lane: Lane) throws {
        try session.execute(
            "UPDATE engine_lanes SET ready = 0, waits = 0 WHERE tenant = $1 AND kind = $2", lane.tenant.text, lane.kind.text)
    }

    /// Makes every lane's counts what the jobs say.
    func recountLanes(_ session: any SQLSession) throws {
        let counts = try session.all(
            """
            SELECT tenant, kind, sum(ready), sum(running) FROM (
                SELECT tenant, kind, count(*) AS ready, 0 AS running FROM engine_jobs
                WHERE standing = 1 AND state = 'pending' GROUP BY tenant, kind
                UNION ALL
                SELECT tenant, kind, 0, count(*) FROM engine_jobs WHERE standing = 5 GROUP BY tenant, kind
                UNION ALL
                SELECT tenant, kind, 0, count(*) FROM engine_jobs WHERE standing = 1 AND state = 'running' GROUP BY tenant, kind
                UNION ALL
                SELECT tenant, kind, 0, 0 FROM engine_lanes) AS counted
            GROUP BY tenant, kind
            """
        ) { row in (TenantID(row.string(0)), JobKind(row.string(1)), row.int(2), row.int(3)) }
        for (tenant, kind, ready, running) in counts {
            guard let tenant else { continue }
            let changed = try session.execute(
                """
                UPDATE engine_lanes SET ready = CAST($1 AS BIGINT), waits = \(Self.waits("CAST($1 AS BIGINT)")), running = $2
                WHERE tenant = $3 AND kind = $4
                """, ready, running, tenant.text, kind.text)
            if changed == 0 { try moveLane(session, tenant, kind, ready: ready, running: running) }
        }
    }
}
