import WaybillDatabases

/// The tables of content: types, items, their index, and what cuts hold.
public enum ContentMigrations {
    public static let all: [SQLMigration] = [
        SQLMigration(room: "content", number: 1, title: "types, items and cuts", statements: first),
        SQLMigration(room: "content", number: 2, title: "tenants kept apart by the database") { dialect in
            let own = "SELECT own.space FROM content_tenants AS own WHERE own.tenant = \(SQLDialect.tenantOfTransaction)"
            return dialect.tenantRows(of: "content_tenants")
                // Numbers that are given once, and tell nothing of anybody.
                + dialect.tenantRows(of: "content_sequences", where: "true")
                + [
                    "content_types", "content_acls", "content_items", "content_versions", "content_index",
                    "content_version_index", "content_counts", "content_languages", "content_cuts", "content_chores",
                ].flatMap { dialect.tenantRows(of: $0, where: "space = (\(own))") }
        },
        SQLMigration(room: "content", number: 3, title: "spaces beside the live one", statements: spaces),
        SQLMigration(room: "content", number: 4, title: "what was deleted", statements: tombstones),
    ]

    /// Of each deleted item, in which epoch it went: also when it was made anew and deleted again.
    private static func tombstones(_ dialect: SQLDialect) -> [String] {
        let text = dialect.text
        return [
            """
            CREATE TABLE content_tombstones (
                space BIGINT NOT NULL, type_id BIGINT NOT NULL, id \(text) NOT NULL, epoch BIGINT NOT NULL,
                deleted_at BIGINT NOT NULL, PRIMARY KEY (space, type_id, id, epoch)) \(dialect.clustered)
            """,
            "CREATE INDEX content_tombstones_age ON content_tombstones (deleted_at)",
        ] + dialect.tenantRows(of: "content_tombstones", where: ownSpaces)
    }

    /// True of rows in the live space of the transaction's tenant, and in his further ones.
    private static var ownSpaces: String {
        let tenant = SQLDialect.tenantOfTransaction
        return """
            space = (SELECT own.space FROM content_tenants AS own WHERE own.tenant = \(tenant))
            OR space IN (SELECT more.space FROM content_spaces AS more WHERE more.tenant = \(tenant))
            """
    }

    /// A tenant's further spaces: one that is being made, and those that were live and are kept for a time.
    private static func spaces(_ dialect: SQLDialect) -> [String] {
        let text = dialect.text
        let table = """
            CREATE TABLE content_spaces (
                space BIGINT NOT NULL PRIMARY KEY, tenant \(text) NOT NULL, owner \(text) NOT NULL, kept_until BIGINT)
                \(dialect.clustered)
            """
        let index = "CREATE INDEX content_spaces_tenant ON content_spaces (tenant)"
        guard dialect.name == .postgres else { return [table, index] }
        return [table, index] + dialect.tenantRows(of: "content_spaces")
            + [
                "content_types", "content_acls", "content_items", "content_versions", "content_index", "content_version_index",
                "content_counts", "content_languages", "content_cuts", "content_chores",
            ].flatMap {
                ["DROP POLICY \(SQLDialect.tenantPolicy) ON \($0)"] + dialect.tenantRows(of: $0, where: ownSpaces)
            }
    }

    private static func first(_ dialect: SQLDialect) -> [String] {
        let text = dialect.text
        let clustered = dialect.clustered
        return [
            "CREATE TABLE content_sequences (name \(text) NOT NULL PRIMARY KEY, value BIGINT NOT NULL) \(clustered)",
            """
            CREATE TABLE content_tenants (
                tenant \(text) NOT NULL PRIMARY KEY, space BIGINT NOT NULL UNIQUE, epoch BIGINT NOT NULL) \(clustered)
            """,
            """
            CREATE TABLE content_types (
                space BIGINT NOT NULL, type_id BIGINT NOT NULL, name \(text) NOT NULL, revision BIGINT NOT NULL,
                definition \(text) NOT NULL, PRIMARY KEY (space, type_id), UNIQUE (space, name)) \(clustered)
            """,
            """
            CREATE TABLE content_acls (
                acl BIGINT NOT NULL PRIMARY KEY, space BIGINT NOT NULL, readers \(text) NOT NULL,
                UNIQUE (space, readers)) \(clustered)
            """,
            // The small columns come before the body, so that what is filtered by them doesn't touch it.
            """
            CREATE TABLE content_items (
                space BIGINT NOT NULL, type_id BIGINT NOT NULL, id \(text) NOT NULL, epoch BIGINT NOT NULL, acl BIGINT NOT NULL,
                language \(text), body \(text) NOT NULL, PRIMARY KEY (space, type_id, id)) \(clustered)
            """,
            """
            CREATE TABLE content_versions (
                space BIGINT NOT NULL, type_id BIGINT NOT NULL, id \(text) NOT NULL, until_epoch BIGINT NOT NULL,
                epoch BIGINT NOT NULL, acl BIGINT NOT NULL, language \(text), body \(text) NOT NULL,
                PRIMARY KEY (space, type_id, id, until_epoch)) \(clustered)
            """,
            """
            CREATE TABLE content_index (
                space BIGINT NOT NULL, type_id BIGINT NOT NULL, field_id BIGINT NOT NULL, value \(text) NOT NULL,
                id \(text) NOT NULL, PRIMARY KEY (space, type_id, field_id, value, id)) \(clustered)
            """,
            """
            CREATE TABLE content_version_index (
                space BIGINT NOT NULL, type_id BIGINT NOT NULL, field_id BIGINT NOT NULL, value \(text) NOT NULL,
                id \(text) NOT NULL,
                until_epoch BIGINT NOT NULL, PRIMARY KEY (space, type_id, field_id, value, id, until_epoch)) \(clustered)
            """,
            """
            CREATE TABLE content_counts (
                space BIGINT NOT NULL, type_id BIGINT NOT NULL, acl BIGINT NOT NULL, items BIGINT NOT NULL,
                PRIMARY KEY (space, type_id, acl)) \(clustered)
            """,
            // Languages that items of a type have or had.
            """
            CREATE TABLE content_languages (
                space BIGINT NOT NULL, type_id BIGINT NOT NULL, language \(text) NOT NULL, PRIMARY KEY (space, type_id, language))
                \(clustered)
            """,
            """
            CREATE TABLE content_cuts (
                space BIGINT NOT NULL, job_id \(text) NOT NULL, epoch BIGINT NOT NULL, PRIMARY KEY (space, job_id)) \(clustered)
            """,
            """
            CREATE TABLE content_chores (
                space BIGINT NOT NULL, type_id BIGINT NOT NULL, field_id BIGINT NOT NULL, kind \(text) NOT NULL,
                position \(text) NOT NULL, PRIMARY KEY (space, type_id, field_id, kind)) \(clustered)
            """,
        ]
    }
}
