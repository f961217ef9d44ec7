import WaybillDatabases
import WaybillEngine

/// The audit log of all tenants. It keeps nothing itself: every function works in the transaction of the session it is given.
///
/// An event gets its number in the transaction that writes it. Writing transactions take turns, so numbers have no gaps and are
/// committed in their order: who has read up to a number has missed nothing before it.
public struct AuditStore: Sendable {
    /// Whether anything is recorded. What was recorded before can be read all the same.
    public let isEnabled: Bool

    public init(isEnabled: Bool) {
        self.isEnabled = isEnabled
    }

    /// Records an event in the transaction of the change that it tells, which must be a serial one. Nobody waits for it.
    public func record(_ event: AuditEvent, of tenant: TenantID, in session: any SQLSession) throws {
        guard isEnabled else { return }
        try session.isolated(to: tenant.text) {
            try session.send(
                Self.insertion,
                arguments: [
                    .text(tenant.text), event.id.sqlValue, .integer(event.at.microseconds), event.user.sqlValue,
                    .text(event.action.rawValue), .text(event.body()),
                ])
        }
    }

    private static let insertion = """
        INSERT INTO audit_events (tenant, seq, id, at, user_id, action, body)
        SELECT $1, \(lastSeq) + 1, $2, $3, $4, $5, $6
        """

    /// The number of a tenant's last event. When all of them have gone, their last seal still tells it.
    private static let lastSeq = """
        coalesce((SELECT max(seq) FROM audit_events WHERE tenant = $1), (SELECT max(seq) FROM audit_seals WHERE tenant = $1), 0)
        """

    /// Appends events of other programs, in a serial transaction. One whose id is there already is passed over.
    /// - Returns: how many were stored, and the number of the last one.
    /// - Throws: `AuditEventArriving` if a restore under way is bringing one of them.
    public func append(_ events: [AuditEvent], of tenant: TenantID, in session: any SQLSession) throws -> (
        stored: Int, last: Int64
    ) {
        let last = try lastSeq(of: tenant, in: session)
        let ids = events.compactMap(\.id)
        var seen = try known(ids, of: tenant, in: session)
        seen.formUnion(try knownEarlier(ids, of: tenant, in: session))
        let fresh = events.filter { $0.id.map { seen.insert($0).inserted } ?? true }
        guard !fresh.isEmpty else { return (0, last) }
        var rows = SQLRowList(Self.columns)
        for (offset, event) in fresh.enumerated() {
            try rows.append([
                .integer(last + Int64(offset) + 1), event.id.sqlValue, .integer(event.at.microseconds), event.user.sqlValue,
                .text(event.action.rawValue), .text(event.body()),
            ])
        }
        try session.execute(
            """
            INSERT INTO audit_events (tenant, seq, id, at, user_id, action, body)
            SELECT $1, seq, id, at, user_id, action, body FROM \(SQLRowList.table(Self.columns, from: 2, session.dialect))
            """, arguments: [.text(tenant.text)] + rows.arguments(session.dialect))
        for action in Set(fresh.map(\.action.rawValue)).sorted() {
            try session.execute(
                "INSERT INTO audit_actions (tenant, action) VALUES ($1, $2) ON CONFLICT (tenant, action) DO NOTHING", tenant.text,
                action)
        }
        return (fresh.count, last + Int64(fresh.count))
    }

    private static let columns: [SQLRowList.Column] = [
        .init("seq", .integer), .init("id", .text), .init("at", .integer), .init("user_id", .text), .init("action", .text),
        .init("body", .text),
    ]

    /// Which of these ids the tenant's own log has.
    func known(_ ids: [String], of tenant: TenantID, in session: any SQLSession) throws -> Set<String> {
        guard !ids.isEmpty else { return [] }
        let column: [SQLRowList.Column] = [.init("id", .text)]
        var rows = SQLRowList(column)
        for id in ids { try rows.append([.text(id)]) }
        let list = session.dialect.eachOf("SELECT given.id FROM \(SQLRowList.table(column, from: 2, session.dialect))")
        return Set(
            try session.all(
                "SELECT id FROM audit_events WHERE tenant = $1 AND id IS NOT NULL AND id \(list)",
                arguments: [.text(tenant.text)] + rows.arguments(session.dialect)
            ) { $0.string(0) })
    }

    /// The number of a tenant's last event; 0 before the first.
    public func lastSeq(of tenant: TenantID, in session: any SQLSession) throws -> Int64 {
        try session.first("SELECT \(Self.lastSeq)", tenant.text) { $0.int64(0) } ?? 0
    }

    /// Whether events of an action may be there: it is one of Waybill's own, or has been seen.
    public func unknownActions(_ actions: [String], of tenant: TenantID, in session: any SQLSession) throws -> [String] {
        let others = actions.filter { !AuditAction.builtInNames.contains($0) }
        guard !others.isEmpty else { return [] }
        return try others.filter { action in
            guard !action.utf8.contains(0) else { return true }
            return try session.count(
                """
                SELECT count(*) FROM audit_segments LEFT JOIN audit_earlier_actions AS seen
                    ON seen.tenant = $1 AND seen.segment = audit_segments.segment AND seen.action = $2
                WHERE audit_segments.tenant = $1 AND state = 1 AND seen.action IS NOT NULL
                """, tenant.text, action)
                + session.count(
                    "SELECT count(*) FROM audit_actions WHERE tenant = $1 AND action = $2", tenant.text, action) == 0
        }
    }
}
