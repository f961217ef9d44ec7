import WaybillDatabases
import WaybillEngine

/// The SQL of drills.
struct DrillStore: Sendable {
    struct Run: Sendable, Hashable {
        var tenant: TenantID
        var job: JobID
        var scratch: TenantID
    }

    func begin(_ run: Run, at now: Timestamp, in session: any SQLSession) throws {
        try session.execute(
            "INSERT INTO drill_runs (tenant, job_id, scratch, began_at) VALUES ($1, $2, $3, $4)", run.tenant.text, run.job.text,
            run.scratch.text, now.microseconds)
    }

    func put(_ report: String, of job: JobID, _ tenant: TenantID, in session: any SQLSession) throws {
        try session.execute(
            "UPDATE drill_runs SET report = $1 WHERE tenant = $2 AND job_id = $3", report, tenant.text, job.text)
    }

    func report(of job: JobID, _ tenant: TenantID, in session: any SQLSession) throws -> String? {
        try session.first("SELECT report FROM drill_runs WHERE tenant = $1 AND job_id = $2", tenant.text, job.text) {
            $0.optionalString(0)
        } ?? nil
    }

    /// Says that the scratch tenant has gone.
    func dropped(_ run: Run, in session: any SQLSession) throws {
        try session.execute(
            "UPDATE drill_runs SET scratch = NULL WHERE tenant = $1 AND job_id = $2 AND scratch = $3", run.tenant.text,
            run.job.text, run.scratch.text)
    }

    func delete(_ job: JobID, of tenant: TenantID, in session: any SQLSession) throws {
        try session.execute("DELETE FROM drill_runs WHERE tenant = $1 AND job_id = $2", tenant.text, job.text)
    }

    func deleteAll(of tenant: TenantID, in session: any SQLSession) throws {
        try session.execute("DELETE FROM drill_runs WHERE tenant = $1", tenant.text)
    }

    /// The drills whose scratch tenants are still there.
    /// - Parameter tenant: nil: of all tenants, for the installation's own transactions.
    func standing(of tenant: TenantID?, in session: any SQLSession) throws -> [Run] {
        try session.all(
            "SELECT tenant, job_id, scratch FROM drill_runs WHERE scratch IS NOT NULL AND ($1 = '' OR tenant = $1)",
            tenant?.text ?? "", make: Self.run
        ).compactMap(\.self)
    }

    /// Drills that have left nothing but their result, some at a time. For the installation's own transactions.
    func settled(after last: (tenant: String, job: String), limit: Int, in session: any SQLSession) throws -> [(
        tenant: String, job: String
    )] {
        try session.all(
            """
            SELECT tenant, job_id FROM drill_runs WHERE scratch IS NULL AND (tenant > $1 OR (tenant = $1 AND job_id > $2))
            ORDER BY tenant, job_id LIMIT $3
            """, last.tenant, last.job, limit
        ) { ($0.string(0), $0.string(1)) }
    }

    private static func run(_ row: SQLRow) -> Run? {
        guard let tenant = TenantID(row.string(0)), let job = JobID(row.string(1)), let scratch = TenantID(row.string(2)) else {
            return nil
        }
        return Run(tenant: tenant, job: job, scratch: scratch)
    }
}
