import WaybillDatabases

/// The order in which the rows of a table are read, which is that of its database: NULL first, then numbers, texts (on SQLite
/// bytewise unless the column was declared otherwise), and bytes.
struct TableOrder: Sendable {
    struct Term: Sendable {
        /// The column, for the cursor.
        var column: String
        /// What is ordered and compared.
        var sql: String
        var isDescending = false
        var isNullable: Bool
    }

    /// Columns to sort by, the key, and what tells rows with the same key apart.
    var terms: [Term]
    /// No two rows are equal in all of them. Otherwise only a pass from the first row to the last one meets each row once.
    var isTotal: Bool

    /// - Throws: `DatasetError` with code `.badSort`.
    init(_ dataset: ExternalDataset, sort: [TableSort], dialect: TableDialect) throws(DatasetError) {
        let table = dataset.table
        let key = dataset.columns[0].column
        func term(_ column: String, _ isDescending: Bool = false) -> Term {
            let name = TableDialect.quoted(column)
            return Term(
                // How the columns of a view compare depends on what they are made of.
                column: column, sql: table.isView ? dialect.viewed(name) : name, isDescending: isDescending,
                isNullable: !table.columns.contains { $0.name == column && $0.isNotNull })
        }
        var terms: [Term] = []
        for part in sort {
            guard let column = dataset.columns.first(where: { $0.name == part.field }) else {
                throw DatasetError(.badSort, dataset: dataset.name, "it has no field \(part.field) to sort by", field: part.field)
            }
            if !terms.contains(where: { $0.column == column.column }) { terms.append(term(column.column, part.isDescending)) }
        }
        if !terms.contains(where: { $0.column == key }) { terms.append(term(key)) }
        isTotal = true
        let isUnique = table.rowNumberColumn == key || (table.uniqueKeys.contains([key]) && !term(key).isNullable)
        if !isUnique {
            let whole = table.uniqueKeys.first { columns in columns.allSatisfy { name in !term(name).isNullable } }
            if let number = table.rowNumber {
                terms.append(Term(column: number, sql: TableDialect.quoted(number), isNullable: false))
            } else if let whole {
                terms += whole.filter { $0 != key }.map { term($0) }
            } else {
                isTotal = false
                let used = Set(terms.map(\.column))
                terms += table.columns.filter { !used.contains($0.name) }.map { column in
                    var term = term(column.name)
                    if !dialect.isOrdered(column) { term.sql = dialect.plainText(term.sql) }
                    return term
                }
            }
        }
        self.terms = terms
    }

    func sql(for dialect: TableDialect) -> String {
        terms.map { term in
            term.sql + (term.isDescending ? " DESC" : "")
                + dialect.nulls(isDescending: term.isDescending, isNullable: term.isNullable)
        }.joined(separator: ", ")
    }

    /// The rows behind a place. Fewer values than terms stand for all rows that begin with them.
    func behind(_ values: [KeysetCursor.Value], in statement: inout TableStatement) -> String {
        var placeholders: [String] = []
        var equal: [String] = []
        var ways: [String] = []
        for (term, value) in zip(terms, values) {
            placeholders.append(value == .null ? "" : statement.bind(value))
            let placeholder = placeholders[placeholders.count - 1]
            if let further = Self.further(term, value, placeholder) {
                ways.append((equal + [further]).joined(separator: " AND "))
            }
            equal.append(value == .null ? "\(term.sql) IS NULL" : "\(term.sql) = \(placeholder)")
        }
        guard ways.count > 1 else { return ways.first ?? "1 = 0" }
        let any = "(" + ways.map { "(\($0))" }.joined(separator: " OR ") + ")"
        // Said apart, so that a database sees where to begin.
        guard let first = terms.first, !first.isDescending, values[0] != .null else { return any }
        return "\(first.sql) >= \(placeholders[0]) AND \(any)"
    }

    private static func further(_ term: Term, _ value: KeysetCursor.Value, _ placeholder: String) -> String? {
        switch (value == .null, term.isDescending) {
        case (true, false): term.isNullable ? "\(term.sql) IS NOT NULL" : nil
        case (true, true): nil
        case (false, false): "\(term.sql) > \(placeholder)"
        case (false, true):
            term.isNullable ? "(\(term.sql) < \(placeholder) OR \(term.sql) IS NULL)" : "\(term.sql) < \(placeholder)"
        }
    }

    /// Rows up to and with all that have this key, behind a place that was given too. Only where the key is the first term.
    func through(_ value: KeysetCursor.Value, in statement: inout TableStatement) -> String {
        guard value != .null else { return "\(terms[0].sql) IS NULL" }
        return "\(terms[0].sql) <= \(statement.bind(value))"
    }
}

/// One column to sort by.
public struct TableSort: Sendable, Hashable, Codable {
    /// The name of an exported column.
    public var field: String
    public var isDescending: Bool

    public init(field: String, isDescending: Bool = false) {
        self.field = field
        self.isDescending = isDescending
    }
}
