import WaybillDatabases

/// How columns of tables that Waybill has not made are read, where databases differ.
struct TableDialect: Sendable {
    let dialect: SQLDialect

    static func quoted(_ name: String) -> String {
        "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }

    /// A text compared bytewise, in a way that no index is chosen for: rows are read by the key's order, stretch by stretch, and
    /// a plan that went by another index would read all its matches anew for each stretch.
    func plainText(_ column: String) -> String {
        switch dialect.name {
        case .sqlite: "+\(column) COLLATE BINARY"
        case .postgres: "(\(column))::text COLLATE \"C\""
        }
    }

    /// Compared bytewise, where an index is welcome.
    func indexedText(_ column: String) -> String {
        switch dialect.name {
        case .sqlite: "\(column) COLLATE BINARY"
        // Two texts are equal there only if their bytes are, whatever the collation, unless that is made to be otherwise; and an
        // index of another collation would not be used.
        case .postgres: plainText(column)
        }
    }

    /// Rows whose column holds a text, bytewise, where an index is welcome.
    func equals(_ column: SQLTableDescription.Column, _ placeholder: String, isIndexed: Bool) -> String {
        let name = Self.quoted(column.name)
        switch dialect.name {
        case .sqlite: return "\(isIndexed ? indexedText(name) : plainText(name)) = \(placeholder)"
        case .postgres:
            let bytewise = "\(plainText(name)) = \(placeholder)"
            // Said twice: the first finds the rows by an index whatever its collation is, the second sees to it that none folds.
            return isIndexed && isText(column) ? "\(name) = \(placeholder) AND \(bytewise)" : bytewise
        }
    }

    private func isText(_ column: SQLTableDescription.Column) -> Bool {
        column.declaredType == "text" || column.declaredType.hasPrefix("character varying")
    }

    /// Whether values of a column come before and behind each other.
    func isOrdered(_ column: SQLTableDescription.Column) -> Bool {
        let unordered = ["json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle"]
        return dialect.name == .sqlite || !unordered.contains(column.declaredType)
    }

    /// How the columns of a view compare, which on SQLite depends on what they are made of.
    func viewed(_ column: String) -> String { dialect.name == .sqlite ? indexedText(column) : column }

    /// Ends a term to sort by: NULL comes first, and last downwards.
    func nulls(isDescending: Bool, isNullable: Bool) -> String {
        guard dialect.name == .postgres, isNullable else { return "" }
        return isDescending ? " NULLS LAST" : " NULLS FIRST"
    }

    /// A text that is not UTF-8, bound as bytes.
    func brokenText(_ placeholder: String) -> String {
        dialect.name == .sqlite ? "+CAST(\(placeholder) AS TEXT)" : "convert_from(\(placeholder), 'SQL_ASCII')"
    }

    /// What a query compares. A column may hold values of any kind, whatever it was declared, on SQLite; those of another kind
    /// count as absent, since `year:>5` must not find the texts, which come behind all numbers there.
    func value(of column: DatasetColumn) -> QueryColumn {
        let name = Self.quoted(column.column)
        guard dialect.name == .sqlite else { return stricter(column, name) }
        switch column.kind {
        case .text, .tags, .reference:
            return QueryColumn(sql: column.isUntyped ? "CAST(\(name) AS TEXT) COLLATE BINARY" : plainText(name))
        case .integer, .number:
            return QueryColumn(sql: "CASE WHEN typeof(\(name)) IN ('integer', 'real') THEN \(name) END")
        case .boolean:
            let words = "CASE lower(\(name)) WHEN 'true' THEN 1 WHEN 't' THEN 1 WHEN 'false' THEN 0 WHEN 'f' THEN 0 END"
            return QueryColumn(sql: "CASE typeof(\(name)) WHEN 'integer' THEN \(name) <> 0 WHEN 'text' THEN \(words) END")
        case .datetime:
            // Numbers are seconds since 1970, small ones Julian days. It tells milliseconds.
            let numbers = "strftime('%Y-%m-%dT%H:%M:%fZ', \(name), 'auto')"
            let texts = "strftime('%Y-%m-%dT%H:%M:%fZ', \(name))"
            return QueryColumn(
                sql:
                    "CASE WHEN typeof(\(name)) = 'text' THEN \(texts) "
                    + "WHEN typeof(\(name)) IN ('integer', 'real') THEN \(numbers) END",
                encoding: .instantText)
        case .json: return QueryColumn(sql: name)
        }
    }

    /// Where columns hold what they were declared to hold.
    private func stricter(_ column: DatasetColumn, _ name: String) -> QueryColumn {
        switch column.kind {
        case .text, .tags, .reference: QueryColumn(sql: plainText(name))
        case .boolean: QueryColumn(sql: "(\(name))::integer")
        case .datetime:
            QueryColumn(sql: "(extract(epoch FROM \(name)) * 1000000)::bigint", encoding: .instantUnits(perSecond: 1_000_000))
        case .integer, .number, .json: QueryColumn(sql: name)
        }
    }
}

/// Reads the fields of a query from the columns of a dataset.
struct DatasetResolver: QueryColumnResolver {
    let dataset: ExternalDataset
    let dialect: TableDialect

    func source(of field: QueryField) -> QuerySource {
        let column = dataset.columns.first { $0.name == field.name } ?? dataset.columns.first { $0.column == field.name }
        return column.map { .value(dialect.value(of: $0)) } ?? .absent
    }
}
