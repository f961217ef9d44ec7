import WaybillDatabases
import WaybillEngine

/// The SQL that removes a tenant's rows, but for those of uploads, whose staged files go before them.
struct EraseStore: Sendable {
    private static let slice = 500
    /// Each table with what names a row within its tenant.
    private static let tables = [
        ("drive_files", "id"), ("drive_contents", "blob_key"), ("drive_parts", "owner"), ("drive_bundles", "id"),
        ("drive_pools", "id"),
        ("drive_usage", "account"), ("drive_garbage", "name"), ("drive_versions", "id"), ("drive_tombstones", "id"),
        ("drive_cuts", "job_id"), ("drive_space_usage", "account"), ("drive_spaces", "space"), ("drive_tenants", "space"),
    ]

    /// Removes some rows of each table.
    /// - Returns: how many.
    func removeSome(of tenant: TenantID, in session: any SQLSession) throws -> Int {
        var removed = 0
        for (table, key) in Self.tables {
            removed += try session.execute(
                """
                DELETE FROM \(table) WHERE tenant = $1
                    AND \(key) IN (SELECT \(key) FROM \(table) WHERE tenant = $1 LIMIT \(Self.slice))
                """, tenant.text)
        }
        return removed
    }
}
