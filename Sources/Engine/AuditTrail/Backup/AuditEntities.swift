import Datasets
import Formats
import TenantData
import WaybillDatabases
import WaybillEngine

/// The audit log of a tenant as a backup takes it: its own events, and each segment that an earlier restore has brought, with the
/// numbers that the events had where they were recorded. Events are only added, and those of the cut are held for the job.
///
/// A restore brings them as segments: see `AuditSegment`. None is ever removed by one, nor by its undo.
public struct AuditEntities: TenantEntities {
    public let name = "audit"
    public let tables: Set = ["audit_events", "audit_earlier", "audit_segments"]
    public let leftOut = [
        "audit_seals": "the chain over the events that are here", "audit_actions": "is made of the events",
        "audit_holds": "what jobs still read", "audit_earlier_seals": "the chains over the segments that are here",
        "audit_earlier_actions": "is made of the events",
    ]

    static let entity = "audit-events"
    /// The list of the segments, if there are any.
    static let segmentsEntity = "audit-segments"
    private static let segmentPrefix = "audit-segment-"
    static let columns = [
        LosslessColumn("seq", .integer), LosslessColumn("id", .text), LosslessColumn("at", .instant),
        LosslessColumn("user", .text),
        LosslessColumn("action", .text), LosslessColumn("target", .text), LosslessColumn("address", .text),
        LosslessColumn("requestId", .text), LosslessColumn("outcome", .text), LosslessColumn("details", .json),
    ]
    private static let segmentColumns = [
        LosslessColumn("segment", .integer), LosslessColumn("entity", .text), LosslessColumn("log", .text),
        LosslessColumn("installation", .text), LosslessColumn("tenant", .text), LosslessColumn("jobId", .text),
        LosslessColumn("manifest", .text), LosslessColumn("restoredAt", .instant), LosslessColumn("hash", .text),
    ]

    private let store = AuditStore(isEnabled: true)

    public init() {}

    /// Which events an entity of a backup has.
    struct Plan: Codable {
        var range: AuditRange
        var segment: Int64?
        var base: Int64?

        var piece: AuditPiece { AuditPiece(segment: segment, base: base ?? 0, range: range) }
    }

    public func take(_ cut: inout TenantCut, in session: any SQLSession) throws {
        let range = try store.range(of: cut.tenant, in: session)
        if range.count > 0, let job = JobID(cut.job) { try store.hold(range, for: job, of: cut.tenant, in: session) }
        let segments = try store.segments(of: cut.tenant, in: session).filter { $0.range.count > 0 }
        if !segments.isEmpty {
            cut.copy(
                EntityCut(name: Self.segmentsEntity, group: name, columns: Self.segmentColumns, key: ["segment"]),
                rows: segments.sorted { $0.number < $1.number }.map(Self.row))
        }
        for segment in segments {
            let plan = Plan(range: segment.range, segment: segment.number, base: segment.base)
            try add(Self.segmentPrefix + "\(segment.number)", plan, to: &cut)
        }
        var own = try store.ownRange(of: cut.tenant, in: session)
        cut.note(String(own.last), for: name)
        // Events are only added, so that those behind the last one of the backup before are all that is new.
        let known = cut.base?[name].flatMap { Int64($0) }.flatMap { $0 <= own.last ? $0 : nil }
        if let known { own.first = max(own.first, known + 1) }
        try add(Self.entity, Plan(range: own), isChanges: known != nil, to: &cut)
    }

    private func add(_ entity: String, _ plan: Plan, isChanges: Bool = false, to cut: inout TenantCut) throws {
        var entity = EntityCut(
            name: entity, group: name, columns: Self.columns, key: ["seq"], plan: try JobCoding.encode(plan),
            rows: plan.range.count)
        if isChanges { entity.scope = .changes }
        cut.add(entity)
    }

    private static func row(_ segment: AuditSegment) -> [LosslessValue] {
        let backup = segment.origin.backup
        return [
            .integer(segment.number), .text(segmentPrefix + "\(segment.number)"), .text(segment.origin.log),
            .text(backup.installation), .text(backup.tenant), .text(backup.job), .text(backup.manifest),
            .instant(segment.sealedAt.microseconds), .text(HexText.of(segment.hash)),
        ]
    }

    public func source(of entity: EntityCut, for tenant: TenantID, in database: any SQLDatabase) throws -> any RowSource {
        let plan = try JobCoding.decode(Plan.self, entity.plan ?? "")
        return AuditEntitySource(entity, plan.piece, for: tenant, in: database)
    }

    public func release(job: String, of tenant: TenantID, in session: any SQLSession) throws {
        if let job = JobID(job) { try store.release(job, of: tenant, in: session) }
    }
}

// MARK: Restoring

extension AuditEntities {
    /// Where the events of a restore go.
    private struct Place: Codable {
        /// By the entity's name. In the order in which they are to stand in the log.
        var segments: [Entry] = []

        struct Entry: Codable {
            var entity: String
            var segment: Int64
        }
    }

    public func columns(of entity: String, among rows: RestoredRows) throws -> [LosslessColumn]? {
        if entity == Self.segmentsEntity { return Self.segmentColumns }
        return entity == Self.entity || Self.logs(rows).contains { $0.entity == entity } ? Self.columns : nil
    }

    public func isSliced(_ entity: String) -> Bool { entity != Self.segmentsEntity }

    /// The segments of a backup, each with the log that gave its events their numbers.
    private static func logs(_ rows: RestoredRows) -> [(entity: String, log: String)] {
        rows[segmentsEntity].compactMap { row in
            guard let entity = row.values[1].text, entity.hasPrefix(segmentPrefix), let log = row.values[2].text else {
                return nil
            }
            return (entity, log)
        }
    }

    private static func origin(of target: RestoreTarget) throws -> BackupOrigin {
        guard let origin = target.origin else { throw EngineError(.invalid, "the restore does not say where it comes from") }
        return origin
    }

    private static func ownLog(of target: RestoreTarget) -> String? {
        target.installation.map { BackupOrigin.log(of: target.tenant.text, at: $0) }
    }

    public func prepare(_ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession) throws -> String {
        let backup = try Self.origin(of: target)
        var place = Place()
        for (entity, log) in Self.logs(rows) + [(Self.entity, backup.log)] {
            let number = try store.makeSegment(
                from: AuditOrigin(backup: backup, entity: entity, log: log), for: target.id, of: target.tenant, in: session)
            place.segments.append(.init(entity: entity, segment: number))
        }
        return try JobCoding.encode(place)
    }

    public func intake(
        of entity: BackupManifest.Entity, _ target: RestoreTarget, place: String, in session: any SQLSession
    ) throws -> any RowIntake {
        let place = try JobCoding.decode(Place.self, place)
        guard let segment = place.segments.first(where: { $0.entity == entity.name })?.segment else {
            throw ArchiveError(file: entity.name, "\(Self.segmentsEntity) does not name it")
        }
        return try AuditSegmentIntake(entity.columns, into: segment, log: Self.ownLog(of: target), of: target.tenant)
    }

    public func rehearsal(
        of entity: BackupManifest.Entity, _ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> (any RowRehearsal, present: Int64) {
        let listed = Self.logs(rows).first { $0.entity == entity.name }?.log
        let rehearsal = try AuditSegmentRehearsal(
            entity.columns, from: try listed ?? Self.origin(of: target).log, log: Self.ownLog(of: target), of: target.tenant)
        // Nothing is ever taken away.
        return (rehearsal, 0)
    }

    public func rehearse(
        _ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> [String: RowChanges] { [:] }

    public func switchOver(
        _ target: RestoreTarget, place: String, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> String {
        // The last one first: each is put below those that are there.
        for entry in try JobCoding.decode(Place.self, place).segments.reversed() {
            try store.show(entry.segment, of: target.tenant, at: target.at, in: session)
        }
        return ""
    }

    /// What the backup has of the log is a segment once it is restored; the list of segments says what is so here.
    public func restoredName(of entity: String, place: String) throws -> String? {
        guard entity != Self.segmentsEntity else { return nil }
        let segments = try JobCoding.decode(Place.self, place).segments
        return segments.first { $0.entity == entity }.map { Self.segmentPrefix + "\($0.segment)" } ?? entity
    }

    public func discard(_ target: RestoreTarget, place: String, in session: any SQLSession) throws {
        for entry in try JobCoding.decode(Place.self, place).segments {
            try store.discardSegment(entry.segment, of: target.tenant, in: session)
        }
    }
}
