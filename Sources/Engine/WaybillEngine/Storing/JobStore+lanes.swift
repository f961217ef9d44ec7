import WaybillDatabases

extension JobStore {
    /// Moves the counts of a lane. A tenant that had nothing to do begins at the present virtual time, so that it neither gains
    /// turns by having been idle nor pays for what it had while nobody else was waiting.
    func moveLane(_ session: any SQLSession, _ tenant: TenantID, _ kind: JobKind, _ move: JobChanges.LaneMove) throws {
        let (ready, running) = (move.ready, move.running)
        guard ready != 0 || running != 0 || move.gain != nil else { return }
        if ready <= 0, let gain = move.gain, usesMarks(session) {
            // As many have left it, or more. That is rare.
            let mark = markAfter(gain, from: 3)
            try session.send(
                "UPDATE engine_lanes SET \(mark.sql) WHERE tenant = $1 AND kind = $2",
                arguments: [.text(tenant.text), .text(kind.text)] + mark.arguments)
        }
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
        let mark = usesMarks(session) ? move.gain.map { markAfter($0, from: 5) } : nil
        let known = try session.first(
            """
            UPDATE engine_lanes SET ready = ready + $1, running = running + $2\(mark.map { ", " + $0.sql } ?? "")
            WHERE tenant = $3 AND kind = $4 RETURNING ready
            """,
            arguments: [.integer(Int64(ready)), .integer(Int64(running)), .text(tenant.text), .text(kind.text)]
                + (mark?.arguments ?? [])
        ) { $0.int(0) }
        if known == nil {
            try session.send(
                "INSERT INTO engine_lanes (tenant, kind, ready, running, virtual_time) VALUES ($1, $2, $3, $4, 0)", tenant.text,
                kind.text,
                ready, running)
        }
        if (known ?? ready) == ready { try takePlace(session, tenant) }
    }

    /// What becomes of a lane's mark when a job has become ready: at the mark or before it, nothing is known any more.
    /// - Parameter first: the number of its first argument.
    private func markAfter(_ gain: JobChanges.Gain, from first: Int) -> (sql: String, arguments: [SQLValue]) {
        guard case .at(let place) = gain else { return ("mark_epoch = mark_epoch + 1, mark_id = NULL", []) }
        let priority = "CAST($\(first) AS INTEGER)"
        return (
            """
            mark_epoch = mark_epoch + 1, mark_id = CASE WHEN \(priority) > mark_priority
                OR (\(priority) = mark_priority AND CAST($\(first + 1) AS TEXT) <= mark_id) THEN NULL ELSE mark_id END
            """, [.integer(Int64(place.priority)), .text(place.id)]
        )
    }

    /// In PostgreSQL what was claimed stays in the index as long as somebody holds a snapshot of before, and each claim would go
    /// through all of it. SQLite takes it out at once.
    func usesMarks(_ session: any SQLSession) -> Bool { session.dialect.name == .postgres }

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
    ///   - last: of the claimed jobs, which becomes the lane's mark unless a job has become ready since the lane was read.
    func passTurn(
        _ session: any SQLSession, _ lane: Lane, jobs: Int, ended: Int, alone: Bool, last: ReadyPlace?
    ) throws {
        var (isSame, places): (String, [SQLValue]) = ("", [])
        if let last, usesMarks(session) {
            isSame = "mark_epoch = $5"
            places = [.integer(lane.markEpoch), .integer(Int64(last.priority)), .text(last.id)]
        }
        func mark(_ condition: String) -> String {
            isSame.isEmpty
                ? ""
                : """
                , mark_priority = CASE WHEN \(isSame)\(condition) THEN CAST($6 AS INTEGER) ELSE mark_priority END,
                    mark_id = CASE WHEN \(isSame)\(condition) THEN CAST($7 AS TEXT) ELSE mark_id END
                """
        }
        guard alone else {
            return try session.send(
                """
                UPDATE engine_lanes SET virtual_time = virtual_time + $1, ready = ready - CASE WHEN kind = $2 THEN $1 ELSE 0 END,
                    waits = \(Self.waits("ready - CASE WHEN kind = $2 THEN $1 ELSE 0 END")),
                    running = running + CASE WHEN kind = $2 THEN $1 - $3 ELSE 0 END\(mark(" AND kind = $2"))
                WHERE tenant = $4
                """,
                arguments: [
                    .integer(Int64(jobs)), .text(lane.kind.text), .integer(Int64(ended)), .text(lane.tenant.text),
                ] + places)
        }
        // Others may have made jobs ready since the lane was read, but none has taken any.
        let waits = lane.ready > jobs ? "" : ", waits = \(Self.waits("ready - $1"))"
        try session.send(
            """
            UPDATE engine_lanes SET ready = ready - $1, running = running + $1 - $2\(waits)\(mark(""))
            WHERE tenant = $3 AND kind = $4
            """,
            arguments: [
                .integer(Int64(jobs)), .integer(Int64(ended)), .text(lane.tenant.text), .text(lane.kind.text),
            ] + places)
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
                UPDATE engine_lanes SET ready = CAST($1 AS BIGINT), waits = \(Self.waits("CAST($1 AS BIGINT)")), running = $2,
                    mark_id = NULL, mark_epoch = mark_epoch + 1
                WHERE tenant = $3 AND kind = $4
                """, ready, running, tenant.text, kind.text)
            if changed == 0 { try moveLane(session, tenant, kind, .init(ready: ready, running: running)) }
        }
    }
}
