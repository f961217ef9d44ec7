import WaybillDatabases

/// The engine's tables. All instants are microseconds since 1970.
public enum EngineMigrations {
    public static let all = [
        SQLMigration(room: "engine", number: 1, title: "jobs, lanes, events, artifacts, schedules") { dialect in
            jobTables(dialect) + eventTables(dialect) + artifactTables(dialect) + scheduleTables(dialect)
        },
        SQLMigration(room: "engine", number: 2, title: "nodes") { dialect in
            let text = dialect.text
            return [
                """
                CREATE TABLE engine_nodes (id \(text) NOT NULL PRIMARY KEY, host \(text) NOT NULL, version \(text) NOT NULL,
                    role \(text) NOT NULL, workers INTEGER NOT NULL, started_at BIGINT NOT NULL, beat_at BIGINT NOT NULL)
                """
            ]
        },
        SQLMigration(room: "engine", number: 3, title: "tenants kept apart by the database", statements: tenantPolicies),
        // By the standing, which no statement about one job names: a planner that believes that nothing runs would else look the
        // job up among all that do.
        SQLMigration(room: "engine", number: 4, title: "running jobs by their standing") { _ in
            [
                "DROP INDEX engine_jobs_running",
                "CREATE INDEX engine_jobs_running ON engine_jobs (node) WHERE standing = 5",
            ]
        },
        // Jobs may share the bytes of their artifacts: who lets go of a blob asks who else has it.
        SQLMigration(room: "engine", number: 5, title: "shared blobs") { _ in
            ["CREATE INDEX engine_segments_blob ON engine_segments (blob_key)"]
        },
        // Every claim moves them, and one costs half of two.
        SQLMigration(room: "engine", number: 6, title: "one index of turns") { dialect in
            [
                "DROP INDEX engine_lanes_turn", "DROP INDEX engine_lanes_time",
                "CREATE INDEX engine_lanes_turn ON engine_lanes ((ready > 0), virtual_time)",
            ] + (dialect.name == .postgres ? [timeOfOthers] : [])
        },
        // A lane that stays ready keeps its place in the index, however many jobs it has.
        SQLMigration(room: "engine", number: 7, title: "lanes that wait") { dialect in
            [
                "ALTER TABLE engine_lanes ADD COLUMN waits INTEGER NOT NULL DEFAULT 0",
                "UPDATE engine_lanes SET waits = 1 WHERE ready > 0",
                "DROP INDEX engine_lanes_turn",
                "CREATE INDEX engine_lanes_turn ON engine_lanes (waits, virtual_time)",
            ] + (dialect.name == .postgres ? [timeOfWaiting] : [])
        },
        // A claim changes nothing that an index knows of, so that its row stays where it is: there has to be room for it.
        SQLMigration(room: "engine", number: 8, title: "claims that change no index") { dialect in
            [
                "DROP INDEX engine_jobs_running",
                "CREATE INDEX engine_jobs_running ON engine_jobs (id) WHERE standing = 5",
            ] + (dialect.name == .postgres ? ["ALTER TABLE engine_jobs SET (fillfactor = 50)"] : [])
        },
        // Claims go on where the last one has stopped, and not through all that was claimed since somebody's snapshot.
        SQLMigration(room: "engine", number: 9, title: "how far a lane has been claimed") { dialect in
            [
                "ALTER TABLE engine_lanes ADD COLUMN mark_priority INTEGER",
                "ALTER TABLE engine_lanes ADD COLUMN mark_id \(dialect.text)",
                "ALTER TABLE engine_lanes ADD COLUMN mark_epoch BIGINT NOT NULL DEFAULT 0",
            ]
        },
        // What is told of many jobs at once is found by a row for all of it, and when those that were completed go as well.
        SQLMigration(room: "engine", number: 10, title: "events told in batches", statements: batches),
    ]

    private static func batches(_ dialect: SQLDialect) -> [String] {
        [
            """
            CREATE TABLE engine_batches (tenant \(dialect.text) NOT NULL, first BIGINT NOT NULL, last BIGINT NOT NULL,
                at BIGINT NOT NULL, prune_at BIGINT, PRIMARY KEY (tenant, first)) \(dialect.clustered)
            """,
            "CREATE INDEX engine_batches_moment ON engine_batches (tenant, at)",
            "CREATE INDEX engine_batches_prune ON engine_batches (prune_at) WHERE prune_at IS NOT NULL",
            "ALTER TABLE engine_events ADD COLUMN batched INTEGER NOT NULL DEFAULT 0",
        ]
            + (dialect.name == .postgres
                ? [
                    "DROP INDEX engine_events_job",
                    "CREATE INDEX engine_events_job ON engine_events (job_id, number) WHERE batched = 0",
                    // The end of a job enters its row anew: there has to be room for it.
                    "ALTER INDEX engine_jobs_pkey SET (fillfactor = 50)",
                    "ALTER INDEX engine_jobs_list SET (fillfactor = 50)",
                ] : []) + dialect.tenantRows(of: "engine_batches")
    }

    private static let timeOfWaiting =
        timeOfOthers
        .replacing("(ready > 0) = TRUE", with: "waits = 1").replacing("(ready > 0) = FALSE", with: "waits = 0")

    /// A tenant that has become ready begins at the time of the others, and learns nothing else of them.
    private static let timeOfOthers = """
        CREATE OR REPLACE FUNCTION engine_time_of_others(own text) RETURNS bigint
        LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
        BEGIN
            RETURN coalesce(
                (SELECT virtual_time FROM engine_lanes WHERE (ready > 0) = TRUE AND tenant <> own ORDER BY virtual_time LIMIT 1),
                (SELECT virtual_time FROM engine_lanes WHERE (ready > 0) = FALSE AND tenant <> own
                    ORDER BY virtual_time DESC LIMIT 1));
        END $$
        """

    private static func tenantPolicies(_ dialect: SQLDialect) -> [String] {
        guard dialect.name == .postgres else { return [] }
        let ownJob = "EXISTS (SELECT 1 FROM engine_jobs AS owner WHERE owner.id = job_id)"
        return ["engine_jobs", "engine_lanes", "engine_tenants", "engine_events", "engine_schedules"]
            .flatMap { dialect.tenantRows(of: $0) }
            + ["engine_artifacts", "engine_segments"].flatMap { dialect.tenantRows(of: $0, where: ownJob) }
            + dialect.tenantRows(
                of: "engine_garbage", where: "starts_with(blob_key, 'jobs/' || \(SQLDialect.tenantOfTransaction) || '/')")
            + [
                // A tenant that has become ready begins at the time of the others, and learns nothing else of them.
                """
                CREATE FUNCTION engine_time_of_others(own text) RETURNS bigint
                LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
                BEGIN
                    RETURN coalesce(
                        (SELECT virtual_time FROM engine_lanes WHERE ready > 0 AND tenant <> own ORDER BY virtual_time LIMIT 1),
                        (SELECT virtual_time FROM engine_lanes WHERE tenant <> own ORDER BY virtual_time DESC LIMIT 1));
                END $$
                """
            ]
    }

    private static func jobTables(_ dialect: SQLDialect) -> [String] {
        let text = dialect.text
        let columns = """
            id \(text) NOT NULL PRIMARY KEY, tenant \(text) NOT NULL, user_id \(text) NOT NULL, roles \(text) NOT NULL,
            api_key \(text), kind \(text) NOT NULL, state \(text) NOT NULL, priority INTEGER NOT NULL, created_at BIGINT NOT NULL,
            started_at BIGINT, updated_at BIGINT NOT NULL, ended_at BIGINT, due_at BIGINT NOT NULL, deadline_at BIGINT, node
                \(text),
            fence BIGINT NOT NULL, attempts INTEGER NOT NULL, max_attempts INTEGER NOT NULL, interruptions INTEGER NOT NULL,
            deaths INTEGER NOT NULL, barren_deaths INTEGER NOT NULL, cancel_requested INTEGER NOT NULL,
            pause_requested INTEGER NOT NULL, progress DOUBLE PRECISION NOT NULL, counters \(text) NOT NULL, unique_key \(text),
            limit_key \(text), stalled INTEGER NOT NULL, input \(text) NOT NULL, checkpoint \(text), output \(text),
            failure_code \(text), failure_message \(text)
            """
        return [
            // standing: 0 paused, 1 ready, 2 waits for its time, 3 held by its limit key, 4 suspect, 5 running, 6 ended, 7
            // worked outside. (A job that was claimed a moment ago keeps the 1: see `JobStore+running`.) Indices that are
            // claimed by hold unfinished jobs only, so that ended ones cost a claim nothing.
            """
            CREATE TABLE engine_jobs (\(columns), standing INTEGER NOT NULL, lease_until BIGINT,
                checkpoint_fence BIGINT NOT NULL, progressed_at BIGINT NOT NULL, prune_at BIGINT)
            """,
            "CREATE INDEX engine_jobs_ready ON engine_jobs (tenant, kind, priority DESC, id) WHERE standing = 1",
            "CREATE INDEX engine_jobs_later ON engine_jobs (due_at) WHERE standing = 2",
            """
            CREATE INDEX engine_jobs_key ON engine_jobs (tenant, kind, limit_key, standing, priority DESC, id)
                WHERE limit_key IS NOT NULL AND ended_at IS NULL
            """,
            "CREATE INDEX engine_jobs_suspect ON engine_jobs (standing, id) WHERE barren_deaths > 0 AND ended_at IS NULL",
            "CREATE INDEX engine_jobs_running ON engine_jobs (node) WHERE state = 'running'",
            "CREATE INDEX engine_jobs_deadline ON engine_jobs (deadline_at) WHERE deadline_at IS NOT NULL AND ended_at IS NULL",
            """
            CREATE UNIQUE INDEX engine_jobs_unique ON engine_jobs (tenant, kind, unique_key)
                WHERE unique_key IS NOT NULL AND ended_at IS NULL
            """,
            "CREATE INDEX engine_jobs_list ON engine_jobs (tenant, kind, id)",
            "CREATE INDEX engine_jobs_prune ON engine_jobs (prune_at) WHERE prune_at IS NOT NULL",
            """
            CREATE TABLE engine_lanes (tenant \(text) NOT NULL, kind \(text) NOT NULL, ready BIGINT NOT NULL, running BIGINT
                NOT NULL,
                virtual_time BIGINT NOT NULL, PRIMARY KEY (tenant, kind)) \(dialect.clustered)
            """,
            "CREATE INDEX engine_lanes_turn ON engine_lanes (virtual_time) WHERE ready > 0",
            "CREATE INDEX engine_lanes_time ON engine_lanes (virtual_time)",
        ]
    }

    private static func eventTables(_ dialect: SQLDialect) -> [String] {
        let text = dialect.text
        return [
            "CREATE TABLE engine_tenants (tenant \(text) NOT NULL PRIMARY KEY, last_event BIGINT NOT NULL) \(dialect.clustered)",
            """
            CREATE TABLE engine_events (tenant \(text) NOT NULL, number BIGINT NOT NULL, job_id \(text) NOT NULL, name
                \(text) NOT NULL,
                at BIGINT NOT NULL, progress DOUBLE PRECISION NOT NULL, detail \(text), PRIMARY KEY (tenant, number))
                    \(dialect.clustered)
            """,
            "CREATE INDEX engine_events_job ON engine_events (job_id, number)",
        ]
    }

    private static func artifactTables(_ dialect: SQLDialect) -> [String] {
        let text = dialect.text
        return [
            """
            CREATE TABLE engine_artifacts (job_id \(text) NOT NULL, position INTEGER NOT NULL, name \(text) NOT NULL,
                content_type \(text) NOT NULL, state \(text) NOT NULL, length BIGINT NOT NULL, sha256 \(dialect.blob), facts
                    \(text),
                expires_at BIGINT, PRIMARY KEY (job_id, position)) \(dialect.clustered)
            """,
            "CREATE INDEX engine_artifacts_expiry ON engine_artifacts (expires_at) WHERE state = 'ready'",
            """
            CREATE TABLE engine_segments (job_id \(text) NOT NULL, position INTEGER NOT NULL, number INTEGER NOT NULL,
                blob_key \(text) NOT NULL, length BIGINT NOT NULL, sha256 \(dialect.blob) NOT NULL,
                PRIMARY KEY (job_id, position, number)) \(dialect.clustered)
            """,
            // Blobs whose row has gone: removed from the store by the sweep, then from here.
            "CREATE TABLE engine_garbage (blob_key \(text) NOT NULL PRIMARY KEY, since BIGINT NOT NULL) \(dialect.clustered)",
        ]
    }

    private static func scheduleTables(_ dialect: SQLDialect) -> [String] {
        let text = dialect.text
        return [
            """
            CREATE TABLE engine_schedules (tenant \(text) NOT NULL, name \(text) NOT NULL, kind \(text) NOT NULL, cron
                \(text) NOT NULL,
                user_id \(text) NOT NULL, roles \(text) NOT NULL, api_key \(text), input \(text) NOT NULL, priority INTEGER
                    NOT NULL,
                max_attempts INTEGER NOT NULL, next_at BIGINT NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (tenant, name))
            """,
            "CREATE INDEX engine_schedules_next ON engine_schedules (next_at)",
        ]
    }
}
