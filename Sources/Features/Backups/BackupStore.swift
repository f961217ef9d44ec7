import TenantData
import WaybillDatabases
import WaybillEngine

/// The SQL of the rows that were copied with a cut.
struct BackupStore: Sendable {
    /// Copies rows for a job.
    func copy(_ rows: [TenantCut.Row], job: String, tenant: TenantID, in session: any SQLSession) throws {
        var numbers: [String: Int64] = [:]
        for row in rows {
            let number = numbers[row.entity, default: 0] + 1
            numbers[row.entity] = number
            try session.send(
                "INSERT INTO backup_copied (tenant, job_id, entity, number, body) VALUES ($1, $2, $3, $4, $5)", tenant.text, job,
                row.entity, number, row.values)
        }
    }

    /// Hands the bodies of some rows to `body`, from a number on, until it stops.
    func scan(
        _ entity: String, job: String, tenant: TenantID, after number: Int64, limit: Int, in session: any SQLSession,
        _ body: (_ number: Int64, _ values: UnsafeBufferPointer<UInt8>) throws -> SQLScan
    ) throws {
        try session.scan(
            """
            SELECT number, body FROM backup_copied WHERE tenant = $1 AND job_id = $2 AND entity = $3 AND number > $4
            ORDER BY number LIMIT $5
            """, arguments: [.text(tenant.text), .text(job), .text(entity), .integer(number), .integer(Int64(limit))]
        ) { try body($0.int64(0), $0[1].bytes) }
    }

    func forget(job: String, tenant: TenantID, in session: any SQLSession) throws {
        try session.execute("DELETE FROM backup_copied WHERE tenant = $1 AND job_id = $2", tenant.text, job)
    }

    /// Removes some of what a tenant has here.
    /// - Returns: whether there may be more.
    func eraseSlice(of tenant: TenantID, in session: any SQLSession) throws -> Bool {
        try session.execute("DELETE FROM backup_documents WHERE tenant = $1", tenant.text)
        try session.execute("DELETE FROM backup_restores WHERE tenant = $1", tenant.text)
        try session.execute("DELETE FROM backup_secrets WHERE tenant = $1", tenant.text)
        try session.execute("DELETE FROM backup_manifests WHERE tenant = $1", tenant.text)
        try session.execute("DELETE FROM backup_marks WHERE tenant = $1", tenant.text)
        let job = try session.first("SELECT job_id FROM backup_copied WHERE tenant = $1 LIMIT 1", tenant.text) { $0.string(0) }
        guard let job else { return false }
        try forget(job: job, tenant: tenant, in: session)
        return true
    }
}
