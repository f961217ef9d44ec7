import WaybillDatabases

/// The named pieces of SQL in which databases differ when they judge a query or read JSON.
public struct QueryDialect: Sendable {
    private let name: SQLDialect.Name

    public init(_ dialect: SQLDialect) {
        name = dialect.name
    }

    /// Whether a text matches a pattern, case-sensitively. (LIKE folds case on SQLite, so it is GLOB there.)
    public func matches(_ text: String, _ placeholder: String) -> String {
        switch name {
        case .sqlite: "\(text) GLOB \(placeholder)"
        case .postgres: "\(text) LIKE \(placeholder) ESCAPE '\\'"
        }
    }

    /// The pattern to bind for `matches`, its literal characters escaped.
    public func text(of pattern: QueryPattern) -> String {
        pattern.parts.map { part in
            switch (part, name) {
            case (.any, .sqlite): "*"
            case (.any, .postgres): "%"
            case (.one, .sqlite): "?"
            case (.one, .postgres): "_"
            case (.literal(let text), _): escape(text)
            }
        }.joined()
    }

    private func escape(_ text: String) -> String {
        var escaped = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch (name, scalar) {
            case (.sqlite, "*"), (.sqlite, "?"), (.sqlite, "["):
                escaped.append("[")
                escaped.append(scalar)
                escaped.append("]")
            case (.postgres, "%"), (.postgres, "_"), (.postgres, "\\"):
                escaped.append("\\")
                escaped.append(scalar)
            default:
                escaped.append(scalar)
            }
        }
        return String(escaped)
    }

    /// An element of a JSON array in a text column, as a value of its type; NULL where there is none.
    /// - Parameter place: from 0.
    public func element(_ place: Int, of json: String, kind: QueryField.Kind) -> String {
        switch name {
        case .sqlite: "json_extract(\(json), '$[\(place)]')"
        case .postgres: cast("(\(json))::json ->> \(place)", to: kind)
        }
    }

    /// The text of a JSON number as it is stored.
    public func numberText(_ place: Int, of json: String) -> String {
        switch name {
        case .sqlite: "(\(json) -> '$[\(place)]')"
        case .postgres: "((\(json))::json ->> \(place)) COLLATE \"C\""
        }
    }

    /// What stands after FROM to have a row for each element of a list that is an array or absent, and the element as a value.
    public func elements(_ place: Int, of json: String, kind: QueryField.Kind) -> (from: String, value: String) {
        switch name {
        case .sqlite: ("json_each(\(json), '$[\(place)]') AS element", "element.value")
        case .postgres:
            ("json_array_elements_text((\(json))::json -> \(place)) AS element(value)", cast("element.value", to: kind))
        }
    }

    /// The elements of a JSON array of integers that is bound to a placeholder, for `IN (…)`.
    public func integers(_ placeholder: String) -> String {
        switch name {
        case .sqlite: "SELECT value FROM json_each(\(placeholder))"
        case .postgres: "SELECT value::bigint FROM json_array_elements_text(\(placeholder)::json)"
        }
    }

    /// The elements of a JSON array of texts that is bound to a placeholder, for `IN (…)`.
    public func texts(_ placeholder: String) -> String {
        switch name {
        case .sqlite: "SELECT value FROM json_each(\(placeholder))"
        case .postgres: "SELECT value COLLATE \"C\" FROM json_array_elements_text(\(placeholder)::json)"
        }
    }

    private func cast(_ text: String, to kind: QueryField.Kind) -> String {
        switch kind {
        case .text, .tags, .reference, .datetime, .json: "(\(text)) COLLATE \"C\""
        case .integer: "(\(text))::bigint"
        case .number: "(\(text))::double precision"
        case .boolean: "(\(text))::boolean::integer"
        }
    }
}
