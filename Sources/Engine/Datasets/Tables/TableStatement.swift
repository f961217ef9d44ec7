import WaybillDatabases

/// A statement in the making. Values are bound, never written.
struct TableStatement {
    var arguments: [SQLValue] = []
    private(set) var conditions: [String] = []
    let dialect: TableDialect

    init(_ dialect: TableDialect) {
        self.dialect = dialect
    }

    mutating func bind(_ value: SQLValue) -> String {
        arguments.append(value)
        return "$\(arguments.count)"
    }

    mutating func bind(_ value: KeysetCursor.Value) -> String {
        let placeholder = bind(value.sqlValue)
        if case .brokenText = value { return dialect.brokenText(placeholder) }
        return placeholder
    }

    mutating func add(_ condition: String?) {
        if let condition { conditions.append(condition) }
    }

    mutating func add(_ query: QueryExpression, by resolver: DatasetResolver) {
        let compiled = query.compiled(for: dialect.dialect, by: resolver, from: arguments.count + 1)
        arguments += compiled.arguments
        conditions.append(compiled.text)
    }

    /// ` WHERE …`, or nothing.
    var filter: String { conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ") }
}
