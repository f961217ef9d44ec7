import WaybillDatabases

/// Events that were told together. A database that is a server pays for each entry of an index, and so for finding two events by
/// their job as much as for writing them: these are found by their numbers, of which a row for the whole batch knows.
extension EventStore {
    /// Whether events are written in batches. What is there in batches is found on any database, since rows move.
    static func usesBatches(_ session: any SQLSession) -> Bool { session.dialect.name == .postgres }

    /// A batch as it is stored.
    struct Batch: Sendable, Hashable {
        var tenant: String
        var first: Int64
        var last: Int64
    }

    /// A job whose row has gone, or goes.
    struct Gone: Sendable {
        var id: JobID
        var tenant: String
        /// At which it may have been told in a batch: its first start and its end.
        var moments: [Int64]
    }

    /// The batches in which a job may be told.
    func batches(_ session: any SQLSession, of job: JobID) throws -> [Batch] {
        // Two that share a moment are looked up for one.
        let moment = "SELECT tenant, started_at AS at FROM engine_jobs WHERE id = $1"
        return try session.all(
            """
            SELECT batch.tenant, first, last FROM (\(moment) UNION \(moment.replacing("started_at", with: "ended_at"))) AS job
            JOIN engine_batches AS batch ON batch.tenant = job.tenant AND batch.at = job.at
            """, job.text, make: Self.batch)
    }

    /// A batch of completed jobs whose time has passed.
    func overdue(_ session: any SQLSession, now: Timestamp) throws -> Batch? {
        try session.first(
            "SELECT tenant, first, last FROM engine_batches WHERE prune_at <= $1 ORDER BY prune_at LIMIT 1", now.microseconds,
            make: Self.batch)
    }

    /// The jobs of which a batch still tells.
    func jobs(_ session: any SQLSession, in batch: Batch, limit: Int) throws -> [JobID] {
        try session.all(
            """
            SELECT job_id FROM engine_events WHERE tenant = $1 AND number BETWEEN $2 AND $3 AND batched = 1
            ORDER BY number LIMIT $4
            """, batch.tenant, batch.first, batch.last, limit
        ) { JobID(trusted: $0.string(0)) }
    }

    /// Removes all events of some jobs.
    func remove(_ session: any SQLSession, of jobs: [Gone]) throws {
        for job in jobs { try session.send("DELETE FROM engine_events WHERE job_id = $1 AND batched = 0", job.id.text) }
        struct Moment: Hashable {
            var tenant: String
            var at: Int64
        }
        var told: [Moment: [JobID]] = [:]
        for job in jobs {
            for at in Set(job.moments) { told[Moment(tenant: job.tenant, at: at), default: []].append(job.id) }
        }
        for (moment, jobs) in told.sorted(by: { ($0.key.tenant, $0.key.at) < ($1.key.tenant, $1.key.at) }) {
            let batches = try session.all(
                "SELECT tenant, first, last FROM engine_batches WHERE tenant = $1 AND at = $2 ORDER BY first", moment.tenant,
                moment.at, make: Self.batch)
            for batch in batches { try remove(session, of: jobs, in: batch) }
        }
    }

    /// Removes what a batch tells of some jobs, and the batch after the last of its events.
    func remove(_ session: any SQLSession, of jobs: [JobID], in batch: Batch) throws {
        var ids = SQLRowList(Self.idColumn)
        for job in jobs { try ids.append([.text(job.text)]) }
        let given = "SELECT given.id FROM \(SQLRowList.table(Self.idColumn, from: 4, session.dialect))"
        let range: [SQLValue] = [.text(batch.tenant), .integer(batch.first), .integer(batch.last)]
        try session.send(
            """
            DELETE FROM engine_events WHERE tenant = $1 AND number BETWEEN $2 AND $3 AND batched = 1
                AND job_id \(session.dialect.eachOf(given))
            """, arguments: range + ids.arguments(session.dialect))
        try session.send(
            """
            DELETE FROM engine_batches WHERE tenant = $1 AND first = $2 AND last = $3 AND NOT EXISTS (
                SELECT 1 FROM engine_events WHERE tenant = $1 AND number BETWEEN $2 AND $3 AND batched = 1)
            """, arguments: range)
    }

    /// Removes the batches of a tenant of which no event is left.
    func removeEmptyBatches(_ session: any SQLSession, of tenant: TenantID) throws {
        try session.execute(
            """
            DELETE FROM engine_batches WHERE tenant = $1 AND NOT EXISTS (SELECT 1 FROM engine_events
                WHERE engine_events.tenant = $1 AND number BETWEEN first AND last AND batched = 1)
            """, tenant.text)
    }

    private static let idColumn: [SQLRowList.Column] = [.init("id", .text)]

    private static func batch(_ row: SQLRow) -> Batch {
        Batch(tenant: row.string(0), first: row.int64(1), last: row.int64(2))
    }
}
