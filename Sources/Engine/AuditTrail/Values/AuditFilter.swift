import WaybillDatabases
import WaybillEngine

/// Which events are meant. Lists are sorted and hold nothing twice, so that two filters that mean the same are equal.
public struct AuditFilter: Sendable, Hashable, Codable {
    /// nil: of everybody, and of nobody. A name that nobody has selects nothing.
    public var users: [String]?
    /// nil: all.
    public var actions: [String]?
    /// The first and the last instant, both included.
    public var from: Timestamp?
    public var through: Timestamp?

    public init(users: [String]? = nil, actions: [String]? = nil, from: Timestamp? = nil, through: Timestamp? = nil) {
        self.users = users.map { Set($0).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }
        self.actions = actions.map { Set($0).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }
        self.from = from
        self.through = through
    }

    public var selectsAll: Bool { users == nil && actions == nil && from == nil && through == nil }
}

/// A query of events of one tenant by their numbers and a filter.
struct AuditQuery {
    /// What is read of each: its number, or that and its body.
    enum What {
        case numbers, bodies
    }

    private(set) var text: String
    private(set) var arguments: [SQLValue]

    init(
        _ what: What, of piece: AuditPiece, _ tenant: TenantID, _ filter: AuditFilter, isDescending: Bool = false,
        limit: Int? = nil, dialect: SQLDialect
    ) {
        let (first, last) = (piece.range.first - 1 - piece.base, piece.range.last - piece.base)
        let body = what == .bodies ? ", body" : ""
        let place: String
        if let segment = piece.segment {
            place = "ordinal"
            text = """
                SELECT ordinal + $1\(body) FROM audit_earlier
                WHERE tenant = $2 AND segment = $3 AND ordinal > $4 AND ordinal <= $5
                """
            arguments = [
                .integer(piece.base), .text(tenant.text), .integer(segment), .integer(first), .integer(last),
            ]
        } else {
            place = "seq"
            text = "SELECT seq\(body) FROM audit_events WHERE tenant = $1 AND seq > $2 AND seq <= $3"
            arguments = [.text(tenant.text), .integer(first), .integer(last)]
        }
        if let from = filter.from { add("at >= $", .integer(from.microseconds)) }
        if let through = filter.through { add("at <= $", .integer(through.microseconds)) }
        if let users = filter.users { addList("user_id", users, dialect) }
        if let actions = filter.actions { addList("action", actions, dialect) }
        text += " ORDER BY \(place)" + (isDescending ? " DESC" : "")
        if let limit {
            arguments.append(.integer(Int64(limit)))
            text += " LIMIT $\(arguments.count)"
        }
    }

    private mutating func add(_ condition: String, _ value: SQLValue) {
        arguments.append(value)
        text += " AND \(condition)\(arguments.count)"
    }

    private mutating func addList(_ column: String, _ values: [String], _ dialect: SQLDialect) {
        var rows = SQLRowList(Self.column)
        for value in values {
            // What can't be stored can't be found.
            do { try rows.append([.text(value)]) } catch { continue }
        }
        let table = SQLRowList.table(Self.column, from: arguments.count + 1, dialect)
        text += " AND \(column) \(dialect.eachOf("SELECT given.name FROM \(table)"))"
        arguments += rows.arguments(dialect)
    }

    private static let column: [SQLRowList.Column] = [.init("name", .text)]
}
