import WaybillDatabases
import WaybillEngine

extension AuditStore {
    /// What long reads go through.
    public static let scannedTables = ["audit_events"]

    /// The events that are there: from the first of the earliest segment, or of the log itself, to the last one.
    public func range(of tenant: TenantID, in session: any SQLSession) throws -> AuditRange {
        let own = try ownRange(of: tenant, in: session)
        let earliest = try segments(of: tenant, in: session).first { $0.range.count > 0 }
        return AuditRange(first: earliest?.range.first ?? own.first, last: own.last)
    }

    /// The events that were recorded here.
    func ownRange(of tenant: TenantID, in session: any SQLSession) throws -> AuditRange {
        let first = try session.first("SELECT min(seq) FROM audit_events WHERE tenant = $1", tenant.text) { $0.optionalInt64(0) }
        let last = try lastSeq(of: tenant, in: session)
        return AuditRange(first: (first ?? nil) ?? last + 1, last: last)
    }

    /// What of a range is there, in the order of numbers: each without gaps. While the range is held for a job, it stays so.
    public func pieces(of tenant: TenantID, within range: AuditRange, in session: any SQLSession) throws -> [AuditPiece] {
        var pieces: [AuditPiece] = []
        if range.first < 1 {
            pieces = try segments(of: tenant, in: session).map {
                AuditPiece(segment: $0.number, base: $0.base, range: $0.range)
            }
        }
        if range.last > 0 {
            pieces.append(AuditPiece(segment: nil, base: 0, range: try ownRange(of: tenant, in: session)))
        }
        return pieces.compactMap { piece in
            var piece = piece
            piece.range.first = max(piece.range.first, range.first)
            piece.range.last = min(piece.range.last, range.last)
            return piece.range.count > 0 ? piece : nil
        }
    }

    /// Hands number and body of the events behind a number, up to and with another, to `body`, in their order.
    public func read(
        _ filter: AuditFilter, of tenant: TenantID, after: Int64, through: Int64, in session: any SQLSession,
        _ body: (SQLRow) throws -> SQLScan
    ) throws {
        try scan(.bodies, filter, of: tenant, after: after, through: through, in: session, body)
    }

    /// Hands the numbers of the events behind a number, up to and with another, to `body`, in their order.
    public func numbers(
        _ filter: AuditFilter, of tenant: TenantID, after: Int64, through: Int64, limit: Int? = nil, in session: any SQLSession,
        _ body: (Int64) throws -> SQLScan
    ) throws {
        try scan(.numbers, filter, of: tenant, after: after, through: through, limit: limit, in: session) {
            try body($0.int64(0))
        }
    }

    private func scan(
        _ what: AuditQuery.What, _ filter: AuditFilter, of tenant: TenantID, after: Int64, through: Int64, limit: Int? = nil,
        in session: any SQLSession, _ body: (SQLRow) throws -> SQLScan
    ) throws {
        var left = limit
        var isStopped = false
        func scan(_ piece: AuditPiece) throws {
            guard !isStopped, left != 0 else { return }
            let query = AuditQuery(what, of: piece, tenant, filter, limit: left, dialect: session.dialect)
            try session.scan(query.text, arguments: query.arguments) { row in
                left = left.map { $0 - 1 }
                let next = try body(row)
                isStopped = next == .stop
                return next
            }
        }
        if after < 0 {
            let earlier = AuditRange(first: max(after, .min + 1) + 1, last: min(through, 0))
            for piece in try pieces(of: tenant, within: earlier, in: session) { try scan(piece) }
        }
        if through > 0 {
            let range = AuditRange(first: max(after, 0) + 1, last: through)
            try scan(AuditPiece(segment: nil, base: 0, range: range))
        }
    }

    /// Hands number, body and number where it was recorded of the events of a range to `body`, in their order.
    /// - Parameter range: within the piece.
    func originals(
        of piece: AuditPiece, _ range: AuditRange, _ tenant: TenantID, in session: any SQLSession,
        _ body: (SQLRow) throws -> SQLScan
    ) throws {
        guard let segment = piece.segment else {
            return try session.scan(
                "SELECT seq, body, seq FROM audit_events WHERE tenant = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq",
                arguments: [.text(tenant.text), .integer(range.first), .integer(range.last)], body)
        }
        try session.scan(
            """
            SELECT ordinal + $1, body, origin FROM audit_earlier
            WHERE tenant = $2 AND segment = $3 AND ordinal >= $4 AND ordinal <= $5 ORDER BY ordinal
            """,
            arguments: [
                .integer(piece.base), .text(tenant.text), .integer(segment), .integer(range.first - piece.base),
                .integer(range.last - piece.base),
            ], body)
    }

    /// Events that one page looks at, at most, whether they match or not.
    public static let lookedAtMax: Int64 = 50_000

    /// A page of events.
    /// - Parameters:
    ///   - cursor: the page goes on behind this number, or before it if it descends; nil: from the beginning.
    ///   - body: is given number and body of each.
    /// - Returns: where the next page begins; nil at the end. A page may hold fewer than `limit` events though more follow.
    public func page(
        _ filter: AuditFilter, of tenant: TenantID, cursor: Int64?, isDescending: Bool, limit: Int, in session: any SQLSession,
        _ body: (Int64, String) -> Void
    ) throws -> Int64? {
        var range = try range(of: tenant, in: session)
        // A number from outside may be any.
        if let cursor {
            if isDescending {
                guard cursor > range.first else { return nil }
                range.last = min(range.last, cursor - 1)
            } else {
                guard cursor < range.last else { return nil }
                range.first = max(range.first, cursor + 1)
            }
        }
        var pieces = try pieces(of: tenant, within: range, in: session)
        if isDescending { pieces.reverse() }
        var (left, looks) = (limit, Self.lookedAtMax)
        var next: Int64?
        for var piece in pieces {
            // The page before ended with the piece before.
            guard left > 0, looks > 0 else { return next }
            let whole = piece.range
            if isDescending {
                piece.range.first = max(whole.first, whole.last - looks + 1)
            } else {
                piece.range.last = min(whole.last, whole.first + looks - 1)
            }
            looks -= piece.range.count
            let query = AuditQuery(
                .bodies, of: piece, tenant, filter, isDescending: isDescending, limit: left, dialect: session.dialect)
            try session.scan(query.text, arguments: query.arguments) { row in
                left -= 1
                next = row.int64(0)
                body(row.int64(0), row.string(1))
                return .next
            }
            if left > 0 { next = isDescending ? piece.range.first : piece.range.last }
            if next != (isDescending ? whole.first : whole.last) { return next }
        }
        return nil
    }
}
