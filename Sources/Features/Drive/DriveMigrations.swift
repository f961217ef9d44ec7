import WaybillDatabases

/// The tables of this room.
public enum DriveMigrations {
    public static let all: [SQLMigration] = [
        SQLMigration(room: "drive", number: 1, title: "uploads, files, pools, bundles, quotas") { dialect in
            let text = dialect.text
            return uploads(dialect) + files(dialect) + [
                """
                CREATE TABLE drive_pools (
                    tenant \(text) NOT NULL, id \(text) NOT NULL, name \(text) NOT NULL, file_bytes_max BIGINT,
                    accept_types \(text) NOT NULL, allows_encryption INTEGER NOT NULL, cost_factor DOUBLE PRECISION NOT NULL,
                    is_default INTEGER NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (tenant, id))
                """,
                // account: empty for the whole tenant.
                """
                CREATE TABLE drive_usage (
                    tenant \(text) NOT NULL, account \(text) NOT NULL, used_bytes BIGINT NOT NULL, used_files BIGINT NOT NULL,
                    reserved_bytes BIGINT NOT NULL, reserved_files BIGINT NOT NULL, bytes_max BIGINT, files_max BIGINT,
                    PRIMARY KEY (tenant, account))
                """,
            ]
                + [
                    "drive_uploads", "drive_files", "drive_contents", "drive_bundles", "drive_pools", "drive_usage",
                    "drive_garbage",
                ]
                .flatMap { dialect.tenantRows(of: $0) }
        },
        SQLMigration(room: "drive", number: 2, title: "files that are joined from parts") { dialect in
            let text = dialect.text
            return [
                // role: 0 a file, 1 a part, 2 a part that is whole, 3 a joined file.
                "ALTER TABLE drive_uploads ADD COLUMN role INTEGER NOT NULL DEFAULT 0",
                "ALTER TABLE drive_uploads ADD COLUMN concat \(text)",
                // owner: the upload of the joined file. part: the upload whose bytes come there. length: none until it is whole.
                """
                CREATE TABLE drive_parts (
                    tenant \(text) NOT NULL, owner \(text) NOT NULL, position BIGINT NOT NULL, part \(text) NOT NULL,
                    length BIGINT, PRIMARY KEY (tenant, owner, position))
                """,
                "CREATE INDEX drive_parts_part ON drive_parts (tenant, part)",
            ] + dialect.tenantRows(of: "drive_parts")
        },
        spaces,
        SQLMigration(room: "drive", number: 4, title: "encrypted files, and ends that take long") { dialect in
            [
                // password: closed. finishing: the job. blob_key: where the encrypted bytes go.
                "ALTER TABLE drive_uploads ADD COLUMN encrypted INTEGER NOT NULL DEFAULT 0",
                "ALTER TABLE drive_uploads ADD COLUMN password \(dialect.blob)",
                "ALTER TABLE drive_uploads ADD COLUMN finishing \(dialect.text)",
                "ALTER TABLE drive_uploads ADD COLUMN blob_key \(dialect.text)",
            ]
        },
        stores,
    ]

    private static func uploads(_ dialect: SQLDialect) -> [String] {
        let text = dialect.text
        return [
            // id: of the job. stored: the ranges of bytes that are durable. charged: what is reserved for it.
            """
            CREATE TABLE drive_uploads (
                tenant \(text) NOT NULL, id \(text) NOT NULL, account \(text) NOT NULL, name \(text) NOT NULL, size BIGINT,
                content_type \(text) NOT NULL, hash \(dialect.blob), chunk_size BIGINT NOT NULL, pool \(text) NOT NULL,
                bundle \(text), file_expires_at BIGINT, place \(text) NOT NULL, wire \(text) NOT NULL, metadata \(text),
                status \(text) NOT NULL,
                fence BIGINT NOT NULL, stored \(text) NOT NULL, charged BIGINT NOT NULL, failure \(text),
                created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, active_at BIGINT NOT NULL, stored_bytes BIGINT NOT NULL,
                PRIMARY KEY (tenant, id))
            """,
            "CREATE INDEX drive_uploads_account ON drive_uploads (tenant, account, id)",
            // Whole, and no file yet: a crash came in between, and who appends is not asked to complete.
            """
            CREATE INDEX drive_uploads_whole ON drive_uploads (active_at)
                WHERE status = 'InProgress' AND wire NOT IN ('chunks', 'plain') AND size = stored_bytes
            """,
            "CREATE INDEX drive_uploads_ended ON drive_uploads (updated_at) WHERE status <> 'InProgress'",
        ]
    }

    private static func files(_ dialect: SQLDialect) -> [String] {
        let text = dialect.text
        return [
            """
            CREATE TABLE drive_files (
                tenant \(text) NOT NULL, id \(text) NOT NULL, account \(text) NOT NULL, name \(text) NOT NULL,
                size BIGINT NOT NULL, content_type \(text) NOT NULL, sha256 \(dialect.blob) NOT NULL, pool \(text) NOT NULL,
                bundle \(text), encrypted INTEGER NOT NULL, charged BIGINT NOT NULL, created_at BIGINT NOT NULL,
                updated_at BIGINT NOT NULL, expires_at BIGINT, PRIMARY KEY (tenant, id))
            """,
            "CREATE INDEX drive_files_account ON drive_files (tenant, account, id)",
            "CREATE INDEX drive_files_content ON drive_files (tenant, sha256)",
            "CREATE INDEX drive_files_expiry ON drive_files (expires_at) WHERE expires_at IS NOT NULL",
            // The bytes of files, once for all files of a tenant that have the same ones.
            """
            CREATE TABLE drive_contents (
                tenant \(text) NOT NULL, sha256 \(dialect.blob) NOT NULL, length BIGINT NOT NULL, blob_key \(text) NOT NULL,
                refs BIGINT NOT NULL, PRIMARY KEY (tenant, sha256, length))
            """,
            """
            CREATE TABLE drive_bundles (
                tenant \(text) NOT NULL, id \(text) NOT NULL, account \(text) NOT NULL, name \(text) NOT NULL,
                created_at BIGINT NOT NULL, PRIMARY KEY (tenant, id))
            """,
            // staged: whether it names a staged file; else a blob.
            """
            CREATE TABLE drive_garbage (
                tenant \(text) NOT NULL, name \(text) NOT NULL, staged INTEGER NOT NULL, since BIGINT NOT NULL,
                PRIMARY KEY (tenant, name, staged))
            """,
        ]
    }
}
