/// What the parser read, before names and types are checked.
indirect enum QuerySyntax {
    case everything
    case all([QuerySyntax])
    case any([QuerySyntax])
    case not(QuerySyntax)
    case term(QueryName, QueryTerm)
}

/// A field's name as it was written.
struct QueryName {
    var text: String
    var position: Int
}

/// What is asked of a field.
enum QueryTerm {
    case exists
    case value(QueryLiteral)
    case range(QueryEnd?, QueryEnd?)
}

/// A value as it was written, unescaped.
struct QueryLiteral {
    var parts: [QueryPattern.Part]
    var position: Int
    var isQuoted: Bool

    /// The text; wildcards as they were written.
    var text: String {
        parts.map {
            switch $0 {
            case .literal(let text): text
            case .any: "*"
            case .one: "?"
            }
        }.joined()
    }

    /// Whether the literal is nothing but an unquoted `*`.
    var isOpen: Bool { parts == [.any] }

    /// Whether a word begins like `name:`.
    var namesField: Bool {
        guard !isQuoted, case .literal(let text)? = parts.first, let colon = text.firstIndex(of: ":") else { return false }
        let name = text[..<colon]
        return name.first.map { $0.isLetter || $0 == "_" } ?? false && name.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
    }

    var hasWildcards: Bool {
        parts.contains { part in
            if case .literal = part { return false }
            return true
        }
    }
}

/// One end of a range.
struct QueryEnd {
    var literal: QueryLiteral
    var isIncluded: Bool
}
