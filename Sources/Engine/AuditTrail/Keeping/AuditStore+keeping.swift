import WaybillDatabases
import WaybillEngine

extension AuditStore {
    private static let seals = 100

    // MARK: Holds

    /// Keeps events while a job reads them.
    public func hold(_ range: AuditRange, for job: JobID, of tenant: TenantID, in session: any SQLSession) throws {
        try session.execute(
            """
            INSERT INTO audit_holds (tenant, job_id, first_seq, last_seq) VALUES ($1, $2, $3, $4)
            ON CONFLICT (tenant, job_id) DO UPDATE SET first_seq = excluded.first_seq, last_seq = excluded.last_seq
            """, tenant.text, job.text, range.first, range.last)
    }

    /// What is kept for a job; nil if nothing is.
    public func held(for job: JobID, of tenant: TenantID, in session: any SQLSession) throws -> AuditRange? {
        try session.first(
            "SELECT first_seq, last_seq FROM audit_holds WHERE tenant = $1 AND job_id = $2", tenant.text, job.text
        ) { AuditRange(first: $0.int64(0), last: $0.int64(1)) }
    }

    public func release(_ job: JobID, of tenant: TenantID, in session: any SQLSession) throws {
        try session.execute("DELETE FROM audit_holds WHERE tenant = $1 AND job_id = $2", tenant.text, job.text)
    }

    // MARK: Retention

    /// The tenants with seals.
    func sealedTenants(in session: any SQLSession) throws -> [TenantID] {
        try session.all("\(Self.tenants(of: "audit_seals")) SELECT tenant FROM known WHERE tenant IS NOT NULL") {
            TenantID($0.string(0))
        }
        .compactMap(\.self)
    }

    /// The number up to which events may go: those of whole seals that are old enough, and that no job reads.
    func expired(_ tenant: TenantID, sealedBefore before: Timestamp, in session: any SQLSession) throws -> Int64? {
        let held = try session.first("SELECT min(first_seq) FROM audit_holds WHERE tenant = $1", tenant.text) {
            $0.optionalInt64(0)
        }
        let first = (held ?? nil) ?? .max
        var last: Int64?
        try session.scan(
            "SELECT seq, sealed_at FROM audit_seals WHERE tenant = $1 AND pruned = 0 ORDER BY seq LIMIT $2",
            arguments: [.text(tenant.text), .integer(Int64(Self.seals))]
        ) { row in
            guard row.int64(1) <= before.microseconds, row.int64(0) < first else { return .stop }
            last = row.int64(0)
            return .next
        }
        return last
    }

    /// Deletes some events whose time has passed. Their last seal stays: the next one follows it.
    /// - Returns: whether there may be more.
    public func pruneSlice(
        of tenant: TenantID, sealedBefore before: Timestamp, limit: Int = 1000, in session: any SQLSession
    ) throws -> Bool {
        // Said before the first one goes, so that a chain that is looked at meanwhile begins behind them.
        if let last = try expired(tenant, sealedBefore: before, in: session) {
            try session.execute(
                "UPDATE audit_seals SET pruned = 1 WHERE tenant = $1 AND seq <= $2 AND pruned = 0", tenant.text, last)
        }
        guard let anchor = try anchor(of: tenant, in: session) else { return false }
        let removed = try session.execute(
            """
            DELETE FROM audit_events WHERE tenant = $1 AND seq IN
                (SELECT seq FROM audit_events WHERE tenant = $1 AND seq <= $2 ORDER BY seq LIMIT $3)
            """, tenant.text, anchor.last, limit)
        let seals = try session.execute(
            "DELETE FROM audit_seals WHERE tenant = $1 AND seq < $2 AND pruned = 1", tenant.text, anchor.last)
        return removed == limit || seals >= Self.seals - 1
    }

    // MARK: Erasure

    /// Removes some of what the log holds of a tenant.
    /// - Returns: whether there may be more.
    public func eraseSlice(of tenant: TenantID, limit: Int = 1000, in session: any SQLSession) throws -> Bool {
        var removed = 0
        for (table, key) in [
            ("audit_events", "seq"), ("audit_seals", "seq"), ("audit_actions", "action"), ("audit_holds", "job_id"),
        ] {
            removed += try session.execute(
                """
                DELETE FROM \(table) WHERE tenant = $1 AND \(key) IN
                    (SELECT \(key) FROM \(table) WHERE tenant = $1 ORDER BY \(key) LIMIT $2)
                """, tenant.text, limit)
        }
        return removed > 0 ? true : try eraseSegmentSlice(of: tenant, limit: limit, in: session)
    }
}
