import WaybillDatabases
import WaybillEngine

/// Whose items a scan gives: those of certain ACL ids. It is read with the cut and kept with it.
public enum ACLFilter: Hashable, Sendable, Codable {
    case all
    /// ACL ids, sorted. 0 stands for "as the type".
    case only([Int64])

    public var isNothing: Bool { self == .only([]) }

    public func admits(_ acl: Int64) -> Bool {
        switch self {
        case .all: true
        case .only(let ids): ids.contains(acl)
        }
    }
}

extension ContentStore {
    /// The ACL of items that name no readers of their own.
    static let inheritedACL: Int64 = 0

    /// The items of a type that a principal may read now. Call it with principals of the space's tenant only.
    public func readable(
        by principal: Principal, of type: ContentType, space: Int64, in session: any SQLSession
    ) throws -> ACLFilter {
        if principal.roles.contains("admin") { return .all }
        var allowed: [Int64] = type.readers.admit(principal) ? [Self.inheritedACL] : []
        var isLimited = allowed.isEmpty
        // Only those in use by the type, so that the filter stays short.
        try session.scan(
            """
            SELECT a.acl, a.readers FROM content_counts AS c CROSS JOIN content_acls AS a
            WHERE c.space = $1 AND c.type_id = $2 AND a.acl = c.acl AND a.space = c.space ORDER BY a.acl
            """, arguments: [.integer(space), .integer(type.id)]
        ) { row in
            if ContentReaders(json: row.string(1))?.admit(principal) == true {
                allowed.append(row.int64(0))
            } else {
                isLimited = true
            }
            return .next
        }
        return isLimited ? .only(allowed) : .all
    }

    /// How many items of a type a filter lets through now; costs as much as the type has ACLs.
    public func count(of type: ContentType, for filter: ACLFilter, space: Int64, in session: any SQLSession) throws -> Int {
        var total = 0
        try session.scan(
            "SELECT acl, items FROM content_counts WHERE space = $1 AND type_id = $2",
            arguments: [.integer(space), .integer(type.id)]
        ) { row in
            if filter.admits(row.int64(0)) { total += row.int(1) }
            return .next
        }
        return total
    }

    /// The id of a list of readers, given at its first use.
    func acl(of readers: ContentReaders, space: Int64, in session: any SQLSession) throws -> Int64 {
        let json = readers.json
        if let acl = try session.first(
            "SELECT acl FROM content_acls WHERE space = $1 AND readers = $2", space, json, make: { $0.int64(0) })
        {
            return acl
        }
        let acl = try next("acl", in: session)
        try session.execute("INSERT INTO content_acls (acl, space, readers) VALUES ($1, $2, $3)", acl, space, json)
        return acl
    }

    /// The readers of an ACL; nil for items that have those of their type.
    public func readers(ofACL acl: Int64, in session: any SQLSession) throws -> ContentReaders? {
        guard acl != Self.inheritedACL else { return nil }
        let json = try session.first("SELECT readers FROM content_acls WHERE acl = $1", acl) { $0.string(0) }
        guard let readers = json.flatMap({ ContentReaders(json: $0) }) else { throw ContentError(.damaged, "an ACL is missing") }
        return readers
    }
}
