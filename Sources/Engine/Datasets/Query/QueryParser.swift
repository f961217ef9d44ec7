/// Reads the text of a query. Positions are Unicode scalars, told from 1.
struct QueryParser {
    private var reader: QueryReader
    private var depth = 0
    private var terms = 0

    init(_ text: String) {
        reader = QueryReader(text)
    }

    mutating func parse() throws(QueryError) -> QuerySyntax {
        reader.skipSpace()
        guard !reader.atEnd else { throw QueryError(.syntax, "the query is empty; *:* is true for every row", position: 1) }
        let syntax = try alternatives(of: nil)
        reader.skipSpace()
        guard reader.atEnd else { throw reader.error(.unbalanced, "this closes nothing that was opened") }
        return syntax
    }

    /// `a OR b OR c`, of terms, or of values if `field` is given.
    private mutating func alternatives(of field: QueryName?) throws(QueryError) -> QuerySyntax {
        var parts: [QuerySyntax] = []
        var plus: Int?
        repeat {
            let (part, plusAt) = try conjunction(of: field)
            parts.append(part)
            plus = plus ?? plusAt
        } while reader.takeOperator("OR", "||")
        guard parts.count > 1 else { return parts[0] }
        if let plus {
            throw QueryError(
                .unsupported, "+ beside OR is not supported; join with AND and OR, and parentheses", position: plus, token: "+")
        }
        return .any(parts)
    }

    /// `a AND b c`: terms joined by AND, or by standing side by side. Also tells where a `+` stood.
    private mutating func conjunction(of field: QueryName?) throws(QueryError) -> (QuerySyntax, plus: Int?) {
        var parts: [QuerySyntax] = []
        var plus: Int?
        while true {
            let (part, plusAt) = try negation(of: field)
            parts.append(part)
            plus = plus ?? plusAt
            if reader.takeOperator("AND", "&&") { continue }
            reader.skipSpace()
            if reader.atEnd || reader.peek == ")" || reader.isAtOperator("OR", "||") { break }
        }
        return (parts.count == 1 ? parts[0] : .all(parts), plus)
    }

    /// A term after any number of `NOT`, `!`, `-` and `+`.
    private mutating func negation(of field: QueryName?) throws(QueryError) -> (QuerySyntax, plus: Int?) {
        var isNegated = false
        var plus: Int?
        while true {
            reader.skipSpace()
            if reader.takeOperator("NOT", "!") || reader.take("-") {
                isNegated.toggle()
            } else if reader.peek == "+" {
                plus = plus ?? reader.position
                reader.advance()
            } else {
                break
            }
        }
        let part = try primary(of: field)
        return (isNegated ? .not(part) : part, plus)
    }

    private mutating func primary(of field: QueryName?) throws(QueryError) -> QuerySyntax {
        reader.skipSpace()
        guard !reader.atEnd else { throw reader.error(.syntax, "the query breaks off; a term is expected here") }
        if reader.isAtOperator("OR", "||") || reader.isAtOperator("AND", "&&") {
            throw reader.error(.syntax, "a term is expected here")
        }
        if reader.peek == "(" { return try group(of: field) }
        guard reader.peek != ")" else { throw reader.error(depth > 0 ? .syntax : .unbalanced, "a term is expected before )") }
        if let field { return try term(field, inGroup: true) }
        return try fieldTerm()
    }

    private mutating func group(of field: QueryName?) throws(QueryError) -> QuerySyntax {
        let open = reader.position
        depth += 1
        guard depth <= Query.depthMax else {
            throw QueryError(.tooDeep, "parentheses are nested deeper than \(Query.depthMax)", position: open)
        }
        reader.advance()
        let inner = try alternatives(of: field)
        reader.skipSpace()
        guard reader.take(")") else {
            throw QueryError(.unbalanced, "this parenthesis is not closed", position: open, token: "(")
        }
        depth -= 1
        try refuseSuffix()
        return inner
    }

    /// `name:…`, `_exists_:name` or `*:*`.
    private mutating func fieldTerm() throws(QueryError) -> QuerySyntax {
        let name = try reader.word(endsAtColon: true)
        guard reader.peek == ":", !name.parts.isEmpty else {
            let hint = ["and", "or", "not"].contains(name.text.lowercased()) ? "; operators are written in capitals" : ""
            throw QueryError(
                .missingField, "a value needs a field before it, as in field:value\(hint)", position: name.position,
                token: name.text)
        }
        reader.advance()
        if name.isOpen {
            try countTerm(at: name.position)
            let value = try reader.word(endsAtColon: false)
            guard value.isOpen else {
                throw QueryError(.unsupported, "only *:* can be asked of all fields", position: name.position, token: "*")
            }
            return .everything
        }
        guard !name.hasWildcards else {
            throw QueryError(
                .unsupported, "a field's name can't hold wildcards", position: name.position, token: name.text)
        }
        if name.text == "_exists_" {
            try countTerm(at: name.position)
            let asked = try reader.word(endsAtColon: false)
            guard !asked.parts.isEmpty else { throw reader.error(.syntax, "the name of a field is expected here") }
            return .term(QueryName(text: asked.text, position: asked.position), .exists)
        }
        let field = QueryName(text: name.text, position: name.position)
        reader.skipSpace()
        return reader.peek == "(" ? try group(of: field) : try term(field, inGroup: false)
    }

    /// What is asked of a field: a range, a comparison, a quoted text or a word.
    private mutating func term(_ field: QueryName, inGroup: Bool) throws(QueryError) -> QuerySyntax {
        let start = reader.position
        try countTerm(at: start)
        let term: QueryTerm
        switch reader.peek {
        case "[", "{": term = try range(field)
        case ">", "<": term = try comparison()
        default:
            let literal = try reader.literal(in: field.text)
            if inGroup, literal.namesField {
                throw QueryError(
                    .syntax, "this names a field inside the group of \(field.text); put a value with a colon in quotes",
                    position: literal.position, field: field.text, token: literal.text)
            }
            term = literal.isOpen && !literal.isQuoted ? .exists : .value(literal)
        }
        try refuseSuffix()
        return .term(field, term)
    }

    private mutating func comparison() throws(QueryError) -> QueryTerm {
        let isLower = reader.peek == ">"
        reader.advance()
        let isIncluded = reader.take("=")
        reader.skipSpace()
        let literal = try reader.literal(in: nil)
        guard !literal.isOpen, !literal.hasWildcards else {
            throw QueryError(.syntax, "a comparison needs a value", position: literal.position, token: literal.text)
        }
        let end = QueryEnd(literal: literal, isIncluded: isIncluded)
        return isLower ? .range(end, nil) : .range(nil, end)
    }

    private mutating func range(_ field: QueryName) throws(QueryError) -> QueryTerm {
        let open = reader.position
        let includesLower = reader.peek == "["
        reader.advance()
        let lower = try rangeEnd(field)
        reader.skipSpace()
        guard reader.takeKeyword("TO") else {
            throw reader.error(.syntax, "a range is written [a TO b]; TO is expected here", field: field.text)
        }
        let upper = try rangeEnd(field)
        reader.skipSpace()
        guard let close = reader.peek, close == "]" || close == "}" else {
            throw QueryError(.unbalanced, "this range is not closed", position: open, field: field.text)
        }
        reader.advance()
        let from = lower.isOpen && !lower.isQuoted ? nil : QueryEnd(literal: lower, isIncluded: includesLower)
        let through = upper.isOpen && !upper.isQuoted ? nil : QueryEnd(literal: upper, isIncluded: close == "]")
        return from == nil && through == nil ? .exists : .range(from, through)
    }

    private mutating func rangeEnd(_ field: QueryName) throws(QueryError) -> QueryLiteral {
        reader.skipSpace()
        let literal = try reader.literal(in: field.text)
        guard literal.isQuoted || literal.isOpen || !literal.hasWildcards else {
            throw QueryError(
                .syntax, "an end of a range is a value or *", position: literal.position, field: field.text, token: literal.text)
        }
        return literal
    }

    private mutating func countTerm(at position: Int) throws(QueryError) {
        terms += 1
        guard terms <= Query.termsMax else {
            throw QueryError(.tooManyTerms, "the query has more than \(Query.termsMax) terms", position: position)
        }
    }

    /// Boosts and fuzzy searches are Lucene's ways of ranking; an export has no ranks.
    private func refuseSuffix() throws(QueryError) {
        guard reader.peek == "~" || reader.peek == "^" else { return }
        throw reader.error(.unsupported, "~ and ^ are not supported; write \\~ or \\^ for the characters themselves")
    }
}
