import WaybillDatabases
import WaybillEngine

extension AuditStore {
    // MARK: Retention

    /// The tenants with segments.
    func segmentTenants(in session: any SQLSession) throws -> [TenantID] {
        try session.all("\(Self.tenants(of: "audit_segments")) SELECT tenant FROM known WHERE tenant IS NOT NULL") {
            TenantID($0.string(0))
        }
        .compactMap(\.self)
    }

    /// Deletes some events of segments whose time has passed, by whole seals. The last seal of those stays.
    /// - Returns: whether there may be more.
    func pruneSegmentSlice(
        of tenant: TenantID, sealedBefore before: Timestamp, limit: Int = 1000, in session: any SQLSession
    ) throws -> Bool {
        let held = try session.first("SELECT min(first_seq) FROM audit_holds WHERE tenant = $1", tenant.text) {
            $0.optionalInt64(0)
        }
        for segment in try segments(of: tenant, in: session) {
            var pruned = segment.pruned
            if segment.sealedAt <= before, pruned < segment.events {
                // What is held is a number of the log, and so no less than the lowest base.
                let last = (held ?? nil).map { max(0, min($0 - segment.base - 1, segment.events)) } ?? segment.events
                let seal = try session.first(
                    "SELECT max(ordinal) FROM audit_earlier_seals WHERE tenant = $1 AND segment = $2 AND ordinal <= $3",
                    tenant.text, segment.number, last
                ) { $0.optionalInt64(0) }
                pruned = max(pruned, (seal ?? nil) ?? 0)
                // Said before the first one goes, so that a chain that is looked at meanwhile begins behind them.
                if pruned > segment.pruned {
                    try session.execute(
                        "UPDATE audit_segments SET pruned = $1 WHERE tenant = $2 AND segment = $3", pruned, tenant.text,
                        segment.number)
                }
            }
            let removed = try remove("audit_earlier", of: segment.number, through: pruned, tenant, limit, in: session)
            let seals = try remove("audit_earlier_seals", of: segment.number, through: pruned - 1, tenant, limit, in: session)
            if max(removed, seals) == limit { return true }
        }
        return false
    }

    private func remove(
        _ table: String, of segment: Int64, through last: Int64, _ tenant: TenantID, _ limit: Int, in session: any SQLSession
    ) throws -> Int {
        guard last > 0 else { return 0 }
        return try session.execute(
            """
            DELETE FROM \(table) WHERE tenant = $1 AND segment = $2 AND ordinal IN
                (SELECT ordinal FROM \(table) WHERE tenant = $1 AND segment = $2 AND ordinal <= $3 ORDER BY ordinal LIMIT $4)
            """, tenant.text, segment, last, limit)
    }

    // MARK: What was given up

    /// Whether there are segments that were given up, of any tenant.
    func hasDiscarded(in session: any SQLSession) throws -> Bool {
        try session.count("SELECT count(*) FROM (SELECT 1 FROM audit_segments WHERE state = 2 LIMIT 1) AS given_up") > 0
    }

    /// Removes some of a segment that was given up.
    /// - Returns: whether there may be more.
    func sweepSlice(limit: Int = 1000, in session: any SQLSession) throws -> Bool {
        let found = try session.first("SELECT tenant, segment FROM audit_segments WHERE state = 2 LIMIT 1") {
            ($0.string(0), $0.int64(1))
        }
        guard let (name, segment) = found, let tenant = TenantID(name) else { return false }
        if try removeSome(of: segment, tenant, limit, in: session) { return true }
        try session.execute("DELETE FROM audit_segments WHERE tenant = $1 AND segment = $2", tenant.text, segment)
        return true
    }

    private func removeSome(
        of segment: Int64, _ tenant: TenantID, _ limit: Int, in session: any SQLSession
    ) throws -> Bool {
        let events = try remove("audit_earlier", of: segment, through: .max, tenant, limit, in: session)
        if events > 0 { return true }
        let seals = try remove("audit_earlier_seals", of: segment, through: .max, tenant, limit, in: session)
        if seals > 0 { return true }
        let actions = try session.execute(
            """
            DELETE FROM audit_earlier_actions WHERE tenant = $1 AND segment = $2 AND action IN
                (SELECT action FROM audit_earlier_actions WHERE tenant = $1 AND segment = $2 ORDER BY action LIMIT $3)
            """, tenant.text, segment, limit)
        return actions > 0
    }

    /// Removes some of a tenant's segments.
    /// - Returns: whether there may be more.
    func eraseSegmentSlice(of tenant: TenantID, limit: Int, in session: any SQLSession) throws -> Bool {
        let segment = try session.first("SELECT min(segment) FROM audit_segments WHERE tenant = $1", tenant.text) {
            $0.optionalInt64(0)
        }
        guard let segment = segment ?? nil else { return false }
        if try removeSome(of: segment, tenant, limit, in: session) { return true }
        try session.execute("DELETE FROM audit_segments WHERE tenant = $1 AND segment = $2", tenant.text, segment)
        return true
    }
}
