import Datasets
import Formats
import TenantData
import WaybillDatabases
import WaybillEngine

/// Content comes back into a space of its own, slice by slice, and the switch to it is one row.
extension ContentEntities {
    /// What a restore has made, and what it took the place of.
    private struct Place: Codable {
        var space: Int64
        var old: Int64?
    }

    public func isEmpty(for tenant: TenantID, in session: any SQLSession) throws -> Bool {
        guard let space = try ContentStore().space(of: tenant, in: session) else { return true }
        return try ContentStore().types(space: space.id, in: session).isEmpty
    }

    public func isSliced(_ entity: String) -> Bool { entity != Self.typesEntity }

    public func columns(of entity: String, among rows: RestoredRows) throws -> [LosslessColumn]? {
        if entity == Self.typesEntity { return Self.typeColumns }
        guard let name = Self.type(ofEntity: entity) else { return nil }
        guard let row = rows[Self.typesEntity].first(where: { $0.values[0] == .text(name) }) else { return nil }
        return Self.columns(of: try TypeEntry(row).fields.map(\.field))
    }

    public func prepare(_ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession) throws -> String {
        let store = ContentStore()
        let space = try store.makeSpace(for: target.tenant, owner: target.id, in: session)
        for row in rows[Self.typesEntity] {
            let entry = try TypeEntry(row)
            do {
                try store.restoreType(
                    entry.name, fields: entry.fields.map(\.field), readers: entry.readers, createdAt: entry.createdAt,
                    updatedAt: entry.updatedAt, space: space, in: session)
            } catch let error as ContentError {
                throw ArchiveError(file: row.file, line: row.line, error.message)
            }
        }
        return try JobCoding.encode(Place(space: space))
    }

    public func intake(
        of entity: BackupManifest.Entity, _ target: RestoreTarget, place: String, in session: any SQLSession
    ) throws -> any RowIntake {
        let space = try JobCoding.decode(Place.self, place).space
        guard let name = Self.type(ofEntity: entity.name), let type = try ContentStore().type(name, space: space, in: session)
        else { throw ArchiveError(file: entity.name, "there is no such type among the types of the backup") }
        return try ItemEntityIntake(type, entity.columns, space: space, of: target.tenant)
    }

    public func rehearse(
        _ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> [String: RowChanges] {
        var changes = RowChanges()
        let store = ContentStore()
        let space = try store.space(of: target.tenant, in: session)
        var present = try space.map { try store.types(space: $0.id, in: session) } ?? []
        for row in rows[Self.typesEntity] {
            let entry = try TypeEntry(row)
            guard let index = present.firstIndex(where: { $0.name == entry.name }) else {
                changes.added += 1
                continue
            }
            let old = present.remove(at: index)
            let isEqual = old.fields.map(FieldEntry.init) == entry.fields && old.readers == entry.readers
            if isEqual { changes.equal += 1 } else { changes.changed += 1 }
        }
        changes.deleted = Int64(present.count)
        return [Self.typesEntity: changes]
    }

    public func rehearsal(
        of entity: BackupManifest.Entity, _ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> (any RowRehearsal, present: Int64) {
        let store = ContentStore()
        guard let name = Self.type(ofEntity: entity.name),
            let row = rows[Self.typesEntity].first(where: { $0.values[0] == .text(name) })
        else { throw ArchiveError(file: entity.name, "there is no such type among the types of the backup") }
        let entry = try TypeEntry(row)
        guard let space = try store.space(of: target.tenant, in: session),
            let type = try store.type(name, space: space.id, in: session)
        else { return (try ItemRehearsal(entry.fields.map(\.field), entity.columns, among: nil), 0) }
        let present = Int64(try store.itemCount(type: type.id, space: space.id, in: session))
        return (try ItemRehearsal(entry.fields.map(\.field), entity.columns, among: (type, space.id)), present)
    }

    public func switchOver(
        _ target: RestoreTarget, place: String, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> String {
        var place = try JobCoding.decode(Place.self, place)
        place.old = try ContentStore().switchOver(
            to: place.space, of: target.tenant, owner: target.id, keptUntil: target.keptUntil, in: session)
        return try JobCoding.encode(place)
    }

    public func undo(_ target: RestoreTarget, _ undo: String, in session: any SQLSession) throws {
        let place = try JobCoding.decode(Place.self, undo)
        let store = ContentStore()
        // Where nothing was, an empty space is as good.
        let old = try place.old ?? store.makeSpace(for: target.tenant, owner: target.id, in: session)
        guard try store.isKept(old, of: target.tenant, in: session) else {
            throw EngineError(.invalid, "what was there before is not kept any more")
        }
        _ = try store.switchOver(
            to: old, of: target.tenant, owner: target.id, keptUntil: target.keptUntil, in: session)
        try store.dropSpace(place.space, of: target.tenant, in: session)
    }

    public func discard(_ target: RestoreTarget, place: String, in session: any SQLSession) throws {
        try ContentStore().dropSpace(try JobCoding.decode(Place.self, place).space, of: target.tenant, in: session)
    }

    private static func type(ofEntity name: String) -> String? {
        name.hasPrefix("items-") ? String(name.dropFirst(6)).replacing("~", with: ".") : nil
    }
}

/// A type as a row of a backup tells it.
private struct TypeEntry {
    var name: String
    var fields: [FieldEntry]
    var readers: ContentReaders
    var createdAt: Timestamp
    var updatedAt: Timestamp

    init(_ row: RestoredRows.Row) throws {
        let values = row.values
        guard let name = values[0].text, case .json(let fields) = values[1], case .json(let readers) = values[2],
            let createdAt = values[3].instant, let updatedAt = values[4].instant,
            let entries = try? JobCoding.decode([FieldEntry].self, fields), let list = ContentReaders(json: readers)
        else { throw ArchiveError(file: row.file, line: row.line, "this is no definition of a type") }
        (self.name, self.fields, self.readers, self.createdAt, self.updatedAt) = (name, entries, list, createdAt, updatedAt)
    }
}
