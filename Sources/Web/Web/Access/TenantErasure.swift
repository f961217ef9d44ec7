import WaybillDatabases
import WaybillEngine

extension WebFloor {
    /// Removes some of what this room holds of a tenant: keys, known users, kept answers.
    /// - Returns: whether there may be more.
    public func eraseSlice(of tenant: TenantID, in session: any SQLSession) throws -> Bool {
        rights.forget(tenant)
        tenants.forget(tenant)
        var removed = 0
        for (table, key) in [("web_api_keys", "id"), ("web_principals", "user_name"), ("web_idempotency", "key")] {
            removed += try session.execute(
                "DELETE FROM \(table) WHERE tenant = $1 AND \(key) IN (SELECT \(key) FROM \(table) WHERE tenant = $1 LIMIT 500)",
                tenant.text)
        }
        return removed > 0
    }
}
