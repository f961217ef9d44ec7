import WaybillDatabases

extension PostgresDatabase {
    public var tenantIsolation: SQLTenantIsolation { options.role.isolation }

    /// Makes the role in which a tenant's transactions run, if it is missing and this user may make it, grants it the tables that
    /// have a policy, and tries it. From then on, and only if all of that went well, the server keeps tenants apart.
    @discardableResult
    public func isolateTenants() async throws -> SQLTenantIsolation {
        guard let name = options.role.name else { return tenantIsolation }
        let setup = TenantRoleSetup(role: name)
        var tries = 0
        while true {
            do {
                let found = try await write { session in try setup.run(in: session) }
                options.role.isolation = found
                return found
            } catch let error as SQLError where error.code == .other || error.code == .uniqueViolation {
                // Roles belong to the whole server: another installation may be making the same one just now.
                tries += 1
                guard tries >= 5 else { continue }
                let found = SQLTenantIsolation.off("the role \(name) can't be used: \(error.message)")
                options.role.isolation = found
                return found
            }
        }
    }
}

/// Sees to it that a role can reach the tables that have a policy, and is held to it.
struct TenantRoleSetup: Sendable {
    let role: String

    private struct Table {
        var name: String
        var isForced: Bool
        var isGranted: Bool
        var hidesFromUser: Bool
        var isOfUser: Bool
        var isOfRole: Bool
    }

    /// - Throws: `SQLError`.
    func run(in session: any SQLSession) throws -> SQLTenantIsolation {
        let tables = try tables(in: session)
        guard !tables.isEmpty else { return .off("the schema has no policies yet") }
        if let hidden = tables.first(where: \.hidesFromUser) {
            throw SQLError(
                .schema,
                "the policies hide rows of \(hidden.name) from this program itself: it must own its tables, or have BYPASSRLS")
        }
        if let reason = try makeRole(in: session) { return .off(reason) }
        if tables.contains(where: \.isOfRole) {
            return .off("the role \(role) owns the tables, and so is not held to their policies")
        }
        if let open = tables.first(where: { !$0.isForced }) { return .off("row level security is disabled on \(open.name)") }
        if let reason = try grant(tables, in: session) { return .off(reason) }
        try session.execute("SET LOCAL ROLE \(SQLText.identifier(role))")
        let isHeld = try session.count(
            """
            SELECT CASE WHEN current_user = $1 AND bool_and(row_security_active(c.oid)) THEN 1 ELSE 0 END
            FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
            WHERE p.polname = $2 AND pg_table_is_visible(c.oid)
            """, role, SQLDialect.tenantPolicy)
        try session.execute("SET LOCAL ROLE NONE")
        return isHeld == 1 ? .enforced(role: role) : .off("the role \(role) is not held to the policies")
    }

    /// - Returns: why it can't be used; nil if it can.
    private func makeRole(in session: any SQLSession) throws -> String? {
        let mayCreate =
            try session.count(
                "SELECT count(*) FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolcreaterole)") > 0
        let user = try session.first("SELECT current_user::text") { $0.string(0) } ?? ""
        let (quoted, me) = (SQLText.identifier(role), SQLText.identifier(user))
        let hint = "an administrator turns it on with: CREATE ROLE \(quoted) NOLOGIN; GRANT \(quoted) TO \(me)"
        let known = try session.first("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = $1", role) { $0.bool(0) }
        if known == true { return "the role \(role) is not held to policies: it is a superuser or has BYPASSRLS" }
        if known == nil {
            guard mayCreate else { return "there is no role \(role), and \(user) may not create it; \(hint)" }
            try session.execute("CREATE ROLE \(quoted) NOLOGIN NOINHERIT")
        }
        let version = try session.count("SELECT current_setting('server_version_num')::bigint")
        let isMember = try session.count(
            "SELECT CASE WHEN pg_has_role(current_user, $1, $2) THEN 1 ELSE 0 END", role, version >= 160_000 ? "SET" : "MEMBER")
        guard isMember == 0 else { return nil }
        guard mayCreate else { return "\(user) may not act as the role \(role); \(hint)" }
        try session.execute("GRANT \(quoted) TO CURRENT_USER")
        return nil
    }

    /// - Returns: why it may not reach them; nil if it may.
    private func grant(_ tables: [Table], in session: any SQLSession) throws -> String? {
        let quoted = SQLText.identifier(role)
        let schemas = try session.all(
            """
            SELECT DISTINCT quote_ident(n.nspname), has_schema_privilege($1, n.oid, 'USAGE')
            FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE p.polname = $2 AND pg_table_is_visible(c.oid)
            """, role, SQLDialect.tenantPolicy
        ) { (name: $0.string(0), isUsable: $0.bool(1)) }
        for schema in schemas where !schema.isUsable { try session.execute("GRANT USAGE ON SCHEMA \(schema.name) TO \(quoted)") }
        for table in tables where !table.isGranted {
            guard table.isOfUser else { return "the role \(role) may not use the table \(table.name)" }
            try session.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON \(table.name) TO \(quoted)")
        }
        return nil
    }

    private func tables(in session: any SQLSession) throws -> [Table] {
        let known = try session.count("SELECT count(*) FROM pg_roles WHERE rolname = $1", role) > 0
        func may(_ privilege: String) -> String { "has_table_privilege(r.oid, c.oid, '\(privilege)')" }
        let granted = ["SELECT", "INSERT", "UPDATE", "DELETE"].map(may).joined(separator: " AND ")
        // Nothing can be asked about a role that is not there.
        return try session.all(
            """
            SELECT c.oid::regclass::text, c.relrowsecurity, \(known ? granted : "false"), row_security_active(c.oid),
                pg_has_role(current_user, c.relowner, 'USAGE'), \(known ? "pg_has_role(r.oid, c.relowner, 'USAGE')" : "false")
            FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
                LEFT JOIN pg_roles AS r ON r.rolname = $1
            WHERE p.polname = $2 AND pg_table_is_visible(c.oid) ORDER BY 1
            """, role, SQLDialect.tenantPolicy
        ) { row in
            Table(
                name: row.string(0), isForced: row.bool(1), isGranted: row.bool(2), hidesFromUser: row.bool(3),
                isOfUser: row.bool(4), isOfRole: row.bool(5))
        }
    }
}
