import Datasets
import WaybillDatabases

/// Writes the statements of a scan: the rows of the cut that are still the present ones, and those that have become versions,
/// merged in the order of the scan.
struct ScanStatement {
    private(set) var text = ""
    private(set) var arguments: [SQLValue] = []
    /// Columns before the id: what the scan is sorted by.
    private(set) var keyCount = 0
    private let scan: ItemScan
    private let dialect: SQLDialect
    /// With its first key expression given by the index.
    private var sort: [(field: ContentField, isDescending: Bool)] = []
    private var isIDDescending = false

    /// The rows that are still present, and those that were replaced.
    private enum Branch {
        case present, versions
        var rows: String { self == .present ? "i" : "v" }
    }

    init(scan: ItemScan, dialect: SQLDialect) {
        self.scan = scan
        self.dialect = dialect
        if case .sorted(let parts) = scan.plan, let order = try? ItemScan.order(of: parts, in: scan.type) {
            sort = order.fields
            isIDDescending = order.isIDDescending
        }
    }

    private mutating func bind(_ value: SQLValue) -> String {
        arguments.append(value)
        return "$\(arguments.count)"
    }

    mutating func build(
        after: ScanPosition?, through: ScanPosition?, isFiltered: Bool, isBackwards: Bool, hasBody: Bool, hasVersions: Bool,
        limit: Int?, offset: Int?
    ) {
        keyCount = sorting(.present).count
        // Shared by all branches: $1 space, $2 type.
        arguments = [.integer(scan.cut.space), .integer(scan.type.id)]
        var branches: [String] = []
        for branch in hasVersions ? [Branch.present, .versions] : [.present] {
            branches.append(select(branch, after: after, through: through, isFiltered: isFiltered, hasBody: hasBody))
        }
        text = branches.joined(separator: " UNION ALL ")
        let directions = sorting(.present).map(\.isDescending) + [isIDDescending]
        text +=
            " ORDER BY "
            + directions.enumerated().map { column, isDescending in
                "\(column + 1)\(isDescending != isBackwards ? " DESC" : "")"
            }.joined(separator: ", ")
        if let limit { text += " LIMIT \(bind(.integer(Int64(max(0, limit)))))" }
        if let offset, offset > 0 { text += " OFFSET \(bind(.integer(Int64(offset))))" }
    }

    /// The expressions of the order before the id, and their directions.
    private func sorting(_ branch: Branch) -> [(sql: String, isDescending: Bool)] {
        let resolver = ItemResolver(type: scan.type, rows: branch.rows, dialect: dialect)
        return sort.enumerated().flatMap { index, part in
            index == 0 ? [("s.value", part.isDescending)] : resolver.sortKeys(of: part.field).map { ($0, part.isDescending) }
        }
    }

    private mutating func select(
        _ branch: Branch, after: ScanPosition?, through: ScanPosition?, isFiltered: Bool, hasBody: Bool
    ) -> String {
        let rows = branch.rows
        let keys = sorting(branch)
        var columns = keys.enumerated().map { "\($1.sql) AS k\($0)" } + ["\(rows).id AS id"]
        if hasBody { columns += ["\(rows).language", "\(rows).acl", "\(rows).body"] }
        var conditions = ["\(rows).space = $1", "\(rows).type_id = $2"]
        let from = source(branch, after: after, through: through, &conditions)
        let order = keys + [("\(rows).id", isIDDescending)]
        let epoch = bind(.integer(scan.cut.epoch))
        conditions.append("\(rows).epoch <= \(epoch)")
        if branch == .versions { conditions.append("v.until_epoch > \(epoch)") }
        if let since = scan.changedAfter { conditions.append("\(rows).epoch > \(bind(.integer(since)))") }
        if let after { conditions.append(beyond(after, order)) }
        if let through {
            let isWithin = isIDDescending ? ">=" : "<="
            conditions.append(
                sort.isEmpty ? "\(rows).id \(isWithin) \(bind(.text(through.id)))" : "NOT (\(beyond(through, order)))")
        }
        if isFiltered { addFilters(branch, &conditions) }
        return "SELECT \(columns.joined(separator: ", ")) FROM \(from) WHERE \(conditions.joined(separator: " AND "))"
    }

    /// The tables of a branch, with the conditions that lead from the index to the rows.
    private mutating func source(
        _ branch: Branch, after: ScanPosition?, through: ScanPosition?, _ conditions: inout [String]
    ) -> String {
        let rows = branch.rows
        let table = branch == .present ? "content_items AS i" : "content_versions AS v"
        switch scan.plan {
        case .clustered:
            return table
        case .indexed(let index, let span):
            // Versions are few, and all their conditions are looked at anyway.
            guard branch == .present else { return table }
            var inner = ["x.space = $1", "x.type_id = $2", "x.field_id = \(bind(.integer(index)))"] + bounds(of: span, "x.value")
            if let after { inner.append("x.id > \(bind(.text(after.id)))") }
            if let through { inner.append("x.id <= \(bind(.text(through.id)))") }
            conditions.append("i.id = c.id")
            // By id an equal value is in order already; else the rows are made so, each once.
            let distinct = span.isEquality ? "" : "DISTINCT "
            return "(SELECT \(distinct)x.id FROM content_index AS x WHERE \(inner.joined(separator: " AND ")) ORDER BY x.id) AS c"
                + " CROSS JOIN \(table)"
        case .sorted where sort.isEmpty:
            return table
        case .sorted:
            let index = branch == .present ? "content_index" : "content_version_index"
            let id = sort.first?.field.indexID ?? 0
            conditions += ["s.space = $1", "s.type_id = $2", "s.field_id = \(bind(.integer(id)))", "\(rows).id = s.id"]
            if branch == .versions { conditions.append("v.until_epoch = s.until_epoch") }
            // What the order says in full is said of its first column alone, too, for the index to begin and end there.
            let isDescending = sort.first?.isDescending ?? false
            if let key = after?.keys.first { conditions.append("s.value \(isDescending ? "<=" : ">=") \(bind(key.value))") }
            if let key = through?.keys.first { conditions.append("s.value \(isDescending ? ">=" : "<=") \(bind(key.value))") }
            return "\(index) AS s CROSS JOIN \(table)"
        }
    }

    private mutating func bounds(of span: IndexSpan, _ column: String) -> [String] {
        switch span.span {
        case .equal(let value): return ["\(column) = \(bind(.text(value)))"]
        case .between(let lower, let upper, let includesEnd):
            return ["\(column) >= \(bind(.text(lower)))", "\(column) \(includesEnd ? "<=" : "<") \(bind(.text(upper)))"]
        }
    }

    /// True of rows that come after a place: `a > x OR (a = x AND (b > y OR …))`.
    private mutating func beyond(_ position: ScanPosition, _ order: [(sql: String, isDescending: Bool)]) -> String {
        let values = position.keys.map(\.value) + [.text(position.id)]
        guard values.count == order.count else { return "1 = 0" }
        var text = ""
        for (index, part) in order.enumerated() {
            let value = bind(values[index])
            let comparison = "\(part.sql) \(part.isDescending ? "<" : ">") \(value)"
            text += index == order.count - 1 ? comparison : "(\(comparison) OR (\(part.sql) = \(value) AND "
        }
        return text + String(repeating: "))", count: order.count - 1)
    }

    private mutating func addFilters(_ branch: Branch, _ conditions: inout [String]) {
        let rows = branch.rows
        if case .only(let ids) = scan.readable {
            if ids.count <= 32 {
                conditions.append("\(rows).acl IN (\(ids.map { bind(.integer($0)) }.joined(separator: ", ")))")
            } else {
                let list = bind(.text("[" + ids.map(String.init).joined(separator: ",") + "]"))
                conditions.append("\(rows).acl IN (\(QueryDialect(dialect).integers(list)))")
            }
        }
        if !scan.languages.isEmpty {
            conditions.append("\(rows).language IN (\(scan.languages.map { bind(.text($0)) }.joined(separator: ", ")))")
        }
        if let query = scan.query, query != .everything {
            let resolver = ItemResolver(type: scan.type, rows: rows, dialect: dialect)
            let compiled = query.compiled(for: dialect, by: resolver, from: arguments.count + 1)
            arguments += compiled.arguments
            conditions.append("(\(compiled.text))")
        }
    }
}
