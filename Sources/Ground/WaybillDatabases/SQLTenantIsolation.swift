/// What keeps the rows of tenants apart.
public enum SQLTenantIsolation: Sendable, Hashable {
    /// The condition of each statement, and nothing else: the database has no such means.
    case byStatements
    /// The database: what is done on behalf of a tenant runs as this role, which its policies hold to that tenant's rows.
    case enforced(role: String)
    /// The condition of each statement, though the database has the means. Says why, and what is to be done about it.
    case off(String)
}

extension SQLDialect {
    /// The name of the policies that hold a tenant's transactions to his rows. A table without one is out of their reach.
    public static let tenantPolicy = "waybill_tenant"
    /// Names, for the length of a transaction, the tenant on whose behalf it runs.
    public static let tenantSetting = "waybill.tenant"
    /// The tenant of the transaction, in the condition of a policy.
    public static let tenantOfTransaction = "current_setting('\(tenantSetting)', true)"

    /// Statements that open a table to the tenants' transactions: each one to the rows for which `condition` holds, by default
    /// those that name its tenant. None where the database has no policies. The owner of the table is not held to them.
    public func tenantRows(of table: String, where condition: String = "tenant = \(tenantOfTransaction)") -> [String] {
        guard name == .postgres else { return [] }
        return [
            "ALTER TABLE \(table) ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY \(Self.tenantPolicy) ON \(table) USING (\(condition)) WITH CHECK (\(condition))",
        ]
    }
}
