import WaybillDatabases
import WaybillEngine

/// A link of a tenant's chain: the hash of some events in a row and of the seal before.
public struct AuditSeal: Sendable, Hashable {
    /// What the first seal follows.
    public static let genesis = [UInt8](repeating: 0, count: 32)
    /// Events under one seal, at most.
    static let eventsMax = 4096

    public var first: Int64
    public var last: Int64
    public var hash: [UInt8]
    var marks: [UInt8]
    public var sealedAt: Timestamp

    /// Finds what has been changed since the events were sealed.
    /// - Parameters:
    ///   - previous: the seal before; nil before the first.
    ///   - events: what is there of its events.
    func broken(
        after previous: AuditSeal?, _ events: AuditBatch, genesis: [UInt8] = Self.genesis
    ) -> AuditBreak? {
        let expected = (previous?.last ?? 0) + 1
        guard first == expected else { return AuditBreak(seq: expected, reason: .sealMissing) }
        guard events.first == first else { return AuditBreak(seq: first, reason: .eventMissing) }
        if let missing = events.missing { return AuditBreak(seq: missing, reason: .eventMissing) }
        guard events.last == last else { return AuditBreak(seq: events.last + 1, reason: .eventMissing) }
        guard events.hash(after: previous?.hash ?? genesis) != hash else { return nil }
        let bad = (0..<events.count).first { index in
            marks.count < index * 4 + 4 || marks[index * 4..<index * 4 + 4] != events.marks[index * 4..<index * 4 + 4]
        }
        return AuditBreak(seq: first + Int64(bad ?? 0), reason: bad == nil ? .sealChanged : .eventChanged)
    }
}

/// Where a chain does not hold.
public struct AuditBreak: Sendable, Hashable, Codable {
    public enum Reason: String, Sendable, Hashable, Codable {
        case eventChanged, eventMissing, sealChanged, sealMissing
    }

    /// The first event that is not what was sealed.
    public var seq: Int64
    public var reason: Reason
}

extension AuditStore {
    static let sealColumns = "first_seq, seq, hash, marks, sealed_at"

    static func seal(_ row: SQLRow) -> AuditSeal {
        AuditSeal(
            first: row.int64(0), last: row.int64(1), hash: row.bytes(2), marks: row.bytes(3),
            sealedAt: Timestamp(microseconds: row.int64(4)))
    }

    /// The seal before a number, or the last of all.
    func lastSeal(of tenant: TenantID, before seq: Int64 = .max, in session: any SQLSession) throws -> AuditSeal? {
        try session.first(
            "SELECT \(Self.sealColumns) FROM audit_seals WHERE tenant = $1 AND seq < $2 ORDER BY seq DESC LIMIT 1", tenant.text,
            seq, make: Self.seal)
    }

    /// The last seal whose events have gone, or are going, by their age.
    func anchor(of tenant: TenantID, chain: AuditChain = .log, in session: any SQLSession) throws -> AuditSeal? {
        if let segment = chain.segment {
            return try session.first(
                """
                SELECT \(Self.earlierSealColumns) FROM audit_earlier_seals WHERE tenant = $1 AND segment = $2 AND ordinal =
                    (SELECT pruned FROM audit_segments WHERE tenant = $1 AND segment = $2)
                """, tenant.text, segment, make: Self.seal)
        }
        return try session.first(
            "SELECT \(Self.sealColumns) FROM audit_seals WHERE tenant = $1 AND pruned = 1 ORDER BY seq DESC LIMIT 1", tenant.text,
            make: Self.seal)
    }

    private static let earlierSealColumns = "first_ordinal, ordinal, hash, marks, 0"

    func seals(
        of tenant: TenantID, chain: AuditChain = .log, after seq: Int64, limit: Int, in session: any SQLSession
    ) throws -> [AuditSeal] {
        if let segment = chain.segment {
            return try session.all(
                """
                SELECT \(Self.earlierSealColumns) FROM audit_earlier_seals
                WHERE tenant = $1 AND segment = $2 AND ordinal > $3 ORDER BY ordinal LIMIT $4
                """, tenant.text, segment, seq, limit, make: Self.seal)
        }
        return try session.all(
            "SELECT \(Self.sealColumns) FROM audit_seals WHERE tenant = $1 AND seq > $2 ORDER BY seq LIMIT $3", tenant.text, seq,
            limit, make: Self.seal)
    }

    /// The events behind a number, up to and with another.
    func batch(
        of tenant: TenantID, chain: AuditChain = .log, after: Int64, through: Int64 = .max, limit: Int,
        in session: any SQLSession
    ) throws -> AuditBatch {
        let batch = AuditBatch()
        if let segment = chain.segment {
            try session.scan(
                """
                SELECT \(AuditBatch.earlierColumns) FROM audit_earlier
                WHERE tenant = $1 AND segment = $2 AND ordinal > $3 AND ordinal <= $4 ORDER BY ordinal LIMIT $5
                """,
                arguments: [.text(tenant.text), .integer(segment), .integer(after), .integer(through), .integer(Int64(limit))]
            ) { row in
                batch.add(row, isEarlier: true)
                return .next
            }
            return batch
        }
        try session.scan(
            """
            SELECT \(AuditBatch.columns) FROM audit_events WHERE tenant = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4
            """, arguments: [.text(tenant.text), .integer(after), .integer(through), .integer(Int64(limit))]
        ) { row in
            batch.add(row)
            return .next
        }
        return batch
    }
}
