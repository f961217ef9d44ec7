import WaybillDatabases

extension DriveMigrations {
    /// Files in spaces, and as they were: for backups and restores.
    static let spaces = SQLMigration(room: "drive", number: 3, title: "spaces, cuts and old versions of files") { dialect in
        let text = dialect.text
        return rekeyed(dialect) + [
            "CREATE INDEX drive_files_account ON drive_files (tenant, space, account, id)",
            "CREATE INDEX drive_files_content ON drive_files (tenant, space, sha256)",
            "CREATE INDEX drive_files_expiry ON drive_files (expires_at) WHERE expires_at IS NOT NULL",
            // space: the live one. epoch: of what is written now.
            """
            CREATE TABLE drive_tenants (
                tenant \(text) NOT NULL, space BIGINT NOT NULL, epoch BIGINT NOT NULL, last_space BIGINT NOT NULL,
                PRIMARY KEY (tenant))
            """,
            // All but the live one. counted: files with these digests, or with lesser ones, have their part in drive_contents.
            """
            CREATE TABLE drive_spaces (
                tenant \(text) NOT NULL, space BIGINT NOT NULL, state \(text) NOT NULL, counted \(dialect.blob) NOT NULL,
                kept_until BIGINT, PRIMARY KEY (tenant, space))
            """,
            """
            CREATE TABLE drive_cuts (
                tenant \(text) NOT NULL, job_id \(text) NOT NULL, space BIGINT NOT NULL, epoch BIGINT NOT NULL,
                PRIMARY KEY (tenant, job_id))
            """,
            // As they were from an epoch on and before another one.
            """
            CREATE TABLE drive_versions (
                tenant \(text) NOT NULL, space BIGINT NOT NULL, until_epoch BIGINT NOT NULL, \(columns(dialect)),
                PRIMARY KEY (tenant, space, id, until_epoch))
            """,
            "CREATE INDEX drive_versions_content ON drive_versions (tenant, space, sha256)",
            """
            CREATE TABLE drive_tombstones (
                tenant \(text) NOT NULL, space BIGINT NOT NULL, id \(text) NOT NULL, epoch BIGINT NOT NULL,
                deleted_at BIGINT NOT NULL, PRIMARY KEY (tenant, space, id, epoch))
            """,
            "CREATE INDEX drive_tombstones_age ON drive_tombstones (deleted_at)",
            // What files of a space that is not live use.
            """
            CREATE TABLE drive_space_usage (
                tenant \(text) NOT NULL, space BIGINT NOT NULL, account \(text) NOT NULL, used_bytes BIGINT NOT NULL,
                used_files BIGINT NOT NULL, PRIMARY KEY (tenant, space, account))
            """,
        ]
            + [
                "drive_tenants", "drive_spaces", "drive_cuts", "drive_versions", "drive_tombstones", "drive_space_usage",
            ].flatMap { dialect.tenantRows(of: $0) }
    }

    private static func columns(_ dialect: SQLDialect) -> String {
        let text = dialect.text
        return """
            id \(text) NOT NULL, account \(text) NOT NULL, name \(text) NOT NULL, size BIGINT NOT NULL,
            content_type \(text) NOT NULL, sha256 \(dialect.blob) NOT NULL, pool \(text) NOT NULL, bundle \(text),
            encrypted INTEGER NOT NULL, charged BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
            expires_at BIGINT, epoch BIGINT NOT NULL
            """
    }

    /// The table of files with the space in its key.
    private static func rekeyed(_ dialect: SQLDialect) -> [String] {
        let kept = """
            tenant, id, account, name, size, content_type, sha256, pool, bundle, encrypted, charged, created_at, updated_at, \
            expires_at
            """
        switch dialect.name {
        case .postgres:
            return [
                "ALTER TABLE drive_files ADD COLUMN epoch BIGINT NOT NULL DEFAULT 1",
                "ALTER TABLE drive_files ADD COLUMN space BIGINT NOT NULL DEFAULT 0",
                "ALTER TABLE drive_files DROP CONSTRAINT drive_files_pkey",
                "ALTER TABLE drive_files ADD PRIMARY KEY (tenant, space, id)",
                "DROP INDEX drive_files_account", "DROP INDEX drive_files_content", "DROP INDEX drive_files_expiry",
            ]
        case .sqlite:
            return [
                """
                CREATE TABLE drive_files_keyed (
                    tenant \(dialect.text) NOT NULL, \(columns(dialect)), space BIGINT NOT NULL, PRIMARY KEY (tenant, space, id))
                """,
                "INSERT INTO drive_files_keyed (\(kept), epoch, space) SELECT \(kept), 1, 0 FROM drive_files",
                "DROP TABLE drive_files", "ALTER TABLE drive_files_keyed RENAME TO drive_files",
            ]
        }
    }
}
