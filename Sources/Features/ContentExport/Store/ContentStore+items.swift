import Formats
import WaybillDatabases

/// One item as it is stored now.
public struct StoredItem: Sendable {
    public let id: String
    public let language: String?
    /// nil: those of the type.
    public let readers: ContentReaders?
    /// The fields that have a value, as a JSON object in canonical form, in stored order.
    public let body: String

    /// Appends the item as one JSON object: `id`, the fields, and `language` and `readers` where it has them.
    public func append(to out: OutputBuffer) {
        out.append("{\"id\":")
        JSONWriter.string(id, to: out)
        let members = body.utf8.count > 2 ? String(body.dropFirst().dropLast()) : ""
        if !members.isEmpty {
            out.append(UInt8(ascii: ","))
            out.append(utf8: members)
        }
        if let language {
            out.append(",\"language\":")
            JSONWriter.string(language, to: out)
        }
        if let readers {
            out.append(",\"readers\":")
            out.append(utf8: readers.json)
        }
        out.append(UInt8(ascii: "}"))
    }
}

extension ContentStore {
    /// One item, if the filter lets it through; nil if not, or if there is none.
    public func item(
        _ id: String, of type: ContentType, readable: ACLFilter = .all, space: Int64, in session: any SQLSession
    ) throws -> StoredItem? {
        let found = try session.first(
            "SELECT id, language, acl, body FROM content_items WHERE space = $1 AND type_id = $2 AND id = $3", space, type.id, id
        ) { (id: $0.string(0), language: $0.optionalString(1), acl: $0.int64(2), body: $0.string(3)) }
        guard let found, readable.admits(found.acl) else { return nil }
        return StoredItem(
            id: found.id, language: found.language, readers: try readers(ofACL: found.acl, in: session),
            body: try StoredBody.object(found.body, of: type))
    }

    /// A page of items by id, after a given one: what is there now, not at a cut.
    public func items(
        of type: ContentType, after id: String? = nil, limit: Int, readable: ACLFilter = .all, space: Int64,
        in session: any SQLSession
    ) throws -> [StoredItem] {
        var found: [(id: String, language: String?, acl: Int64, body: String)] = []
        guard !readable.isNothing, limit > 0 else { return [] }
        try session.scan(
            "SELECT id, language, acl, body FROM content_items WHERE space = $1 AND type_id = $2 AND id > $3 ORDER BY id",
            arguments: [.integer(space), .integer(type.id), .text(id ?? "")]
        ) { row in
            if readable.admits(row.int64(2)) {
                found.append((row.string(0), row.optionalString(1), row.int64(2), row.string(3)))
            }
            return found.count < limit ? .next : .stop
        }
        return try found.map {
            StoredItem(
                id: $0.id, language: $0.language, readers: try readers(ofACL: $0.acl, in: session),
                body: try StoredBody.object($0.body, of: type))
        }
    }
}
