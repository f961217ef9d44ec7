import AuditTrail
import Formats
import WaybillEngine
import Web

/// Which events are meant, as a request says it.
struct AuditFilterBody: JSONBody {
    struct Dates: JSONBody {
        static let fields: Set = ["start", "end"]
        var start: String?
        var end: String?
    }

    private static let namesMax = 1000
    private static let nameBytesMax = 255

    static let fields: Set = ["usernames", "actions", "dates", "dateFrom", "dateTo"]
    static var nested: [String: any JSONBody.Type] { ["dates": Dates.self] }

    var usernames: [String]?
    var actions: [String]?
    var dates: Dates?
    var dateFrom: String?
    var dateTo: String?

    static let schema = Schema.body([
        "usernames": .array(of: .string(1...nameBytesMax), 1...namesMax).described(
            "only of these; a name that nobody has selects nothing"
        )
        .optional,
        "actions": .array(of: .string(1...nameBytesMax), 1...namesMax).described("only these; each must be known").optional,
        "dates": .body(["start": dateSchema.optional, "end": dateSchema.optional]).optional,
        "dateFrom": dateSchema.described("as `dates.start`").optional, "dateTo": dateSchema.described("as `dates.end`").optional,
    ])
    static let dateSchema = Schema.string(10...40).described(
        "`YYYY-MM-DD`, which is the whole day in UTC, or an instant; both ends are included")

    /// From the parameters of a query: lists with commas, or `filters` as JSON.
    init?(_ query: QueryParameters) throws {
        if let name = ["filters", "filter"].first(where: { query[$0] != nil }), let text = query[name] {
            self = try Self.naming(name) { try Self.checked(Array(text.utf8)) }
        } else if ["usernames", "actions", "dateFrom", "dateTo"].allSatisfy({ query[$0] == nil }) {
            return nil
        }
        usernames = query["usernames"].map(Self.list) ?? usernames
        actions = query["actions"].map(Self.list) ?? actions
        dateFrom = query["dateFrom"] ?? dateFrom
        dateTo = query["dateTo"] ?? dateTo
    }

    /// Says of what is wrong with a text that it stands in a parameter, and not in the body.
    private static func naming<T>(_ parameter: String, _ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch let problem as Problem where problem.kind.status == 400 {
            let details = (problem.details.array ?? []).map { detail -> Web.JSONValue in
                guard let field = detail["field"]?.string else { return detail }
                return detail.setting("field", .string(field == "body" ? parameter : "\(parameter).\(field)"))
            }
            let text = problem.detail.hasPrefix("body: ") ? String(problem.detail.dropFirst(6)) : problem.detail
            throw Problem(problem.kind, "\(parameter): \(text)", details: .array(details))
        }
    }

    init(dateFrom: String?, dateTo: String?) {
        self.dateFrom = dateFrom
        self.dateTo = dateTo
    }

    /// With what the other one says in the place of what this one says of the same.
    func overridden(by other: AuditFilterBody) -> AuditFilterBody {
        var merged = self
        merged.usernames = other.usernames ?? usernames
        merged.actions = other.actions ?? actions
        if other.dateFrom != nil || other.dates?.start != nil {
            merged.dateFrom = other.dateFrom ?? other.dates?.start
            merged.dates?.start = nil
        }
        if other.dateTo != nil || other.dates?.end != nil {
            merged.dateTo = other.dateTo ?? other.dates?.end
            merged.dates?.end = nil
        }
        return merged
    }

    private static func list(_ text: String) -> [String] {
        text.isEmpty ? [] : text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    /// The parameters that `init(_: QueryParameters)` reads.
    static func parameters(_ doc: RouteDoc) -> RouteDoc {
        doc.query("usernames", .string(0...65_536), "with commas between them")
            .query("actions", .string(0...65_536), "with commas between them")
            .query("dateFrom", dateSchema).query("dateTo", dateSchema)
    }

    /// The checked filter.
    /// - Parameter path: where it stands in the request, for what is told of it.
    /// - Throws: a 400 problem that names every member that is wrong.
    func filter(at path: String = "filters.") throws -> AuditFilter {
        var wrong: [(field: String, reason: String)] = []
        for (name, list) in [("usernames", usernames), ("actions", actions)] {
            guard let list else { continue }
            if list.isEmpty { wrong.append((path + name, "is empty; leave it out to mean all")) }
            if list.count > Self.namesMax { wrong.append((path + name, "has more than \(Self.namesMax) entries")) }
            if list.contains(where: { !(1...Self.nameBytesMax).contains($0.utf8.count) }) {
                wrong.append((path + name, "has an entry that has not 1 to \(Self.nameBytesMax) bytes"))
            }
        }
        func instant(_ given: (name: String, text: String?)..., isEnd: Bool) -> Timestamp? {
            let given = given.filter { $0.text != nil }
            guard let (name, text) = given.first, let text else { return nil }
            if given.count > 1 { wrong.append((path + name, "is given twice, by another name")) }
            if let instant = Self.instant(text, isEnd: isEnd) { return instant }
            wrong.append(
                (path + name, "‘\(text.prefix(100))’ is no day such as 2026-11-22 and no instant such as 2026-11-22T09:30:00Z"))
            return nil
        }
        let from = instant(("dates.start", dates?.start), ("dateFrom", dateFrom), isEnd: false)
        let through = instant(("dates.end", dates?.end), ("dateTo", dateTo), isEnd: true)
        if let from, let through, from > through {
            wrong.append((path + (dates == nil ? "dateFrom" : "dates"), "the start comes after the end"))
        }
        guard wrong.isEmpty else { throw Problem.invalid(wrong) }
        return AuditFilter(users: usernames, actions: actions, from: from, through: through)
    }

    /// A day's first or last microsecond, or an instant.
    private static func instant(_ text: String, isEnd: Bool) -> Timestamp? {
        var text = text
        return text.withUTF8 { bytes in
            if let day = RFC3339.parseDate(bytes) {
                return Timestamp(microseconds: isEnd ? day + 86_400_000_000 - 1 : day)
            }
            return RFC3339.parse(bytes).map { Timestamp(microseconds: $0) }
        }
    }
}

/// A filter as it is shown: what selects, and nothing else.
struct AuditFilterView: Encodable, Sendable {
    struct Dates: Encodable, Sendable {
        var start: String?
        var end: String?
    }

    var usernames: [String]?
    var actions: [String]?
    var dates: Dates?

    init(_ filter: AuditFilter) {
        usernames = filter.users
        actions = filter.actions
        guard filter.from != nil || filter.through != nil else { return }
        dates = Dates(start: filter.from.map(Self.text), end: filter.through.map(Self.text))
    }

    /// To the microsecond, since that is what is compared.
    private static func text(_ time: Timestamp) -> String {
        let out = OutputBuffer(capacity: 64)
        RFC3339.append(time.microseconds, to: out)
        return String(decoding: out.bytes, as: UTF8.self)
    }

    static let schema = Schema.object([
        "usernames": .array(of: .string).optional, "actions": .array(of: .string).optional,
        "dates": Schema.object(["start": .string.optional, "end": .string.optional]).optional,
    ])
}
