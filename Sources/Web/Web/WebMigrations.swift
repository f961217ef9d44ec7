import WaybillDatabases

/// The tables of this room.
public enum WebMigrations {
    public static let all: [SQLMigration] = [
        SQLMigration(room: "web", number: 1, title: "API keys, rights and idempotency keys") { dialect in
            [
                """
                CREATE TABLE web_api_keys (
                    id \(dialect.text) NOT NULL PRIMARY KEY, hash \(dialect.blob) NOT NULL UNIQUE,
                    tenant \(dialect.text) NOT NULL,
                    user_name \(dialect.text) NOT NULL, roles \(dialect.text) NOT NULL, name \(dialect.text) NOT NULL,
                    created_at BIGINT NOT NULL, expires_at BIGINT, last_used_at BIGINT, revoked_at BIGINT)
                """,
                "CREATE INDEX web_api_keys_tenant ON web_api_keys (tenant, id)",
                """
                CREATE TABLE web_principals (
                    tenant \(dialect.text) NOT NULL, user_name \(dialect.text) NOT NULL, roles \(dialect.text) NOT NULL,
                    issued_at BIGINT NOT NULL, PRIMARY KEY (tenant, user_name)) \(dialect.clustered)
                """,
                """
                CREATE TABLE web_idempotency (
                    tenant \(dialect.text) NOT NULL, user_name \(dialect.text) NOT NULL, key \(dialect.text) NOT NULL,
                    fingerprint \(dialect.blob) NOT NULL, status INTEGER NOT NULL, headers \(dialect.text) NOT NULL,
                    body \(dialect.blob) NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL,
                    PRIMARY KEY (tenant, user_name, key))
                """,
                "CREATE INDEX web_idempotency_expiry ON web_idempotency (expires_at)",
            ]
        },
        SQLMigration(room: "web", number: 2, title: "sealed answers, erased tenants") { dialect in
            [
                "ALTER TABLE web_idempotency ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0",
                """
                CREATE TABLE web_erasures (name_hash \(dialect.blob) NOT NULL PRIMARY KEY, began_at BIGINT, erased_at BIGINT)
                """,
            ]
        },
        SQLMigration(room: "web", number: 3, title: "tenants kept apart by the database") { dialect in
            ["web_api_keys", "web_principals", "web_idempotency"].flatMap { dialect.tenantRows(of: $0) }
                + dialect.tenantRows(
                    of: "web_erasures",
                    where: "name_hash = sha256(convert_to('tenant ' || \(SQLDialect.tenantOfTransaction), 'UTF8'))")
        },
    ]
}
