import Datasets
import Formats
import TenantData
import WaybillDatabases
import WaybillEngine

/// A tenant's content as a backup takes it: the definitions of its types, and the items of each type in a file of their own.
///
/// A cut is held for the job, so that its items can be read as they were for as long as it takes. What the store made itself
/// stays behind: numbers of types, fields and indexes, counts, and everything that can be made again.
public struct ContentEntities: TenantEntities {
    public let name = "content"
    public let tables: Set = ["content_types", "content_items", "content_acls", "content_versions"]
    public let leftOut = [
        "content_sequences": "numbers that are given once, no tenant's", "content_tenants": "which rows are live",
        "content_index": "is made of the items", "content_version_index": "is made of the items",
        "content_counts": "is made of the items", "content_languages": "is made of the items",
        "content_spaces": "what is being restored, and what was there before",
        "content_cuts": "who reads what is under way", "content_chores": "what is to be tidied",
        "content_tombstones": "is told by what is missing; an increment has it as lists of deletions",
    ]

    static let typesEntity = "content-types"
    static let typeColumns = [
        LosslessColumn("name", .text), LosslessColumn("fields", .json), LosslessColumn("readers", .list),
        LosslessColumn("createdAt", .instant), LosslessColumn("updatedAt", .instant),
    ]

    /// What every attempt needs to read the same items.
    struct Plan: Codable {
        var cut: ContentCut
        var type: ContentType
        /// Only what was written in later epochs; nil: everything.
        var after: Int64?
        /// The keys of what was deleted in them, and not what was written.
        var isDeletions: Bool?
    }

    public init() {}

    public func take(_ cut: inout TenantCut, in session: any SQLSession) throws {
        let store = ContentStore()
        let held = try store.takeCut(for: cut.job, of: cut.tenant, in: session)
        let types = try store.types(space: held.space, in: session)
        cut.copy(
            EntityCut(name: Self.typesEntity, group: name, columns: Self.typeColumns, key: ["name"]),
            rows: try types.map(Self.row))
        let base = try cut.base?[name].map { try JobCoding.decode(ContentNote.self, $0) }
        for type in types {
            let items = Int64(try store.itemCount(type: type.id, space: held.space, in: session))
            let entity = EntityCut(
                name: Self.entity(ofType: type.name), group: name, columns: Self.columns(of: type), key: ["id"],
                plan: try JobCoding.encode(Plan(cut: held, type: type)), rows: items)
            guard let base, base.has(type, in: held.space) else {
                cut.add(entity)
                continue
            }
            for some in try Self.changes(entity, type, held, since: base.epoch, items: items) { cut.add(some) }
        }
        cut.note(try JobCoding.encode(ContentNote(held, types)), for: name)
    }

    public func source(of entity: EntityCut, for tenant: TenantID, in database: any SQLDatabase) throws -> any RowSource {
        let plan = try JobCoding.decode(Plan.self, entity.plan ?? "")
        if plan.isDeletions == true { return Self.deletions(entity, plan, for: tenant, in: database) }
        return try ItemEntitySource(entity, plan, for: tenant, in: database)
    }

    public func release(job: String, of tenant: TenantID, in session: any SQLSession) throws {
        try ContentStore().releaseCuts(of: job, in: session)
    }

    /// A dot would be taken for the number of a file; no type's name has a tilde.
    static func entity(ofType name: String) -> String { "items-" + name.replacing(".", with: "~") }

    /// The columns of a type's file: the fields in the order of the definition, which stays the same where numbers don't.
    static func columns(of type: ContentType) -> [LosslessColumn] { columns(of: type.fields) }

    static func columns(of fields: [ContentField]) -> [LosslessColumn] {
        [LosslessColumn("id", .text), LosslessColumn("language", .text), LosslessColumn("readers", .list)]
            + fields.map { LosslessColumn($0.name, kind(of: $0)) }
    }

    private static func kind(of field: ContentField) -> LosslessColumn.Kind {
        if field.isList { return .list }
        return switch field.kind {
        case .text, .tags, .reference: .text
        case .integer: .integer
        case .number: .number
        case .boolean: .boolean
        case .datetime: .instant
        case .json: .json
        }
    }

    private static func row(_ type: ContentType) throws -> [LosslessValue] {
        [
            .text(type.name), .json(try JobCoding.encode(type.fields.map(FieldEntry.init))), .json(type.readers.json),
            .instant(type.createdAt.microseconds), .instant(type.updatedAt.microseconds),
        ]
    }
}

/// A field as a backup tells it: without the numbers that the store gave it.
struct FieldEntry: Codable, Hashable {
    var name: String
    var kind: QueryField.Kind
    var isRequired: Bool
    var isList: Bool
    var isIndexed: Bool
    var target: String?

    init(_ field: ContentField) {
        (name, kind, target) = (field.name, field.kind, field.target)
        (isRequired, isList, isIndexed) = (field.isRequired, field.isList, field.isIndexed)
    }

    var field: ContentField {
        ContentField(
            name: name, kind: kind, isRequired: isRequired, isList: isList, isIndexed: isIndexed, target: target)
    }
}
