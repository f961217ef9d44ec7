import WaybillDatabases

extension JobStore {
    /// Deletes up to `limit` of the jobs of a tenant with all that hangs on them, running ones as well: their attempts have lost
    /// their fence then. After the last job the rest goes: schedules, lanes and the event counter.
    /// - Returns: whether nothing of the tenant is left.
    func erase(_ session: any SQLSession, tenant: TenantID, sparing spared: JobID?, limit: Int, now: Timestamp) throws -> Bool {
        let ids = try session.all(
            "SELECT id FROM engine_jobs WHERE tenant = $1 AND id <> $2 LIMIT $3", tenant.text, spared?.text ?? "", limit
        ) { JobID(trusted: $0.string(0)) }
        try delete(session, ids, now: now)
        guard ids.isEmpty else { return false }
        try session.execute("DELETE FROM engine_schedules WHERE tenant = $1", tenant.text)
        let events = try session.all(
            "SELECT number FROM engine_events WHERE tenant = $1 AND job_id <> $2 LIMIT $3", tenant.text, spared?.text ?? "", limit
        ) { $0.int64(0) }
        for number in events {
            try session.execute("DELETE FROM engine_events WHERE tenant = $1 AND number = $2", tenant.text, number)
        }
        guard events.isEmpty else { return false }
        try self.events.removeEmptyBatches(session, of: tenant)
        guard spared == nil else { return try recountTenant(session, tenant) }
        try session.execute("DELETE FROM engine_lanes WHERE tenant = $1", tenant.text)
        try session.execute("DELETE FROM engine_tenants WHERE tenant = $1", tenant.text)
        return true
    }

    /// Jobs that went without leaving their lanes are not counted any more.
    private func recountTenant(_ session: any SQLSession, _ tenant: TenantID) throws -> Bool {
        // Who completes jobs just now has told the lanes already, or will find them counted as running.
        _ = try session.all(
            "SELECT kind FROM engine_lanes WHERE tenant = $1 ORDER BY kind \(session.dialect.forUpdate)", tenant.text
        ) { $0.string(0) }
        let ready = "engine_jobs WHERE tenant = $1 AND kind = engine_lanes.kind AND standing = 1 AND state = 'pending'"
        try session.execute(
            """
            UPDATE engine_lanes SET
                ready = (SELECT count(*) FROM \(ready)), waits = CASE WHEN EXISTS (SELECT 1 FROM \(ready)) THEN 1 ELSE 0 END,
                running = (SELECT count(*) FROM engine_jobs
                    WHERE tenant = $1 AND kind = engine_lanes.kind AND standing IN (1, 5) AND state = 'running')
            WHERE tenant = $1
            """, tenant.text)
        return true
    }
}
