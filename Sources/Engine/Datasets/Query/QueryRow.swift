/// A row whose fields can be read, for judging a query outside the database.
public protocol QueryRow {
    /// The values of a field: none if it is absent, one, or a list's elements. Values of kind `json` may be given as any
    /// value; they are only tested for existence.
    func values(of field: QueryField) -> [QueryValue]
}

extension QueryExpression {
    /// Whether the row matches. The database's judgement of the compiled query is the same.
    public func matches(_ row: some QueryRow) -> Bool {
        switch self {
        case .everything: true
        case .all(let parts): parts.allSatisfy { $0.matches(row) }
        case .any(let parts): parts.contains { $0.matches(row) }
        case .not(let part): !part.matches(row)
        case .test(let test): row.values(of: test.field).contains { test.condition.holds(for: $0) }
        }
    }
}

extension QueryCondition {
    /// Whether one value fulfils the condition.
    public func holds(for value: QueryValue) -> Bool {
        switch self {
        case .exists: return true
        case .equals(let other): return value.order(to: other) == 0
        case .range(let lower, let upper):
            if let lower {
                guard let order = value.order(to: lower.value), order > 0 || (order == 0 && lower.isIncluded) else {
                    return false
                }
            }
            if let upper {
                guard let order = value.order(to: upper.value), order < 0 || (order == 0 && upper.isIncluded) else {
                    return false
                }
            }
            return true
        case .matches(let pattern):
            guard case .text(let text) = value else { return false }
            return pattern.matches(text)
        }
    }
}
