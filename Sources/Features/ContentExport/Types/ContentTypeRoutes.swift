import AuditTrail
import Datasets
import Hummingbird
import WaybillDatabases
import WaybillEngine
import Web

/// `/content/types`: what there is to export.
struct ContentTypeRoutes: Sendable {
    let feature: ContentFeature

    func mount(_ catalog: RouteCatalog) {
        catalog.component("ContentField", ContentTypeBody.Field.schema)
        catalog.component("ContentType", ContentTypeView.schema)
        let put = RouteDoc("putContentType", "Makes a content type or changes it", tag: "content", access: .scope(.contentDefine))
            .described("While items exist, fields may be added, required or not, indexed or not; other changes are refused.")
            .body(ContentTypeBody.schema).answer(200, "changed", .ref("ContentType")).answer(201, "made", .ref("ContentType"))
            .problems(409)
        catalog.change(.put, "/content/types/{type}", put) { request, context, ticket in
            let principal = try context.require(.contentDefine)
            let name = try context.path("type")
            let (body, _) = try await request.json(ContentTypeBody.self)
            let (fields, readers) = try body.checked()
            let now = context.arrivedAt
            return try await feature.writing(for: context) { session in
                let store = ContentStore()
                let writing = try store.writing(for: principal.tenant, in: session)
                let (type, isNew) = try store.putType(name, fields: fields, readers: readers, by: writing, at: now, in: session)
                let items = try store.itemCount(type: type.id, space: writing.space.id, in: session)
                let answer = try StoredAnswer(status: isNew ? 201 : 200, json: ContentTypeView(type, items: items))
                try ticket.settle(session, answer, auditing: AuditEntry(.contentTypeStore, name))
                return answer
            }
        }

        let list = RouteDoc("listContentTypes", "Lists the content types", tag: "content", access: .scope(.contentRead))
            .answer(200, "all types, by name", .object(["types": .array(of: .ref("ContentType"))]))
        catalog.route(.get, "/content/types", list) { _, context in
            let principal = try context.require(.contentRead)
            let views = try await feature.database.read(of: principal.tenant) { session in
                let store = ContentStore()
                guard let space = try store.space(of: principal.tenant, in: session) else { return [ContentTypeView]() }
                return try store.types(space: space.id, in: session).map { type in
                    let readable = try store.readable(by: principal, of: type, space: space.id, in: session)
                    return ContentTypeView(type, items: try store.count(of: type, for: readable, space: space.id, in: session))
                }
            }
            return try JSONAnswer(["types": views])
        }

        let show = RouteDoc("showContentType", "Shows a content type", tag: "content", access: .scope(.contentRead))
            .answer(200, "the type", .ref("ContentType"))
        catalog.route(.get, "/content/types/{type}", show) { _, context in
            let principal = try context.require(.contentRead)
            let name = try context.path("type")
            let view = try await feature.database.read(of: principal.tenant) { session -> ContentTypeView in
                let (type, space) = try feature.type(name, of: principal.tenant, in: session)
                let store = ContentStore()
                let readable = try store.readable(by: principal, of: type, space: space, in: session)
                return ContentTypeView(type, items: try store.count(of: type, for: readable, space: space, in: session))
            }
            return try JSONAnswer(view)
        }

        let delete = RouteDoc(
            "deleteContentType", "Deletes a content type with its items", tag: "content", access: .scope(.contentDefine)
        )
        .answer(204, "deleted")
        catalog.change(.delete, "/content/types/{type}", delete) { _, context, ticket in
            let principal = try context.require(.contentDefine)
            let name = try context.path("type")
            return try await feature.writing(for: context) { session in
                let store = ContentStore()
                let writing = try store.writing(for: principal.tenant, in: session)
                guard try store.deleteType(name, by: writing, in: session) else {
                    throw Problem.notFound("there is no such content type")
                }
                try ticket.settle(session, .noContent, auditing: AuditEntry(.contentTypeDelete, name))
                return .noContent
            }
        }
    }
}

/// The body of `PUT /content/types/{type}`.
struct ContentTypeBody: JSONBody {
    struct Field: JSONBody {
        static let fields: Set = ["name", "type", "required", "list", "indexed", "target"]
        var name: String
        var type: String
        var required: Bool?
        var list: Bool?
        var indexed: Bool?
        var target: String?

        static let schema = Schema.body([
            "name": .string(1...63), "type": .enumeration(QueryField.Kind.self), "required": .boolean.optional,
            "list": .boolean.optional, "indexed": .boolean.optional,
            "target": .string(1...63).described("of a reference: the type it refers to").optional,
        ])
    }

    static let fields: Set = ["fields", "readers"]
    static var nested: [String: any JSONBody.Type] { ["fields": Field.self] }

    var fields: [Field]
    var readers: [String]?

    static let schema = Schema.body([
        "fields": .array(of: .ref("ContentField"), 0...200),
        "readers": .array(of: .string(1...260), 1...64).described("`everyone`, `role:NAME`, `user:NAME`; everyone by default")
            .optional,
    ])

    func checked() throws -> (fields: [ContentField], readers: ContentReaders?) {
        var wrong: [(field: String, reason: String)] = []
        var checked: [ContentField] = []
        for (index, field) in fields.enumerated() {
            guard let kind = QueryField.Kind(rawValue: field.type) else {
                let kinds = QueryField.Kind.allCases.map(\.rawValue).joined(separator: ", ")
                wrong.append(("fields[\(index)].type", "‘\(field.type.prefix(100))’ is not one of \(kinds)"))
                continue
            }
            checked.append(
                ContentField(
                    name: field.name, kind: kind, isRequired: field.required ?? false, isList: field.list ?? false,
                    isIndexed: field.indexed ?? false, target: field.target))
        }
        guard wrong.isEmpty else { throw Problem.invalid(wrong) }
        do {
            return (checked, try readers.map { try ContentReaders($0) })
        } catch let error as ContentError {
            throw Problem.content(error)
        }
    }
}

/// A content type as the wire shows it.
struct ContentTypeView: Encodable, Sendable {
    struct Field: Encodable, Sendable {
        var name: String
        var type: String
        var required: Bool
        var list: Bool
        var indexed: Bool
        var target: String?
    }

    var name: String
    var fields: [Field]
    var readers: [String]
    /// That the asker may read.
    var items: Int
    var createdAt: WireTime
    var updatedAt: WireTime

    init(_ type: ContentType, items: Int) {
        name = type.name
        fields = type.fields.map {
            Field(
                name: $0.name, type: $0.kind.rawValue, required: $0.isRequired, list: $0.isList, indexed: $0.isIndexed,
                target: $0.target)
        }
        readers = type.readers.entries
        self.items = items
        createdAt = WireTime(type.createdAt)
        updatedAt = WireTime(type.updatedAt)
    }

    static let schema = Schema.object([
        "name": .string,
        "fields": .array(
            of: .object([
                "name": .string, "type": .enumeration(QueryField.Kind.self), "required": .boolean, "list": .boolean,
                "indexed": .boolean, "target": .string.optional,
            ])),
        "readers": .array(of: .string), "items": .integer(min: 0), "createdAt": .dateTime, "updatedAt": .dateTime,
    ])
}
