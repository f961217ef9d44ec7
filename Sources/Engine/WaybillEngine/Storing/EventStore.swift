import SeededBugs
import WaybillDatabases

/// The SQL of the event log. On a database with one writer, events are numbered as they are written.
struct EventStore: Sendable {
    /// Writes events in the transaction of the change they tell.
    func append(_ session: any SQLSession, _ drafts: [EventDraft], now: Timestamp) throws {
        guard !drafts.isEmpty else { return }
        if SeededBug.skipsEvent, drafts.first?.name == .started { return }
        var next: [TenantID: Int64] = [:]
        if drafts.count == 1, let only = drafts.first {
            next[only.tenant] = try reserve(session, only.tenant, count: 1)
        } else {
            for (tenant, group) in Dictionary(grouping: drafts, by: \.tenant) {
                next[tenant] = try reserve(session, tenant, count: group.count)
            }
        }
        var rest = drafts[...]
        while !rest.isEmpty {
            // Many rows a statement where there are many; few texts, so that all stay prepared.
            let count = rest.count >= Self.rowsMax ? Self.rowsMax : 1
            var arguments: [SQLValue] = []
            arguments.reserveCapacity(count * 7)
            for draft in rest.prefix(count) {
                let number = next[draft.tenant, default: 1]
                next[draft.tenant] = number + 1
                arguments += [
                    .text(draft.tenant.text), .integer(number), .text(draft.job.text), .text(draft.name.text),
                    .integer(now.microseconds), .double(draft.progress), draft.detail.sqlValue,
                ]
            }
            try session.execute(count == 1 ? Self.insertOne : Self.insertMany, arguments: arguments)
            rest = rest.dropFirst(count)
        }
    }

    private static let rowsMax = 16
    private static let insertOne = insert(rows: 1)
    private static let insertMany = insert(rows: rowsMax)

    private static func insert(rows: Int) -> String {
        let values = (0..<rows).map { "(\(SQLDialect.sqlite.placeholders(7, from: $0 * 7 + 1)))" }.joined(separator: ", ")
        return "INSERT INTO engine_events (tenant, number, job_id, name, at, progress, detail) VALUES \(values)"
    }

    /// Takes the next `count` numbers of a tenant and returns the first.
    private func reserve(_ session: any SQLSession, _ tenant: TenantID, count: Int) throws -> Int64 {
        let last = try session.first(
            """
            INSERT INTO engine_tenants (tenant, last_event) VALUES ($1, $2)
            ON CONFLICT (tenant) DO UPDATE SET last_event = engine_tenants.last_event + excluded.last_event RETURNING last_event
            """, tenant.text, count
        ) { $0.int64(0) }
        guard let last else { throw SQLError(.other, "the tenant's counter gave no number") }
        return last - Int64(count) + 1
    }

    /// The events of a job after a number, in order.
    func ofJob(_ session: any SQLSession, _ job: JobID, after number: Int64, limit: Int) throws -> [JobEvent] {
        try session.all(
            """
            SELECT tenant, number, job_id, name, at, progress, detail FROM engine_events WHERE job_id = $1 AND number > $2
            ORDER BY number LIMIT $3
            """, job.text, number, limit, make: Self.event
        ).compactMap { $0 }
    }

    /// The events of a tenant after a number, in order.
    func ofTenant(_ session: any SQLSession, _ tenant: TenantID, after number: Int64, limit: Int) throws -> [JobEvent] {
        try session.all(
            """
            SELECT tenant, number, job_id, name, at, progress, detail FROM engine_events WHERE tenant = $1 AND number > $2
            ORDER BY number LIMIT $3
            """, tenant.text, number, limit, make: Self.event
        ).compactMap { $0 }
    }

    /// Every tenant with the number of its last event.
    func tenants(_ session: any SQLSession) throws -> [(TenantID, Int64)] {
        try session.all("SELECT tenant, last_event FROM engine_tenants ORDER BY tenant") { (TenantID($0.string(0)), $0.int64(1)) }
            .compactMap { tenant, last in tenant.map { ($0, last) } }
    }

    private static func event(_ row: SQLRow) -> JobEvent? {
        TenantID(row.string(0)).map { tenant in
            JobEvent(
                tenant: tenant, number: row.int64(1), job: JobID(trusted: row.string(2)), name: JobEvent.Name(row.string(3)),
                at: Timestamp(microseconds: row.int64(4)), progress: row.double(5), detail: row.optionalString(6))
        }
    }
}
