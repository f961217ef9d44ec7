import WaybillDatabases
import WaybillEngine

/// Files that belong together, and are shown together to whoever has a link.
struct FileBundle: Sendable, Hashable {
    /// A UUID.
    var id: String
    var account: String
    var name: String
    var createdAt: Timestamp
}

/// The SQL of bundles.
struct BundleStore: Sendable {
    func insert(_ bundle: FileBundle, of tenant: TenantID, in session: any SQLSession) throws {
        try session.execute(
            "INSERT INTO drive_bundles (tenant, id, account, name, created_at) VALUES ($1, $2, $3, $4, $5)", tenant.text,
            bundle.id, bundle.account, bundle.name, bundle.createdAt.microseconds)
    }

    /// All of a tenant.
    func stored(of tenant: TenantID, in session: any SQLSession) throws -> [FileBundle] {
        try session.all(
            "SELECT id, account, name, created_at FROM drive_bundles WHERE tenant = $1 ORDER BY id", tenant.text,
            make: Self.bundle)
    }

    /// Stores a bundle, or changes the one of its id.
    func put(_ bundle: FileBundle, of tenant: TenantID, in session: any SQLSession) throws {
        try session.execute(
            """
            INSERT INTO drive_bundles (tenant, id, account, name, created_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (tenant, id) DO UPDATE SET account = excluded.account, name = excluded.name,
                created_at = excluded.created_at
            """, tenant.text, bundle.id, bundle.account, bundle.name, bundle.createdAt.microseconds)
    }

    /// Removes a bundle that no file is in.
    func forget(_ id: String, of tenant: TenantID, in session: any SQLSession) throws {
        try session.execute("DELETE FROM drive_bundles WHERE tenant = $1 AND id = $2", tenant.text, id)
    }

    func find(_ id: String, of tenant: TenantID, in session: any SQLSession) throws -> FileBundle? {
        try session.first(
            "SELECT id, account, name, created_at FROM drive_bundles WHERE tenant = $1 AND id = $2", tenant.text, id,
            make: Self.bundle)
    }

    /// All of somebody, the newest first.
    func all(of account: String, _ tenant: TenantID, in session: any SQLSession) throws -> [FileBundle] {
        try session.all(
            """
            SELECT id, account, name, created_at FROM drive_bundles WHERE tenant = $1 AND account = $2
            ORDER BY created_at DESC, id LIMIT 1000
            """, tenant.text, account, make: Self.bundle)
    }

    /// Removes a bundle. Its files stay.
    func remove(_ id: String, of tenant: TenantID, in session: any SQLSession) throws {
        try FileStore().leave(bundle: id, of: tenant, in: session)
        try session.execute("UPDATE drive_uploads SET bundle = NULL WHERE tenant = $1 AND bundle = $2", tenant.text, id)
        try session.execute("DELETE FROM drive_bundles WHERE tenant = $1 AND id = $2", tenant.text, id)
    }

    private static func bundle(_ row: SQLRow) -> FileBundle {
        FileBundle(
            id: row.string(0), account: row.string(1), name: row.string(2), createdAt: Timestamp(microseconds: row.int64(3)))
    }
}
