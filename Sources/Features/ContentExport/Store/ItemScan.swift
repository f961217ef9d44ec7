import Datasets
import WaybillDatabases

/// Reads the items of one type as they were at a cut, in a fixed order, in stretches.
///
/// `boundary` tells where a stretch of so many rows ends, and `read` gives the rows of a stretch; both give the same at any
/// time while the cut is held, whatever is written, and may run side by side in different sessions.
public struct ItemScan: Sendable {
    public let cut: ContentCut
    /// The definition that was read with the cut.
    public let type: ContentType
    public let plan: ScanPlan
    /// nil for all rows.
    public let query: QueryExpression?
    public let readable: ACLFilter
    /// Empty for all, also for items without a language.
    public let languages: [String]
    /// Only rows that were written in a later epoch than this one; nil for all.
    public let changedAfter: Int64?

    /// - Throws: `ContentError` with code `.badSort` if the plan sorts by what can't be sorted by.
    public init(
        cut: ContentCut, type: ContentType, plan: ScanPlan = .clustered, query: QueryExpression? = nil, readable: ACLFilter,
        languages: [String] = [], changedAfter: Int64? = nil
    ) throws(ContentError) {
        self.changedAfter = changedAfter
        self.cut = cut
        self.type = type
        self.plan = plan
        self.query = query
        self.readable = readable
        self.languages = languages
        if case .sorted(let sort) = plan { _ = try Self.order(of: sort, in: type) }
    }

    /// The end of the next stretch of `rows` rows after a place, of the last rows if fewer are left, or nil at the end.
    ///
    /// Rows are counted before query and rights are looked at, except on an index plan, where the matching ones are.
    public func boundary(after position: ScanPosition?, rows: Int, in session: any SQLSession) throws -> ScanPosition? {
        let last = max(1, rows) - 1
        if changedAfter != nil { return try lastPlace(after: position, rows: last + 1, in: session) }
        if let position = try place(after: position, skipping: last, in: session) { return position }
        // Fewer are left: the end is the last of all.
        guard last > 0 else { return nil }
        return try place(after: position, skipping: 0, isBackwards: true, in: session)
    }

    /// The rows of a stretch: those after one place, up to and with another.
    /// - Throws: `ContentError` with code `.cutGone`, `SQLError`, or what `body` throws.
    public func read(
        after position: ScanPosition?, through end: ScanPosition? = nil, limit: Int? = nil, in session: any SQLSession,
        _ body: (ItemRow) throws -> SQLScan
    ) throws {
        try checkCut(in: session)
        guard !readable.isNothing else { return }
        var statement = ScanStatement(scan: self, dialect: session.dialect)
        statement.build(
            after: position, through: end, isFiltered: true, isBackwards: false, hasBody: true,
            hasVersions: try hasVersions(in: session), limit: limit, offset: nil)
        let first = statement.keyCount
        try session.scan(statement.text, arguments: statement.arguments) { try body(ItemRow(row: $0, first: first)) }
    }

    /// How many rows match: reads all of them.
    public func count(in session: any SQLSession) throws -> Int {
        var total = 0
        try read(after: nil, in: session) { _ in
            total += 1
            return .next
        }
        return total
    }

    private func place(
        after position: ScanPosition?, skipping: Int, isBackwards: Bool = false, in session: any SQLSession
    ) throws -> ScanPosition? {
        try checkCut(in: session)
        var isFiltered = false
        if case .indexed = plan { isFiltered = true }
        if isFiltered, readable.isNothing { return nil }
        var statement = ScanStatement(scan: self, dialect: session.dialect)
        statement.build(
            after: position, through: nil, isFiltered: isFiltered, isBackwards: isBackwards, hasBody: false,
            hasVersions: try hasVersions(in: session), limit: 1, offset: skipping)
        let keys = statement.keyCount
        return try session.first(statement.text, arguments: statement.arguments) { row in
            ScanPosition(keys: (0..<keys).map { ScanPosition.Key(row[$0]) }, id: row.string(keys))
        }
    }

    /// Where few of the rows are looked for, the way to them is what costs: it is gone once, and not again from the other end.
    private func lastPlace(after position: ScanPosition?, rows: Int, in session: any SQLSession) throws -> ScanPosition? {
        try checkCut(in: session)
        var statement = ScanStatement(scan: self, dialect: session.dialect)
        statement.build(
            after: position, through: nil, isFiltered: false, isBackwards: false, hasBody: false,
            hasVersions: try hasVersions(in: session), limit: rows, offset: nil)
        let keys = statement.keyCount
        var last: ScanPosition?
        try session.scan(statement.text, arguments: statement.arguments) { row in
            last = ScanPosition(keys: (0..<keys).map { ScanPosition.Key(row[$0]) }, id: row.string(keys))
            return .next
        }
        return last
    }

    private func checkCut(in session: any SQLSession) throws {
        guard try ContentStore().isHeld(cut, in: session) else { throw ContentError(.cutGone, "the cut is not held any more") }
    }

    private func hasVersions(in session: any SQLSession) throws -> Bool {
        try ContentStore().hasVersions(type: type.id, space: cut.space, in: session)
    }

    /// What a scan is sorted by: fields, then the id, which tells any two rows apart.
    struct Order {
        var fields: [(field: ContentField, isDescending: Bool)] = []
        var isIDDescending = false
    }

    /// The fields that can be sorted by: indexed ones with one value.
    static func order(of sort: [ItemSort], in type: ContentType) throws(ContentError) -> Order {
        guard !sort.isEmpty else { throw ContentError(.badSort, "nothing to sort by") }
        var order = Order()
        for part in sort {
            if part.field == ItemSort.id {
                // Whatever follows finds nothing left to order.
                order.isIDDescending = part.isDescending
                return order
            }
            guard let field = type.field(part.field) else {
                throw ContentError(.badSort, "the type \(type.name) has no field \(part.field)", field: part.field)
            }
            guard field.isIndexed, !field.isList else {
                throw ContentError(
                    .badSort, "one can sort by indexed fields with one value; \(part.field) is none", field: part.field)
            }
            guard field.isIndexReady else {
                throw ContentError(.badSort, "the index of \(part.field) is still being made; try again later", field: part.field)
            }
            order.fields.append((field, part.isDescending))
        }
        return order
    }
}
