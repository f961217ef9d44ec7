import WaybillDatabases

/// The tables of the audit log.
public enum AuditMigrations {
    public static let all = [
        SQLMigration(room: "audit", number: 1, title: "events, seals, holds") { dialect in
            let text = dialect.text
            let clustered = dialect.clustered
            return [
                // The columns that are filtered by come before the body, which says all of it.
                """
                CREATE TABLE audit_events (tenant \(text) NOT NULL, seq BIGINT NOT NULL, id \(text), at BIGINT NOT NULL,
                    user_id \(text), action \(text) NOT NULL, body \(text) NOT NULL, PRIMARY KEY (tenant, seq)) \(clustered)
                """,
                "CREATE UNIQUE INDEX audit_events_id ON audit_events (tenant, id) WHERE id IS NOT NULL",
                // hash: of the events from first_seq to seq and of the seal before. marks: four bytes of each event.
                """
                CREATE TABLE audit_seals (tenant \(text) NOT NULL, seq BIGINT NOT NULL, first_seq BIGINT NOT NULL,
                    hash \(dialect.blob) NOT NULL, marks \(dialect.blob) NOT NULL, sealed_at BIGINT NOT NULL,
                    pruned INTEGER NOT NULL, PRIMARY KEY (tenant, seq)) \(clustered)
                """,
                // Actions of other programs, so that a filter can be told from a slip.
                """
                CREATE TABLE audit_actions (tenant \(text) NOT NULL, action \(text) NOT NULL, PRIMARY KEY (tenant, action))
                    \(clustered)
                """,
                // What a job still reads, and so must stay.
                """
                CREATE TABLE audit_holds (tenant \(text) NOT NULL, job_id \(text) NOT NULL, first_seq BIGINT NOT NULL,
                    last_seq BIGINT NOT NULL, PRIMARY KEY (tenant, job_id)) \(clustered)
                """,
            ] + ["audit_events", "audit_seals", "audit_actions", "audit_holds"].flatMap { dialect.tenantRows(of: $0) }
        },
        SQLMigration(room: "audit", number: 2, title: "segments that restores bring") { dialect in
            let text = dialect.text
            let clustered = dialect.clustered
            let tables = ["audit_segments", "audit_earlier", "audit_earlier_seals", "audit_earlier_actions"]
            return [
                // owner: the restore. base: what is added to an event's place to give its number in the log.
                """
                CREATE TABLE audit_segments (tenant \(text) NOT NULL, segment BIGINT NOT NULL, state INTEGER NOT NULL,
                    base BIGINT NOT NULL, events BIGINT NOT NULL, pruned BIGINT NOT NULL, hash \(dialect.blob) NOT NULL,
                    origin \(text) NOT NULL, owner \(text) NOT NULL, sealed_at BIGINT NOT NULL, PRIMARY KEY (tenant, segment))
                    \(clustered)
                """,
                "CREATE INDEX audit_segments_discarded ON audit_segments (tenant) WHERE state = 2",
                // ordinal: the place in the segment, from 1. origin: the number in the log where it was recorded.
                """
                CREATE TABLE audit_earlier (tenant \(text) NOT NULL, segment BIGINT NOT NULL, ordinal BIGINT NOT NULL,
                    origin BIGINT NOT NULL, id \(text), at BIGINT NOT NULL, user_id \(text), action \(text) NOT NULL,
                    body \(text) NOT NULL, PRIMARY KEY (tenant, segment, ordinal)) \(clustered)
                """,
                "CREATE INDEX audit_earlier_id ON audit_earlier (tenant, id) WHERE id IS NOT NULL",
                "CREATE INDEX audit_earlier_origin ON audit_earlier (tenant, segment, origin)",
                """
                CREATE TABLE audit_earlier_seals (tenant \(text) NOT NULL, segment BIGINT NOT NULL, ordinal BIGINT NOT NULL,
                    first_ordinal BIGINT NOT NULL, hash \(dialect.blob) NOT NULL, marks \(dialect.blob) NOT NULL,
                    PRIMARY KEY (tenant, segment, ordinal)) \(clustered)
                """,
                """
                CREATE TABLE audit_earlier_actions (tenant \(text) NOT NULL, segment BIGINT NOT NULL, action \(text) NOT NULL,
                    PRIMARY KEY (tenant, segment, action)) \(clustered)
                """,
            ] + tables.flatMap { dialect.tenantRows(of: $0) }
        },
    ]
}
