import WaybillDatabases

/// What other jobs of a tenant have made, as a handler reads it.
public enum FinishedJobs {
    /// The completed jobs of a kind, the newest first.
    public static func completed(
        _ kind: JobKind, of tenant: TenantID, limit: Int, in session: any SQLSession
    ) throws -> [JobRecord] {
        try session.all(
            """
            SELECT \(JobColumns.list) FROM engine_jobs WHERE tenant = $1 AND kind = $2 AND state = 'completed'
            ORDER BY id DESC LIMIT $3
            """, tenant.text, kind.text, limit, make: JobColumns.record)
    }

    public static func find(_ id: JobID, of tenant: TenantID, in session: any SQLSession) throws -> JobRecord? {
        try session.first(
            "SELECT \(JobColumns.list) FROM engine_jobs WHERE id = $1 AND tenant = $2", id.text, tenant.text,
            make: JobColumns.record)
    }

    /// The outputs of a job, in the order in which it began them, with the pieces of each.
    public static func artifacts(
        of job: JobRecord, in session: any SQLSession
    ) throws -> [(artifact: Artifact, segments: [Segment])] {
        try artifacts(of: job.id, in: session)
    }

    /// The same of a job whose tenant may be another one: for the installation's own transactions.
    public static func artifacts(
        of job: JobID, in session: any SQLSession
    ) throws -> [(artifact: Artifact, segments: [Segment])] {
        try ArtifactStore().listWithSegments(session, of: job)
    }
}
