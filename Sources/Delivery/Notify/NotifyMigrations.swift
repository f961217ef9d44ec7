import WaybillDatabases

/// The tables of notices. All instants are microseconds since 1970.
public enum NotifyMigrations {
    public static let all = [
        SQLMigration(room: "notify", number: 1, title: "cursors and entries") { dialect in
            let text = dialect.text
            return [
                // How far the event log of a tenant has been told.
                "CREATE TABLE notify_cursors (tenant \(text) NOT NULL PRIMARY KEY, number BIGINT NOT NULL) \(dialect.clustered)",
                // The number is that of the event, so that no event can be told twice.
                """
                CREATE TABLE notify_entries (tenant \(text) NOT NULL, user_id \(text) NOT NULL, number BIGINT NOT NULL,
                    job_id \(text) NOT NULL, kind \(text) NOT NULL, outcome \(text) NOT NULL, title \(text) NOT NULL,
                    message \(text) NOT NULL, link \(text), created_at BIGINT NOT NULL, read_at BIGINT,
                    PRIMARY KEY (tenant, user_id, number)) \(dialect.clustered)
                """,
                "CREATE INDEX notify_entries_unread ON notify_entries (tenant, user_id, number) WHERE read_at IS NULL",
                "CREATE INDEX notify_entries_age ON notify_entries (created_at)",
            ]
        },
        SQLMigration(room: "notify", number: 2, title: "tenants kept apart by the database") { dialect in
            ["notify_cursors", "notify_entries"].flatMap { dialect.tenantRows(of: $0) }
        },
    ]
}
