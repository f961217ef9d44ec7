import WaybillDatabases
import WaybillEngine

/// The SQL of pools.
struct PoolStore: Sendable {
    private static let columns = """
        id, name, file_bytes_max, accept_types, allows_encryption, cost_factor, is_default, created_at, updated_at, \
        store
        """

    /// The pools that somebody has made or changed.
    func stored(of tenant: TenantID, in session: any SQLSession) throws -> [Pool] {
        try session.all(
            "SELECT \(Self.columns) FROM drive_pools WHERE tenant = $1 ORDER BY id", tenant.text, make: Self.pool)
    }

    /// All pools of a tenant, by their names.
    func all(of tenant: TenantID, in session: any SQLSession) throws -> [Pool] {
        var pools = try stored(of: tenant, in: session)
        if !pools.contains(where: { $0.id == Pool.standardID }) {
            pools.append(.standard(isDefault: !pools.contains(where: \.isDefault)))
        }
        return pools.sorted { ($0.name, $0.id) < ($1.name, $1.id) }
    }

    /// - Parameter id: nil: the default one.
    func find(_ id: String?, of tenant: TenantID, in session: any SQLSession) throws -> Pool? {
        let pools = try all(of: tenant, in: session)
        guard let id else { return pools.first(where: \.isDefault) ?? pools.first }
        return pools.first { $0.id == id }
    }

    /// Stores a pool. If it is to be the default one, no other is any more.
    func put(_ pool: Pool, of tenant: TenantID, in session: any SQLSession) throws {
        if pool.isDefault {
            try session.execute("UPDATE drive_pools SET is_default = 0 WHERE tenant = $1 AND id <> $2", tenant.text, pool.id)
        }
        try session.execute(
            """
            INSERT INTO drive_pools (tenant, \(Self.columns)) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            ON CONFLICT (tenant, id) DO UPDATE SET name = excluded.name, file_bytes_max = excluded.file_bytes_max,
                accept_types = excluded.accept_types, allows_encryption = excluded.allows_encryption,
                cost_factor = excluded.cost_factor, is_default = excluded.is_default, updated_at = excluded.updated_at,
                store = excluded.store
            """, tenant.text, pool.id, pool.name, pool.fileBytesMax, pool.acceptTypes.joined(separator: " "),
            pool.allowsEncryption, pool.costFactor, pool.isDefault, pool.createdAt.microseconds, pool.updatedAt.microseconds,
            pool.store)
    }

    /// Whether files or uploads are in a pool.
    func isUsed(_ id: String, of tenant: TenantID, in session: any SQLSession) throws -> Bool {
        try session.count(
            "SELECT count(*) FROM drive_files WHERE tenant = $1 AND space = \(SpaceStore.live) AND pool = $2", tenant.text, id)
            + session.count(
                "SELECT count(*) FROM drive_uploads WHERE tenant = $1 AND pool = $2 AND status = $3", tenant.text, id,
                Upload.Status.inProgress.rawValue) > 0
    }

    func remove(_ id: String, of tenant: TenantID, in session: any SQLSession) throws {
        try session.execute("DELETE FROM drive_pools WHERE tenant = $1 AND id = $2", tenant.text, id)
    }

    private static func pool(_ row: SQLRow) -> Pool {
        Pool(
            id: row.string(0), name: row.string(1), store: row.string(9), fileBytesMax: row.optionalInt64(2),
            acceptTypes: row.string(3).split(separator: " ").map(String.init), allowsEncryption: row.bool(4),
            costFactor: row.double(5), isDefault: row.bool(6), createdAt: Timestamp(microseconds: row.int64(7)),
            updatedAt: Timestamp(microseconds: row.int64(8)))
    }
}
