import WaybillDatabases

/// What completed jobs have made, for those whose own output is worth something only together with it. Called in the
/// transaction that depends on it.
public enum JobFiles {
    /// Whether every one of some completed jobs of a tenant still has all that it made.
    public static func areThere(
        _ jobs: [JobID], of tenant: TenantID, now: Timestamp, in session: any SQLSession
    ) throws -> Bool {
        try jobs.allSatisfy { job in
            let made = try session.count(
                "SELECT count(*) FROM engine_jobs WHERE id = $1 AND tenant = $2 AND state = 'completed'", job.text, tenant.text)
            guard made == 1 else { return false }
            let artifacts = try ArtifactStore().list(session, of: job)
            return !artifacts.isEmpty && artifacts.allSatisfy { $0.state == .ready && ($0.expiresAt ?? now) >= now }
        }
    }

    /// The names of what some completed jobs of a tenant have made and that is still there.
    /// - Parameter prefix: what the names begin with.
    public static func names(
        madeBy jobs: [JobID], of tenant: TenantID, beginning prefix: String, in session: any SQLSession
    ) throws -> [String] {
        try jobs.flatMap { job in
            try session.all(
                """
                SELECT a.name FROM engine_artifacts AS a JOIN engine_jobs AS j ON j.id = a.job_id
                WHERE a.job_id = $1 AND j.tenant = $2 AND a.state = 'ready'
                """, job.text, tenant.text
            ) { $0.string(0) }
        }.filter { $0.hasPrefix(prefix) }
    }

    /// Has some completed jobs of a tenant, and what they made, stay until a time at least.
    public static func keep(_ jobs: [JobID], of tenant: TenantID, until: Timestamp, in session: any SQLSession) throws {
        for job in jobs {
            let found = try session.execute(
                """
                UPDATE engine_jobs SET prune_at = CASE WHEN prune_at < $1 THEN $1 ELSE prune_at END
                WHERE id = $2 AND tenant = $3 AND state = 'completed'
                """, until.microseconds, job.text, tenant.text)
            guard found == 1 else { continue }
            try session.execute(
                "UPDATE engine_artifacts SET expires_at = $1 WHERE job_id = $2 AND state = 'ready' AND expires_at < $1",
                until.microseconds, job.text)
        }
    }
}
