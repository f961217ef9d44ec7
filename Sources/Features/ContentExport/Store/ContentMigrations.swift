import WaybillDatabases

/// The tables of content: types, items, their index, and what cuts hold.
public enum ContentMigrations {
    public static let all: [SQLMigration] = [
        SQLMigration(room: "content", number: 1, title: "types, items and cuts", statements: first)
    ]

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
