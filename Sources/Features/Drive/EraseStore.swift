import WaybillDatabases
import WaybillEngine

/// The SQL that removes a tenant's rows, but for those of uploads, whose staged files go before them.
struct EraseStore: Sendable {
    private static let slice = 500
    /// Each table with what names a row within its tenant.
    private static let tables = [
        ("drive_files", "id"), ("drive_contents", "blob_key"), ("drive_parts", "owner"), ("drive_bundles", "id"),
        ("drive_pools", "id"),
        ("drive_usage", "account"), ("drive_garbage", "name"),
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
