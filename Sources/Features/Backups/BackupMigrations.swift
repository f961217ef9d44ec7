import WaybillDatabases

/// The tables of this room.
public enum BackupMigrations {
    public static let all: [SQLMigration] = [
        SQLMigration(room: "backup", number: 1, title: "rows that are copied with a cut") { dialect in
            let text = dialect.text
            return [
                """
                CREATE TABLE backup_copied (
                    tenant \(text) NOT NULL, job_id \(text) NOT NULL, entity \(text) NOT NULL, number BIGINT NOT NULL,
                    body \(text) NOT NULL, PRIMARY KEY (tenant, job_id, entity, number)) \(dialect.clustered)
                """
            ] + dialect.tenantRows(of: "backup_copied")
        },
        SQLMigration(room: "backup", number: 2, title: "restores and their documents") { dialect in
            let text = dialect.text
            return [
                """
                CREATE TABLE backup_restores (
                    tenant \(text) NOT NULL, id \(text) NOT NULL, user_name \(text) NOT NULL, mode \(text) NOT NULL,
                    from_job \(text), status \(text) NOT NULL, manifest \(text), job_id \(text), undo \(text),
                    undo_until BIGINT, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (tenant, id))
                """,
                """
                CREATE TABLE backup_documents (
                    tenant \(text) NOT NULL, restore_id \(text) NOT NULL, name \(text) NOT NULL, pieces \(text) NOT NULL,
                    is_deflated INTEGER NOT NULL, length BIGINT NOT NULL, sha256 \(text) NOT NULL, uploaded_at BIGINT NOT NULL,
                    PRIMARY KEY (tenant, restore_id, name))
                """,
            ] + ["backup_restores", "backup_documents"].flatMap { dialect.tenantRows(of: $0) }
        },
        SQLMigration(room: "backup", number: 3, title: "passphrases and keys of unfinished jobs, closed") { dialect in
            let text = dialect.text
            return [
                """
                CREATE TABLE backup_secrets (
                    tenant \(text) NOT NULL, job_id \(text) NOT NULL, sealed \(dialect.blob) NOT NULL,
                    PRIMARY KEY (tenant, job_id))
                """
            ] + dialect.tenantRows(of: "backup_secrets")
        },
        SQLMigration(room: "backup", number: 4, title: "increments") { dialect in
            let text = dialect.text
            return [
                """
                CREATE TABLE backup_marks (
                    tenant \(text) NOT NULL, job_id \(text) NOT NULL, cut_at BIGINT NOT NULL, entities \(text),
                    notes \(text) NOT NULL, manifest_sha256 \(text) NOT NULL, chain \(text) NOT NULL, full_at BIGINT NOT NULL,
                    PRIMARY KEY (tenant, job_id)) \(dialect.clustered)
                """,
                // Of the increments; that of the full backup stands in the restore's row.
                """
                CREATE TABLE backup_manifests (
                    tenant \(text) NOT NULL, restore_id \(text) NOT NULL, number INTEGER NOT NULL, manifest \(text) NOT NULL,
                    PRIMARY KEY (tenant, restore_id, number))
                """,
            ] + ["backup_marks", "backup_manifests"].flatMap { dialect.tenantRows(of: $0) }
        },
        SQLMigration(room: "backup", number: 5, title: "documents that come in ranges") { _ in
            // How long it will be; NULL once all of it is there.
            ["ALTER TABLE backup_documents ADD COLUMN total BIGINT"]
        },
    ]
}
