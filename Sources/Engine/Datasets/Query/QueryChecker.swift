/// Turns what was read into a checked expression.
struct QueryChecker {
    var schema: QuerySchema

    func check(_ syntax: QuerySyntax) throws(QueryError) -> QueryExpression {
        switch syntax {
        case .everything: return .everything
        case .all(let parts): return .all(try check(parts))
        case .any(let parts): return .any(try check(parts))
        case .not(let part): return .not(try check(part))
        case .term(let name, let term):
            guard let field = schema.field(name.text) else {
                throw QueryError(
                    .unknownField, "there is no field \(name.text)", position: name.position, field: name.text, token: name.text)
            }
            return try check(term, of: field, at: name.position)
        }
    }

    private func check(_ parts: [QuerySyntax]) throws(QueryError) -> [QueryExpression] {
        var checked: [QueryExpression] = []
        for part in parts { checked.append(try check(part)) }
        return checked
    }

    private func check(_ term: QueryTerm, of field: QueryField, at position: Int) throws(QueryError) -> QueryExpression {
        if case .exists = term { return .test(QueryTest(field: field, condition: .exists)) }
        guard field.kind != .json else {
            throw QueryError(
                .notSearchable, "\(field.name) holds JSON; only \(field.name):* can be asked of it", position: position,
                field: field.name)
        }
        let reader = QueryValueReader(field: field)
        switch term {
        case .exists:
            return .test(QueryTest(field: field, condition: .exists))
        case .value(let literal):
            if !literal.isQuoted, literal.hasWildcards { return .test(try pattern(literal, of: field)) }
            return .test(QueryTest(field: field, condition: try reader.equality(literal)))
        case .range(let lower, let upper):
            let from = try lower.map { (end) throws(QueryError) in try reader.lower(end) } ?? nil
            let through = try upper.map { (end) throws(QueryError) in try reader.upper(end) } ?? nil
            return .test(QueryTest(field: field, condition: .range(lower: from, upper: through)))
        }
    }

    private func pattern(_ literal: QueryLiteral, of field: QueryField) throws(QueryError) -> QueryTest {
        guard [.text, .tags, .reference].contains(field.kind) else {
            throw QueryError(
                .wrongType, "wildcards are for text; \(field.name) is \(field.kind.rawValue)", position: literal.position,
                field: field.name, token: literal.text)
        }
        guard literal.parts.filter({ $0 == .any }).count <= Query.wildcardsMax else {
            throw QueryError(
                .tooManyTerms, "a value may hold \(Query.wildcardsMax) times *", position: literal.position, field: field.name)
        }
        return QueryTest(field: field, condition: .matches(QueryPattern(literal.parts)))
    }
}
