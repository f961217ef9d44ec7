import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// The SQL of what is to be removed from the stores once the transaction has been committed that needs it no more.
struct GarbageStore: Sendable {
    struct Entry: Sendable, Hashable {
        var tenant: String
        var name: String
        /// Whether it is the name of a staged file; else it is a blob's.
        var isStaged: Bool
    }

    /// - Parameter name: as `BlobRoute` has it, also that of a staged file.
    func note(_ name: String, isStaged: Bool, of tenant: TenantID, now: Timestamp, in session: any SQLSession) throws {
        let store = BlobKey(name).map { BlobRoute($0).store } ?? BlobStores.own
        try session.execute(
            """
            INSERT INTO drive_garbage (tenant, name, staged, since, store) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (tenant, name, staged) DO NOTHING
            """, tenant.text, name, isStaged, now.microseconds, store)
    }

    /// Some of it that is in a store, the oldest first.
    /// - Parameter tenant: nil: of all, for the installation's own transactions.
    func some(of tenant: TenantID?, in store: String, limit: Int, in session: any SQLSession) throws -> [Entry] {
        try session.all(
            """
            SELECT tenant, name, staged FROM drive_garbage WHERE ($1 = '' OR tenant = $1) AND store = $2
            ORDER BY since, name LIMIT $3
            """, tenant?.text ?? "", store, limit
        ) { Entry(tenant: $0.string(0), name: $0.string(1), isStaged: $0.bool(2)) }
    }

    func forget(_ entries: [Entry], in session: any SQLSession) throws {
        for entry in entries {
            try session.execute(
                "DELETE FROM drive_garbage WHERE tenant = $1 AND name = $2 AND staged = $3", entry.tenant, entry.name,
                entry.isStaged)
        }
    }
}
