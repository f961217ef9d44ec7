/// A checked query: every name is a field, every value is of its type.
public indirect enum QueryExpression: Hashable, Sendable {
    /// True for every row.
    case everything
    /// True where all are true.
    case all([QueryExpression])
    /// True where one at least is true.
    case any([QueryExpression])
    /// True where the other is not, rows without the field included.
    case not(QueryExpression)
    case test(QueryTest)

    /// The tests that every matching row passes: those joined by AND at the top.
    public var requiredTests: [QueryTest] {
        switch self {
        case .test(let test): [test]
        case .all(let parts): parts.flatMap(\.requiredTests)
        case .everything, .any, .not: []
        }
    }

    /// The names of the fields that are tested.
    public var fieldNames: Set<String> {
        switch self {
        case .everything: []
        case .all(let parts), .any(let parts): parts.reduce(into: []) { $0.formUnion($1.fieldNames) }
        case .not(let part): part.fieldNames
        case .test(let test): [test.field.name]
        }
    }
}

/// One condition on one field. On a list it holds if one element at least fulfils it.
public struct QueryTest: Hashable, Sendable {
    public var field: QueryField
    public var condition: QueryCondition

    public init(field: QueryField, condition: QueryCondition) {
        self.field = field
        self.condition = condition
    }
}

public enum QueryCondition: Hashable, Sendable {
    /// The field has a value.
    case exists
    case equals(QueryValue)
    /// Between two ends; one of them at least is given.
    case range(lower: QueryBound?, upper: QueryBound?)
    case matches(QueryPattern)
}

/// One end of a range.
public struct QueryBound: Hashable, Sendable {
    public var value: QueryValue
    public var isIncluded: Bool

    public init(_ value: QueryValue, isIncluded: Bool) {
        self.value = value
        self.isIncluded = isIncluded
    }
}

/// A value of a field's type.
public enum QueryValue: Hashable, Sendable {
    /// Compared bytewise, as UTF-8. (`==` on this enum is Swift's own comparison of strings; use `order`.)
    case text(String)
    case integer(Int64)
    case number(Double)
    case boolean(Bool)
    /// Microseconds since 1970.
    case instant(Int64)

    /// -1, 0 or 1 as this value comes before, with or after the other; nil if they can't be compared.
    public func order(to other: QueryValue) -> Int? {
        switch (self, other) {
        case (.text(let left), .text(let right)):
            if left.utf8.elementsEqual(right.utf8) { return 0 }
            return left.utf8.lexicographicallyPrecedes(right.utf8) ? -1 : 1
        case (.integer(let left), .integer(let right)), (.instant(let left), .instant(let right)):
            return left == right ? 0 : left < right ? -1 : 1
        case (.number(let left), .number(let right)):
            return left == right ? 0 : left < right ? -1 : left > right ? 1 : nil
        case (.boolean(let left), .boolean(let right)):
            return left == right ? 0 : right ? -1 : 1
        default:
            return nil
        }
    }
}
