import WaybillDatabases
import WaybillEngine

/// The SQL of notices.
public struct NotifyStore: Sendable {
    public init() {}

    private static let columns = "tenant, user_id, number, job_id, kind, outcome, title, message, link, created_at, read_at"

    // MARK: Telling

    /// The number of the last event that has been told, for each tenant.
    func cursors(in session: any SQLSession) throws -> [TenantID: Int64] {
        let all = try session.all("SELECT tenant, number FROM notify_cursors") { (TenantID($0.string(0)), $0.int64(1)) }
        return Dictionary(all.compactMap { tenant, number in tenant.map { ($0, number) } }) { first, _ in first }
    }

    /// Moves a tenant's cursor and stores the notices of the events that it passes.
    /// - Returns: false, with nothing written, if the cursor does not stand at `old` any more: another node was faster.
    func tell(_ notices: [Notice], of tenant: TenantID, from old: Int64, to new: Int64, in session: any SQLSession) throws -> Bool
    {
        if old == 0 {
            try session.execute(
                "INSERT INTO notify_cursors (tenant, number) VALUES ($1, 0) ON CONFLICT (tenant) DO NOTHING", tenant.text)
        }
        let moved = try session.execute(
            "UPDATE notify_cursors SET number = $1 WHERE tenant = $2 AND number = $3", new, tenant.text, old)
        guard moved == 1 else { return false }
        let values = session.dialect.placeholders(11)
        for notice in notices {
            try session.execute(
                "INSERT INTO notify_entries (\(Self.columns)) VALUES (\(values)) ON CONFLICT DO NOTHING",
                notice.tenant.text, notice.user, notice.number, notice.job.text, notice.kind, notice.outcome.rawValue,
                notice.title,
                notice.message, notice.link, notice.createdAt.microseconds, notice.readAt?.microseconds)
        }
        return true
    }

    /// Deletes notices from before a time, at most `limit` at once.
    /// - Returns: how many went.
    func prune(before: Timestamp, limit: Int = 500, in session: any SQLSession) throws -> Int {
        let old = try session.all(
            """
            SELECT tenant, user_id, number FROM notify_entries
            WHERE created_at < $1 AND NOT (tenant >= $2 AND tenant < $3) ORDER BY created_at LIMIT $4
            """,
            // Of a scratch tenant it is compared how many there are.
            before.microseconds, TenantID.scratchPrefix, TenantID.scratchPrefix + "~", limit
        ) { ($0.string(0), $0.string(1), $0.int64(2)) }
        for (tenant, user, number) in old {
            try session.execute(
                "DELETE FROM notify_entries WHERE tenant = $1 AND user_id = $2 AND number = $3", tenant, user, number)
        }
        return old.count
    }

    /// Deletes up to `limit` notices of a tenant; with the last ones, its cursor.
    /// - Returns: whether more are left.
    public func erase(_ tenant: TenantID, limit: Int = 500, in session: any SQLSession) throws -> Bool {
        let some = try session.all(
            "SELECT user_id, number FROM notify_entries WHERE tenant = $1 ORDER BY user_id, number LIMIT $2", tenant.text, limit
        ) { ($0.string(0), $0.int64(1)) }
        for (user, number) in some {
            try session.execute(
                "DELETE FROM notify_entries WHERE tenant = $1 AND user_id = $2 AND number = $3", tenant.text, user, number)
        }
        guard some.count < limit else { return true }
        try session.execute("DELETE FROM notify_cursors WHERE tenant = $1", tenant.text)
        return false
    }

    // MARK: Reading

    /// A page of somebody's notices, newest first, with how many there are of the asked ones, and how many are unread in all.
    func list(
        tenant: TenantID, user: String, isUnreadOnly: Bool, offset: Int, limit: Int, in session: any SQLSession
    ) throws -> (notices: [Notice], total: Int, unread: Int) {
        let unread = try session.count(
            "SELECT count(*) FROM notify_entries WHERE tenant = $1 AND user_id = $2 AND read_at IS NULL", tenant.text, user)
        let filter = isUnreadOnly ? " AND read_at IS NULL" : ""
        let total =
            isUnreadOnly
            ? unread
            : try session.count("SELECT count(*) FROM notify_entries WHERE tenant = $1 AND user_id = $2", tenant.text, user)
        let notices = try session.all(
            """
            SELECT \(Self.columns) FROM notify_entries WHERE tenant = $1 AND user_id = $2\(filter)
            ORDER BY number DESC LIMIT $3 OFFSET $4
            """, tenant.text, user, limit, offset, make: Self.notice)
        return (notices.compactMap(\.self), total, unread)
    }

    /// Marks a notice as read; one that was read before keeps its time.
    /// - Returns: nil if the user has no such notice.
    func read(tenant: TenantID, user: String, number: Int64, now: Timestamp, in session: any SQLSession) throws -> Notice? {
        try session.execute(
            "UPDATE notify_entries SET read_at = $1 WHERE tenant = $2 AND user_id = $3 AND number = $4 AND read_at IS NULL",
            now.microseconds, tenant.text, user, number)
        return try session.first(
            "SELECT \(Self.columns) FROM notify_entries WHERE tenant = $1 AND user_id = $2 AND number = $3", tenant.text, user,
            number,
            make: Self.notice) ?? nil
    }

    private static func notice(_ row: SQLRow) -> Notice? {
        guard let tenant = TenantID(row.string(0)), let job = JobID(row.string(3)),
            let outcome = JobState(rawValue: row.string(5))
        else {
            return nil
        }
        return Notice(
            tenant: tenant, user: row.string(1), number: row.int64(2), job: job, kind: row.string(4), outcome: outcome,
            title: row.string(6), message: row.string(7), link: row.optionalString(8),
            createdAt: Timestamp(microseconds: row.int64(9)), readAt: row.optionalInt64(10).map { Timestamp(microseconds: $0) })
    }
}
