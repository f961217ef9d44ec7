import SeededBugs
import WaybillDatabases

/// The SQL of the event log. On a database with one writer, events are numbered as they are written.
struct EventStore: Sendable {
    /// Writes events in the transaction of the change they tell. Nobody waits for it.
    func append(_ session: any SQLSession, _ drafts: [EventDraft], now: Timestamp) throws {
        guard let first = drafts.first else { return }
        if SeededBug.skipsEvent, first.name == .started { return }
        var left = drafts.reduce(into: [TenantID: Int]()) { $0[$1.tenant, default: 0] += 1 }
        for (tenant, count) in left.sorted(by: { $0.key < $1.key }) { try reserve(session, tenant, count: count) }
        // A server is asked once for all of them. One in the process has to read a list, which pays for many.
        guard drafts.count > (session.dialect.name == .postgres ? 1 : Self.fewMax) else {
            for draft in drafts {
                left[draft.tenant, default: 1] -= 1
                try append(session, draft, later: left[draft.tenant, default: 0], now: now)
            }
            return
        }
        var rows = SQLRowList(Self.columns)
        var batches: [EventBatch: Span] = [:]
        for draft in drafts {
            left[draft.tenant, default: 1] -= 1
            let later = left[draft.tenant, default: 0]
            try rows.append([
                .text(draft.tenant.text), .integer(Int64(later)), .text(draft.job.text), .text(draft.name.text),
                .double(draft.progress), draft.detail.sqlValue, .integer(draft.batch == nil ? 0 : 1),
            ])
            if let batch = draft.batch { batches[batch, default: Span(tenant: draft.tenant, first: later)].last = later }
        }
        try session.send(
            """
            INSERT INTO engine_events (tenant, number, job_id, name, at, progress, detail, batched)
            SELECT given.tenant, last_event - later, job_id, name, CAST($1 AS BIGINT), progress, detail, batched
            FROM \(SQLRowList.table(Self.columns, from: 2, session.dialect))
            JOIN engine_tenants ON engine_tenants.tenant = given.tenant
            """, arguments: [.integer(now.microseconds)] + rows.arguments(session.dialect))
        for (batch, span) in batches.sorted(by: { $0.key.serial < $1.key.serial }) {
            try session.send(
                """
                INSERT INTO engine_batches (tenant, at, first, last, prune_at)
                SELECT tenant, CAST($1 AS BIGINT), last_event - $2, last_event - $3, CAST($4 AS BIGINT) FROM engine_tenants
                WHERE tenant = $5
                """, now.microseconds, span.first, span.last, batch.pruneAt?.microseconds, span.tenant.text)
        }
    }

    /// Where a batch is told: how many events of the tenant come after its first and its last one.
    private struct Span {
        var tenant: TenantID
        var first: Int
        var last = 0
    }

    private func append(_ session: any SQLSession, _ draft: EventDraft, later: Int, now: Timestamp) throws {
        try session.send(
            """
            INSERT INTO engine_events (tenant, number, job_id, name, at, progress, detail)
            SELECT tenant, last_event - $1, $2, $3, $4, $5, $6 FROM engine_tenants WHERE tenant = $7
            """, later, draft.job.text, draft.name.text, now.microseconds, draft.progress, draft.detail, draft.tenant.text)
    }

    private static let fewMax = 8

    /// `later`: how many of the same tenant come after it.
    private static let columns: [SQLRowList.Column] = [
        .init("tenant", .text), .init("later", .integer), .init("job_id", .text), .init("name", .text),
        .init("progress", .double), .init("detail", .text), .init("batched", .integer),
    ]

    /// Takes the next `count` numbers of a tenant: they end with the tenant's `last_event`.
    private func reserve(_ session: any SQLSession, _ tenant: TenantID, count: Int) throws {
        try session.send(
            """
            INSERT INTO engine_tenants (tenant, last_event) VALUES ($1, $2)
            ON CONFLICT (tenant) DO UPDATE SET last_event = engine_tenants.last_event + excluded.last_event
            """, tenant.text, count)
    }

    /// The events of a job after a number, in order.
    func ofJob(_ session: any SQLSession, _ job: JobID, after number: Int64, limit: Int) throws -> [JobEvent] {
        var events = try session.all(
            """
            SELECT \(Self.eventColumns) FROM engine_events WHERE job_id = $1 AND batched = 0 AND number > $2
            ORDER BY number LIMIT $3
            """, job.text, number, limit, make: Self.event
        ).compactMap { $0 }
        for batch in try batches(session, of: job) where batch.last > number {
            events += try session.all(
                """
                SELECT \(Self.eventColumns) FROM engine_events
                WHERE tenant = $1 AND number BETWEEN $2 AND $3 AND job_id = $4 AND batched = 1
                """, batch.tenant, max(batch.first, number + 1), batch.last, job.text, make: Self.event
            ).compactMap { $0 }
        }
        return Array(events.sorted { $0.number < $1.number }.prefix(limit))
    }

    /// The events of a tenant after a number, in order.
    func ofTenant(_ session: any SQLSession, _ tenant: TenantID, after number: Int64, limit: Int) throws -> [JobEvent] {
        try session.all(
            """
            SELECT \(Self.eventColumns) FROM engine_events WHERE tenant = $1 AND number > $2
            ORDER BY number LIMIT $3
            """, tenant.text, number, limit, make: Self.event
        ).compactMap { $0 }
    }

    /// The number of a tenant's last event; 0 if it has none.
    func last(_ session: any SQLSession, of tenant: TenantID) throws -> Int64 {
        try session.first("SELECT last_event FROM engine_tenants WHERE tenant = $1", tenant.text) { $0.int64(0) } ?? 0
    }

    /// Every tenant with the number of its last event.
    func tenants(_ session: any SQLSession) throws -> [(TenantID, Int64)] {
        try session.all("SELECT tenant, last_event FROM engine_tenants ORDER BY tenant") { (TenantID($0.string(0)), $0.int64(1)) }
            .compactMap { tenant, last in tenant.map { ($0, last) } }
    }

    private static let eventColumns = "tenant, number, job_id, name, at, progress, detail"

    private static func event(_ row: SQLRow) -> JobEvent? {
        TenantID(row.string(0)).map { tenant in
            JobEvent(
                tenant: tenant, number: row.int64(1), job: JobID(trusted: row.string(2)), name: JobEvent.Name(row.string(3)),
                at: Timestamp(microseconds: row.int64(4)), progress: row.double(5), detail: row.optionalString(6))
        }
    }
}
