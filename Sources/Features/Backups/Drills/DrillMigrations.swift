import WaybillDatabases

/// The table of drills.
public enum DrillMigrations {
    public static let all: [SQLMigration] = [
        SQLMigration(room: "drill", number: 1, title: "drills, their scratch tenants and results") { dialect in
            let text = dialect.text
            return [
                // scratch: the tenant that is there for it; null once that has gone. report: the signed result.
                """
                CREATE TABLE drill_runs (
                    tenant \(text) NOT NULL, job_id \(text) NOT NULL, scratch \(text), report \(text), began_at BIGINT NOT NULL,
                    PRIMARY KEY (tenant, job_id)) \(dialect.clustered)
                """,
                "CREATE INDEX drill_runs_scratch ON drill_runs (scratch) WHERE scratch IS NOT NULL",
            ] + dialect.tenantRows(of: "drill_runs")
        }
    ]
}
