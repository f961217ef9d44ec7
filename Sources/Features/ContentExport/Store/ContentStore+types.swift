import Foundation
import WaybillDatabases
import WaybillEngine

extension ContentStore {
    /// What stands in the row of a type beside its names and numbers.
    private struct Definition: Codable {
        var fields: [ContentField]
        var readers: ContentReaders
        var createdAt: Timestamp
        var updatedAt: Timestamp
    }

    /// A type by its name; nil if there is none.
    public func type(_ name: String, space: Int64, in session: any SQLSession) throws -> ContentType? {
        try session.first(
            "SELECT type_id, name, revision, definition FROM content_types WHERE space = $1 AND name = $2", space, name,
            make: type)
    }

    /// A type by its id; nil if it was deleted.
    public func type(id: Int64, space: Int64, in session: any SQLSession) throws -> ContentType? {
        try session.first(
            "SELECT type_id, name, revision, definition FROM content_types WHERE space = $1 AND type_id = $2", space, id,
            make: type)
    }

    /// All types, by name.
    public func types(space: Int64, in session: any SQLSession) throws -> [ContentType] {
        try session.all(
            "SELECT type_id, name, revision, definition FROM content_types WHERE space = $1 ORDER BY name", space, make: type)
    }

    /// How many items a type has.
    public func itemCount(type: Int64, space: Int64, in session: any SQLSession) throws -> Int {
        try session.count(
            "SELECT COALESCE(SUM(items), 0) FROM content_counts WHERE space = $1 AND type_id = $2", space, type)
    }

    /// Makes a type or changes it.
    ///
    /// While items of the type exist, fields can be added, made required or not, and indexed or not; a field that is removed
    /// or changed in kind, list or target is refused. The rows of a new index are made by `sweep`, slice by slice; until then
    /// no plan uses it. `readers` nil keeps what a type has, and means `everyone` for a new one.
    /// - Returns: the type, and whether it is new.
    /// - Throws: `ContentError`.
    @discardableResult
    public func putType(
        _ name: String, fields: [ContentField], readers: ContentReaders? = nil, by writing: ContentWriting, at now: Timestamp,
        in session: any SQLSession
    ) throws -> (type: ContentType, isNew: Bool) {
        guard ContentNames.isTypeName(name) else {
            throw ContentError(.badTypeName, "a type's name has 1 to 63 letters, digits, _, . and -, and begins with no . or -")
        }
        try ContentField.check(fields)
        let space = writing.space.id
        guard let old = try type(name, space: space, in: session) else {
            var type = ContentType(
                id: try next("type", in: session), name: name, fields: [], readers: readers ?? .everyone, revision: 1,
                createdAt: now,
                updatedAt: now)
            type.fields = try merge(fields, into: type, hasItems: false, space: space, in: session)
            try session.execute(
                "INSERT INTO content_types (space, type_id, name, revision, definition) VALUES ($1, $2, $3, $4, $5)", space,
                type.id,
                name, type.revision, try definition(of: type))
            return (type, true)
        }
        let hasItems = try itemCount(type: old.id, space: space, in: session) > 0
        var type = old
        type.fields = try merge(fields, into: old, hasItems: hasItems, space: space, in: session)
        if let readers { type.readers = readers }
        guard type != old else { return (old, false) }
        type.revision += 1
        type.updatedAt = now
        try save(type, space: space, in: session)
        return (type, false)
    }

    /// Makes a type of a space that nobody uses yet, with the times that it had.
    func restoreType(
        _ name: String, fields: [ContentField], readers: ContentReaders, createdAt: Timestamp, updatedAt: Timestamp,
        space: Int64, in session: any SQLSession
    ) throws {
        guard ContentNames.isTypeName(name) else { throw ContentError(.badTypeName, "‘\(name)’ is no type's name") }
        try ContentField.check(fields)
        var type = ContentType(
            id: try next("type", in: session), name: name, fields: [], readers: readers, revision: 1, createdAt: createdAt,
            updatedAt: updatedAt)
        type.fields = try merge(fields, into: type, hasItems: false, space: space, in: session)
        try session.execute(
            "INSERT INTO content_types (space, type_id, name, revision, definition) VALUES ($1, $2, $3, $4, $5)", space, type.id,
            name, type.revision, try definition(of: type))
    }

    /// Deletes a type at once; its rows go with the next sweeps, after the cuts that need them.
    /// - Returns: false if there is none.
    public func deleteType(_ name: String, by writing: ContentWriting, in session: any SQLSession) throws -> Bool {
        let space = writing.space.id
        guard let type = try type(name, space: space, in: session) else { return false }
        try session.execute("DELETE FROM content_types WHERE space = $1 AND type_id = $2", space, type.id)
        try addChore(.type, space: space, type: type.id, in: session)
        return true
    }

    func save(_ type: ContentType, space: Int64, in session: any SQLSession) throws {
        try session.execute(
            "UPDATE content_types SET revision = $1, definition = $2 WHERE space = $3 AND type_id = $4", type.revision,
            try definition(of: type), space, type.id)
    }

    private func definition(of type: ContentType) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let definition = Definition(
            fields: type.fields, readers: type.readers, createdAt: type.createdAt, updatedAt: type.updatedAt)
        return String(decoding: try encoder.encode(definition), as: UTF8.self)
    }

    private func type(_ row: SQLRow) throws -> ContentType {
        let definition = try JSONDecoder().decode(Definition.self, from: Data(row[3].bytes))
        return ContentType(
            id: row.int64(0), name: row.string(1), fields: definition.fields, readers: definition.readers, revision: row.int64(2),
            createdAt: definition.createdAt, updatedAt: definition.updatedAt)
    }
}

extension ContentStore {
    /// Gives new fields their places in bodies and their indexes, and keeps those of old ones.
    private func merge(
        _ wanted: [ContentField], into type: ContentType, hasItems: Bool, space: Int64, in session: any SQLSession
    ) throws -> [ContentField] {
        var slot = (type.fields.map(\.slot).max() ?? -1) + 1
        var merged: [ContentField] = []
        var kept: Set<String> = []
        for var field in wanted {
            let old = type.field(field.name)
            if let old, old.kind == field.kind, old.isList == field.isList, old.target == field.target {
                kept.insert(old.name)
                field.slot = old.slot
                field.indexID = old.indexID
                field.isIndexReady = old.isIndexReady
            } else {
                if old != nil, hasItems { throw inUse(field.name, "changed") }
                field.slot = slot
                slot += 1
            }
            try switchIndex(of: &field, type: type.id, hasItems: hasItems, space: space, in: session)
            merged.append(field)
        }
        for gone in type.fields where !kept.contains(gone.name) {
            if hasItems { throw inUse(gone.name, "removed") }
            if let index = gone.indexID { try addChore(.index, space: space, type: type.id, field: index, in: session) }
        }
        return merged
    }

    private func switchIndex(
        of field: inout ContentField, type: Int64, hasItems: Bool, space: Int64, in session: any SQLSession
    ) throws {
        if field.isIndexed {
            if field.indexID == nil {
                field.indexID = try next("index", in: session)
                field.isIndexReady = !hasItems
            }
            if !field.isIndexReady, let index = field.indexID {
                try addChore(.build, space: space, type: type, field: index, in: session)
            }
        } else if let index = field.indexID {
            // Kept up until no cut is held, since a job may be sorting by it.
            try addChore(.index, space: space, type: type, field: index, in: session)
        }
    }

    private func inUse(_ field: String, _ what: String) -> ContentError {
        ContentError(
            .fieldInUse, "the field \(field) can't be \(what) while the type has items; delete them or the type first",
            field: field)
    }
}
