/// The characters of a query, and the words made of them.
struct QueryReader {
    private let scalars: [Unicode.Scalar]
    private var index = 0

    init(_ text: String) {
        scalars = Array(text.unicodeScalars)
    }

    /// Of the next character, from 1.
    var position: Int { index + 1 }
    var atEnd: Bool { index >= scalars.count }
    var peek: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

    mutating func advance() { index += 1 }

    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard peek == scalar else { return false }
        index += 1
        return true
    }

    mutating func skipSpace() {
        while let next = peek, next.properties.isWhitespace { index += 1 }
    }

    func error(_ code: QueryError.Code, _ message: String, field: String? = nil) -> QueryError {
        let token = scalars[min(index, scalars.count)...].prefix { !$0.properties.isWhitespace }.prefix(40)
        return QueryError(
            code, message, position: position, field: field,
            token: token.isEmpty ? nil : String(String.UnicodeScalarView(token)))
    }

    /// Takes a keyword (which ends at a space, a bracket or the end) or its sign, after spaces.
    mutating func takeOperator(_ keyword: String, _ sign: String) -> Bool {
        skipSpace()
        guard !takeKeyword(keyword) else { return true }
        guard isAt(sign) else { return false }
        index += sign.unicodeScalars.count
        return true
    }

    func isAtOperator(_ keyword: String, _ sign: String) -> Bool {
        var copy = self
        return copy.takeOperator(keyword, sign)
    }

    mutating func takeKeyword(_ keyword: String) -> Bool {
        guard isAt(keyword) else { return false }
        let end = index + keyword.unicodeScalars.count
        if end < scalars.count {
            let next = scalars[end]
            guard next.properties.isWhitespace || "()[]{}\"".unicodeScalars.contains(next) else { return false }
        }
        index = end
        return true
    }

    private func isAt(_ text: String) -> Bool {
        scalars[min(index, scalars.count)...].starts(with: text.unicodeScalars)
    }

    /// A quoted text or a word; something at least must be there.
    mutating func literal(in field: String?) throws(QueryError) -> QueryLiteral {
        if peek == "\"" { return try quoted() }
        let start = index
        let word = try word(endsAtColon: false)
        guard !word.parts.isEmpty else { throw error(.syntax, "a value is expected here", field: field) }
        if scalars[start] == "/", index - start > 1, scalars[index - 1] == "/" {
            throw QueryError(
                .unsupported, "regular expressions are not supported; put the value in quotes to mean its characters",
                position: start + 1, field: field, token: word.text)
        }
        return word
    }

    /// Characters up to a space, a bracket, a quote or an operator; a backslash takes the next one as it is.
    mutating func word(endsAtColon: Bool) throws(QueryError) -> QueryLiteral {
        let start = index
        var parts: [QueryPattern.Part] = []
        var text = String.UnicodeScalarView()
        func flush() {
            if !text.isEmpty { parts.append(.literal(String(text))) }
            text = String.UnicodeScalarView()
        }
        while let next = peek {
            if next.properties.isWhitespace || "()[]{}\"".unicodeScalars.contains(next) { break }
            if endsAtColon, next == ":" { break }
            if isAt("&&") || isAt("||") { break }
            index += 1
            switch next {
            case "\\":
                guard let escaped = peek else {
                    throw QueryError(.syntax, "a backslash needs a character after it", position: index, token: "\\")
                }
                text.append(escaped)
                index += 1
            case "*":
                flush()
                if parts.last != .any { parts.append(.any) }
            case "?":
                flush()
                parts.append(.one)
            case "~", "^":
                index -= 1
                throw error(.unsupported, "~ and ^ are not supported; write \\~ or \\^ for the characters themselves")
            default:
                text.append(next)
            }
        }
        flush()
        return QueryLiteral(parts: parts, position: start + 1, isQuoted: false)
    }

    private mutating func quoted() throws(QueryError) -> QueryLiteral {
        let start = index
        index += 1
        var text = String.UnicodeScalarView()
        while let next = peek {
            index += 1
            switch next {
            case "\"":
                return QueryLiteral(parts: [.literal(String(text))], position: start + 1, isQuoted: true)
            case "\\":
                guard let escaped = peek else { break }
                text.append(escaped)
                index += 1
            default:
                text.append(next)
            }
        }
        throw QueryError(.unbalanced, "this quote is not closed", position: start + 1, token: "\"")
    }
}
