import WaybillDatabases

extension DriveMigrations {
    /// Pools with stores of their own. An empty name is the installation's store.
    static let stores = SQLMigration(room: "drive", number: 5, title: "stores of pools") { dialect in
        let text = dialect.text
        // store, of a pool: where its uploads go. Of the others: where their bytes are.
        let tables = ["pools", "uploads", "files", "versions", "parts", "garbage"]
        return tables.map { "ALTER TABLE drive_\($0) ADD COLUMN store \(text) NOT NULL DEFAULT ''" } + rekeyedContents(dialect)
            + [
                "CREATE INDEX drive_garbage_age ON drive_garbage (store, since)",
                // Which stores a tenant has bytes in.
                "CREATE INDEX drive_contents_store ON drive_contents (tenant, store) WHERE store <> ''",
                "CREATE INDEX drive_parts_store ON drive_parts (tenant, store) WHERE store <> ''",
                "CREATE INDEX drive_garbage_store ON drive_garbage (tenant, store) WHERE store <> ''",
                """
                CREATE INDEX drive_uploads_store ON drive_uploads (tenant, store)
                    WHERE store <> '' AND status = 'InProgress'
                """,
            ]
    }

    /// The table of bytes with the store in its key: equal ones are kept once in each.
    private static func rekeyedContents(_ dialect: SQLDialect) -> [String] {
        switch dialect.name {
        case .postgres:
            return [
                "ALTER TABLE drive_contents ADD COLUMN store \(dialect.text) NOT NULL DEFAULT ''",
                "ALTER TABLE drive_contents DROP CONSTRAINT drive_contents_pkey",
                "ALTER TABLE drive_contents ADD PRIMARY KEY (tenant, sha256, length, store)",
            ]
        case .sqlite:
            let text = dialect.text
            return [
                """
                CREATE TABLE drive_contents_keyed (
                    tenant \(text) NOT NULL, sha256 \(dialect.blob) NOT NULL, length BIGINT NOT NULL, store \(text) NOT NULL,
                    blob_key \(text) NOT NULL, refs BIGINT NOT NULL, PRIMARY KEY (tenant, sha256, length, store))
                """,
                """
                INSERT INTO drive_contents_keyed (tenant, sha256, length, store, blob_key, refs)
                SELECT tenant, sha256, length, '', blob_key, refs FROM drive_contents
                """,
                "DROP TABLE drive_contents", "ALTER TABLE drive_contents_keyed RENAME TO drive_contents",
            ]
        }
    }
}
