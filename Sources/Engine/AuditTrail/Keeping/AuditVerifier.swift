import WaybillDatabases
import WaybillEngine

/// How far a tenant's chain has been looked at, and what was found.
public struct AuditVerdict: Sendable, Hashable, Codable {
    /// The first number that was looked at.
    public var first: Int64
    /// Everything up to here is as it was sealed.
    public var through: Int64
    /// Of the seal at `through`.
    public var hash: [UInt8]
    /// Where it breaks; nil: it holds.
    public var broken: AuditBreak?

    public var holds: Bool { broken == nil }
    public var events: Int64 { max(0, through - first + 1) }
}

/// What was found in a segment, by the numbers that its events have in the log.
public struct AuditSegmentVerdict: Sendable, Hashable, Codable {
    public var segment: Int64
    public var range: AuditRange
    public var through: Int64
    public var hash: [UInt8]
    public var origin: AuditOrigin
    public var broken: AuditBreak?

    public var holds: Bool { broken == nil }

    public init(_ segment: AuditSegment, _ verdict: AuditVerdict) {
        self.segment = segment.number
        range = segment.range
        through = segment.base + verdict.through
        hash = verdict.hash
        origin = segment.origin
        broken = verdict.broken.map { AuditBreak(seq: segment.base + $0.seq, reason: $0.reason) }
        // The segment itself says where it ends, which no seal behind the last one does.
        if broken == nil, verdict.through != segment.events || verdict.hash != segment.hash {
            broken = AuditBreak(seq: through + 1, reason: .sealMissing)
        }
    }
}

/// Looks whether what was sealed is still what it was. It only reads.
public struct AuditVerifier: Sendable {
    /// Seals that are looked at in one go.
    private static let sealsAtOnce = 16
    private static let readers = 2

    private let database: any SQLDatabase
    private let store = AuditStore(isEnabled: true)

    public init(database: any SQLDatabase) {
        self.database = database
    }

    /// The tenants that have a log.
    public func tenants() async throws -> [TenantID] {
        try await database.read { [store] session in
            let query = "\(AuditStore.tenants(of: "audit_events")) SELECT tenant FROM known WHERE tenant IS NOT NULL"
            let own = try session.all(query) { TenantID($0.string(0)) }.compactMap(\.self)
            return Set(own).union(try store.segmentTenants(in: session)).sorted { $0.text < $1.text }
        }
    }

    /// Looks at all of a tenant's chain, or at that of one of its segments.
    public func verify(_ tenant: TenantID, _ chain: AuditChain = .log) async throws -> AuditVerdict {
        var verdict = try await begin(tenant, chain)
        while try await goOn(&verdict, of: tenant, chain) {}
        return verdict
    }

    /// The segments that restores have brought.
    public func segments(of tenant: TenantID) async throws -> [AuditSegment] {
        try await database.read(of: tenant) { [store] in try store.segments(of: tenant, in: $0) }
    }

    /// Looks at all of a segment's chain, which must end where the segment does.
    public func verify(_ tenant: TenantID, _ segment: AuditSegment) async throws -> AuditSegmentVerdict {
        let verdict = try await verify(tenant, AuditChain(segment))
        return AuditSegmentVerdict(segment, verdict)
    }

    /// Events that came after the last seal.
    public func unsealed(_ tenant: TenantID) async throws -> Int64 {
        try await database.read(of: tenant) { [store] session in
            let last = try store.lastSeal(of: tenant, in: session)?.last ?? 0
            return max(0, try store.lastSeq(of: tenant, in: session) - last)
        }
    }

    /// A verdict that has looked at nothing yet.
    /// - Parameter first: an event to begin with, or a little before it; nil: from the first that is kept.
    public func begin(_ tenant: TenantID, _ chain: AuditChain = .log, with first: Int64? = nil) async throws -> AuditVerdict {
        try await database.read(of: tenant) { [store] session in
            let anchor = try store.anchor(of: tenant, chain: chain, in: session)
            var before = anchor
            if let first, first > (anchor?.last ?? 0) + 1 { before = try store.lastSeal(of: tenant, before: first, in: session) }
            let last = before?.last ?? 0
            return AuditVerdict(first: last + 1, through: last, hash: before?.hash ?? chain.genesis)
        }
    }

    /// Looks at some more seals.
    /// - Parameter last: nothing behind the seal that covers this event.
    /// - Returns: whether there are more.
    public func goOn(
        _ verdict: inout AuditVerdict, of tenant: TenantID, _ chain: AuditChain = .log, through last: Int64 = .max
    ) async throws -> Bool {
        guard verdict.holds, verdict.through < last else { return false }
        let (through, hash) = (verdict.through, verdict.hash)
        let seals = try await database.read(of: tenant) { [store] session in
            try store.seals(of: tenant, chain: chain, after: through, limit: Self.sealsAtOnce, in: session)
        }
        var links: [(before: AuditSeal?, seal: AuditSeal)] = []
        var before: AuditSeal? =
            through == 0
            ? nil : AuditSeal(first: 0, last: through, hash: hash, marks: [], sealedAt: Timestamp(microseconds: 0))
        for seal in seals where (before?.last ?? 0) < last {
            links.append((before, seal))
            before = seal
        }
        // Each link names the hash of the one before, so that they can be looked at side by side.
        let breaks = try await breaks(links, of: tenant, chain)
        for (index, link) in links.enumerated() {
            if let broken = breaks[index] {
                verdict.broken = broken
                return false
            }
            verdict.through = link.seal.last
            verdict.hash = link.seal.hash
        }
        return seals.count == Self.sealsAtOnce && verdict.through < last
    }

    private func breaks(
        _ links: [(before: AuditSeal?, seal: AuditSeal)], of tenant: TenantID, _ chain: AuditChain
    ) async throws -> [Int: AuditBreak] {
        try await withThrowingTaskGroup(of: [Int: AuditBreak].self) { group in
            for reader in 0..<Self.readers {
                let mine = links.indices.filter { $0 % Self.readers == reader }.map { ($0, links[$0].before, links[$0].seal) }
                guard !mine.isEmpty else { continue }
                group.addTask { [database, store] in
                    try await database.read(of: tenant) { session in
                        var found: [Int: AuditBreak] = [:]
                        for (index, before, seal) in mine {
                            let events = try store.batch(
                                of: tenant, chain: chain, after: seal.first - 1, through: seal.last,
                                limit: AuditSeal.eventsMax * 2, in: session)
                            found[index] = seal.broken(after: before, events, genesis: chain.genesis)
                        }
                        return found
                    }
                }
            }
            return try await group.reduce(into: [:]) { $0.merge($1) { first, _ in first } }
        }
    }
}
