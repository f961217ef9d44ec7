import TenantData
import WaybillDatabases
import WaybillEngine

extension AuditStore {
    private static let segmentColumns = "segment, state, base, events, pruned, hash, origin, sealed_at"

    private static func segment(_ row: SQLRow) throws -> AuditSegment {
        AuditSegment(
            number: row.int64(0), state: AuditSegment.State(rawValue: row.int64(1)) ?? .discarded, base: row.int64(2),
            events: row.int64(3), pruned: row.int64(4), hash: row.bytes(5),
            origin: try JobCoding.decode(AuditOrigin.self, row.string(6)), sealedAt: Timestamp(microseconds: row.int64(7)))
    }

    /// The segments that are seen, the first events first.
    public func segments(of tenant: TenantID, in session: any SQLSession) throws -> [AuditSegment] {
        try session.all(
            """
            SELECT \(Self.segmentColumns) FROM audit_segments WHERE tenant = $1 AND state = 1 ORDER BY base, segment
            """, tenant.text, make: Self.segment)
    }

    private func segment(_ number: Int64, of tenant: TenantID, in session: any SQLSession) throws -> AuditSegment {
        let found = try session.first(
            "SELECT \(Self.segmentColumns) FROM audit_segments WHERE tenant = $1 AND segment = $2", tenant.text, number,
            make: Self.segment)
        guard let found else { throw EngineError(.invalid, "the segment \(number) of the audit log is gone") }
        return found
    }

    // MARK: Making one

    /// Makes a segment that nobody sees yet.
    func makeSegment(
        from origin: AuditOrigin, for restore: String, of tenant: TenantID, in session: any SQLSession
    ) throws -> Int64 {
        let number =
            try session.first("SELECT coalesce(max(segment), 0) + 1 FROM audit_segments WHERE tenant = $1", tenant.text) {
                $0.int64(0)
            } ?? 1
        try session.execute(
            """
            INSERT INTO audit_segments (tenant, segment, state, base, events, pruned, hash, origin, owner, sealed_at)
            VALUES ($1, $2, 0, 0, 0, 0, $3, $4, $5, 0)
            """, tenant.text, number, origin.genesis, try JobCoding.encode(origin), restore)
        return number
    }

    private static let earlierColumns: [SQLRowList.Column] = [
        .init("ordinal", .integer), .init("origin", .integer), .init("id", .text), .init("at", .integer),
        .init("user_id", .text), .init("action", .text), .init("body", .text),
    ]

    /// Adds the events that are not there already to a segment, under a seal of their own.
    /// - Parameter log: the one of this tenant, in which events may be that come from it.
    func add(
        _ events: [AuditEarlierEvent], to number: Int64, log: String?, of tenant: TenantID, in session: any SQLSession
    ) throws {
        let segment = try segment(number, of: tenant, in: session)
        let known = try known(events, of: segment.origin.log, log: log, with: number, of: tenant, in: session)
        let fresh = events.indices.filter { !known.contains($0) }.map { events[$0] }
        guard !fresh.isEmpty else { return }
        var rows = SQLRowList(Self.earlierColumns)
        let batch = AuditBatch()
        for (offset, event) in fresh.enumerated() {
            let ordinal = segment.events + Int64(offset) + 1
            try rows.append([
                .integer(ordinal), .integer(event.origin), event.id.sqlValue, .integer(event.at), event.user.sqlValue,
                .text(event.action), .text(event.body),
            ])
            batch.add(event, ordinal: ordinal)
        }
        try session.execute(
            """
            INSERT INTO audit_earlier (tenant, segment, ordinal, origin, id, at, user_id, action, body)
            SELECT $1, $2, ordinal, origin, id, at, user_id, action, body
            FROM \(SQLRowList.table(Self.earlierColumns, from: 3, session.dialect))
            """, arguments: [.text(tenant.text), .integer(number)] + rows.arguments(session.dialect))
        for action in Set(fresh.map(\.action)).sorted() {
            try session.execute(
                """
                INSERT INTO audit_earlier_actions (tenant, segment, action) VALUES ($1, $2, $3)
                ON CONFLICT (tenant, segment, action) DO NOTHING
                """, tenant.text, number, action)
        }
        let hash = batch.hash(after: segment.hash)
        try session.execute(
            """
            INSERT INTO audit_earlier_seals (tenant, segment, ordinal, first_ordinal, hash, marks)
            VALUES ($1, $2, $3, $4, $5, $6)
            """, tenant.text, number, batch.last, segment.events + 1, hash, batch.marks)
        try session.execute(
            "UPDATE audit_segments SET events = $1, hash = $2 WHERE tenant = $3 AND segment = $4", batch.last, hash, tenant.text,
            number)
    }

    /// Lets a segment be seen, right below the lowest number that there is; one without events goes.
    func show(_ number: Int64, of tenant: TenantID, at now: Timestamp, in session: any SQLSession) throws {
        guard try segment(number, of: tenant, in: session).events > 0 else {
            return try discardSegment(number, of: tenant, in: session)
        }
        try session.execute(
            """
            UPDATE audit_segments SET state = 1, sealed_at = $1, base =
                coalesce((SELECT min(other.base) FROM audit_segments AS other WHERE other.tenant = $2 AND other.state = 1), 0)
                    - events
            WHERE tenant = $2 AND segment = $3 AND state = 0
            """, now.microseconds, tenant.text, number)
    }

    /// Gives up a segment that nobody has seen; it goes in slices.
    func discardSegment(_ number: Int64, of tenant: TenantID, in session: any SQLSession) throws {
        try session.execute(
            "UPDATE audit_segments SET state = 2 WHERE tenant = $1 AND segment = $2 AND state = 0", tenant.text, number)
    }

    // MARK: What is there already

    /// Which of these events, by their places, the tenant has already: an event with the same id; or one that the same log gave
    /// the same number and that says the same.
    /// - Parameters:
    ///   - origin: the log that gave them their numbers.
    ///   - log: this tenant's own.
    ///   - own: a segment that nobody sees yet, whose ids count as well.
    func known(
        _ events: [AuditEarlierEvent], of origin: String, log: String?, with own: Int64?, of tenant: TenantID,
        in session: any SQLSession
    ) throws -> Set<Int> {
        var known: Set<Int> = []
        let segments = try segments(of: tenant, in: session)
        let numbers = [SQLRowList.Column("number", .integer)]
        var list = SQLRowList(numbers)
        for event in events { try list.append([.integer(event.origin)]) }
        var texts: [Int64: String] = [:]
        func look(_ query: String, _ first: [SQLValue]) throws {
            let table = SQLRowList.table(numbers, from: first.count + 1, session.dialect)
            let each = session.dialect.eachOf("SELECT given.number FROM \(table)")
            texts.removeAll(keepingCapacity: true)
            try session.scan(query + " " + each, arguments: first + list.arguments(session.dialect)) { row in
                texts[row.int64(0)] = row.string(1)
                return .next
            }
            for (place, event) in events.enumerated() where texts[event.origin] == event.body { known.insert(place) }
        }
        if origin == log { try look("SELECT seq, body FROM audit_events WHERE tenant = $1 AND seq", [.text(tenant.text)]) }
        for segment in segments where segment.origin.log == origin {
            try look(
                "SELECT origin, body FROM audit_earlier WHERE tenant = $1 AND segment = $2 AND origin",
                [.text(tenant.text), .integer(segment.number)])
        }
        var seen = try self.known(events.compactMap(\.id), of: tenant, in: session)
        let visible = Set(segments.map(\.number))
        for (id, number) in try earlier(events.compactMap(\.id), of: tenant, in: session)
        where number == own || visible.contains(number) { seen.insert(id) }
        for (place, event) in events.enumerated() {
            if let id = event.id, !seen.insert(id).inserted { known.insert(place) }
        }
        return known
    }

    /// Which of these ids segments have, whatever their state.
    func earlier(
        _ ids: [String], of tenant: TenantID, in session: any SQLSession
    ) throws -> [(id: String, segment: Int64)] {
        guard !ids.isEmpty else { return [] }
        let column: [SQLRowList.Column] = [.init("id", .text)]
        var rows = SQLRowList(column)
        for id in ids { try rows.append([.text(id)]) }
        let list = session.dialect.eachOf("SELECT given.id FROM \(SQLRowList.table(column, from: 2, session.dialect))")
        return try session.all(
            "SELECT id, segment FROM audit_earlier WHERE tenant = $1 AND id IS NOT NULL AND id \(list)",
            arguments: [.text(tenant.text)] + rows.arguments(session.dialect)
        ) { ($0.string(0), $0.int64(1)) }
    }

    /// Which of these ids a segment has that is seen.
    /// - Throws: `AuditEventArriving` if a restore under way is bringing one of them.
    func knownEarlier(_ ids: [String], of tenant: TenantID, in session: any SQLSession) throws -> [String] {
        let found = try earlier(ids, of: tenant, in: session)
        guard !found.isEmpty else { return [] }
        var known: [String] = []
        for (id, number) in found {
            switch try segment(number, of: tenant, in: session).state {
            case .visible: known.append(id)
            case .hidden: throw AuditEventArriving(id: id)
            case .discarded: break
            }
        }
        return known
    }
}

/// An event can't be stored now: a restore under way is bringing one of its id, and whether it comes is not known yet.
public struct AuditEventArriving: Error, Sendable {
    public var id: String
}
