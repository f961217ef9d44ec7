import WaybillDatabases
import WaybillEngine

/// Chains the events of each tenant in batches. What it seals has been committed; nobody waits for it.
public struct AuditSealer: Sendable {
    /// Tenants whose seals are written in one transaction.
    private static let tenantsAtOnce = 32

    private struct Draft: Sendable {
        var tenant: TenantID
        /// The number behind which it was made.
        var after: Int64
        var seal: AuditSeal
    }

    private let database: any SQLDatabase
    private let time: any TimeSource

    public init(database: any SQLDatabase, time: any TimeSource) {
        self.database = database
        self.time = time
    }

    /// Seals all that is not sealed yet, of all tenants.
    public func seal() async throws {
        while true {
            let tenants = try await database.read { try Self.unsealed(in: $0) }
            guard !tenants.isEmpty else { return }
            var drafts: [Draft] = []
            for tenant in tenants {
                if let draft = try await draft(tenant) { drafts.append(draft) }
            }
            try await database.write { [drafts] session in
                for draft in drafts { try Self.store(draft, in: session) }
            }
        }
    }

    /// Seals all of one tenant's events that are there now.
    public func seal(_ tenant: TenantID) async throws {
        while let draft = try await draft(tenant) {
            try await database.write(of: tenant) { session in try Self.store(draft, in: session) }
        }
    }

    private func draft(_ tenant: TenantID) async throws -> Draft? {
        let now = time.now()
        return try await database.read(of: tenant) { session in
            let store = AuditStore(isEnabled: true)
            let before = try store.lastSeal(of: tenant, in: session)
            let after = before?.last ?? 0
            let batch = try store.batch(of: tenant, after: after, limit: AuditSeal.eventsMax, in: session)
            guard batch.count > 0 else { return nil }
            let seal = AuditSeal(
                first: after + 1, last: batch.last, hash: batch.hash(after: before?.hash ?? AuditSeal.genesis),
                marks: batch.marks,
                sealedAt: now)
            return Draft(tenant: tenant, after: after, seal: seal)
        }
    }

    /// Stores a seal, unless another node was faster, or the events have gone meanwhile.
    private static func store(_ draft: Draft, in session: any SQLSession) throws {
        try session.isolated(to: draft.tenant.text) {
            let seal = draft.seal
            try session.execute(
                """
                INSERT INTO audit_seals (tenant, seq, first_seq, hash, marks, sealed_at, pruned)
                SELECT $1, $2, $3, $4, $5, $6, 0
                WHERE coalesce((SELECT max(seq) FROM audit_seals WHERE tenant = $1), 0) = $7
                    AND EXISTS (SELECT 1 FROM audit_events WHERE tenant = $1 AND seq = $2)
                """, draft.tenant.text, seal.last, seal.first, seal.hash, seal.marks, seal.sealedAt.microseconds, draft.after)
        }
    }

    private static func unsealed(in session: any SQLSession) throws -> [TenantID] {
        try session.all(
            """
            \(AuditStore.tenants(of: "audit_events"))
            SELECT tenant FROM known WHERE tenant IS NOT NULL
                AND (SELECT max(seq) FROM audit_events WHERE audit_events.tenant = known.tenant)
                    > coalesce((SELECT max(seq) FROM audit_seals WHERE audit_seals.tenant = known.tenant), 0)
            LIMIT $1
            """, Self.tenantsAtOnce
        ) { TenantID($0.string(0)) }
        .compactMap(\.self)
    }
}

extension AuditStore {
    /// The beginning of a query of `known`: the tenants of a table, found without reading all of it.
    static func tenants(of table: String) -> String {
        """
        WITH RECURSIVE known(tenant) AS (
            SELECT min(tenant) FROM \(table)
            UNION ALL
            SELECT (SELECT min(tenant) FROM \(table) WHERE tenant > known.tenant) FROM known WHERE known.tenant IS NOT NULL)
        """
    }
}
