import Formats
import WaybillDatabases

/// A condition in SQL and the values of its parameters, in the order of their numbers.
public struct QuerySQL: Sendable, Equatable {
    public var text: String
    public var arguments: [SQLValue]

    public init(text: String, arguments: [SQLValue]) {
        self.text = text
        self.arguments = arguments
    }
}

extension QueryExpression {
    /// The condition in SQL, for a WHERE. Values are bound, never written.
    /// - Parameter first: the number of the first parameter.
    public func compiled(for dialect: SQLDialect, by resolver: some QueryColumnResolver, from first: Int = 1) -> QuerySQL {
        var compiler = QueryCompiler(dialect: QueryDialect(dialect), resolver: resolver, next: first)
        let text = compiler.condition(self)
        return QuerySQL(text: text, arguments: compiler.arguments)
    }
}

/// Writes conditions. A test on NULL gives NULL, which counts as false; only NOT has to make it so.
private struct QueryCompiler<Resolver: QueryColumnResolver> {
    var dialect: QueryDialect
    var resolver: Resolver
    var next: Int
    var arguments: [SQLValue] = []

    init(dialect: QueryDialect, resolver: Resolver, next: Int) {
        self.dialect = dialect
        self.resolver = resolver
        self.next = next
    }

    private mutating func bind(_ value: SQLValue) -> String {
        arguments.append(value)
        defer { next += 1 }
        return "$\(next)"
    }

    mutating func condition(_ expression: QueryExpression) -> String {
        switch expression {
        case .everything: "1 = 1"
        case .all(let parts): join(parts, " AND ")
        case .any(let parts): join(parts, " OR ")
        case .not(let part): "(\(condition(part))) IS NOT TRUE"
        case .test(let test): condition(test)
        }
    }

    private mutating func join(_ parts: [QueryExpression], _ word: String) -> String {
        var texts: [String] = []
        for part in parts { texts.append(condition(part)) }
        return "(" + texts.joined(separator: word) + ")"
    }

    private mutating func condition(_ test: QueryTest) -> String {
        switch resolver.source(of: test.field) {
        case .absent: return "1 = 0"
        case .value(let column): return condition(test.condition, column)
        case .elements(let from, let column):
            if case .exists = test.condition { return "EXISTS (SELECT 1 FROM \(from))" }
            return "EXISTS (SELECT 1 FROM \(from) WHERE \(condition(test.condition, column)))"
        }
    }

    private mutating func condition(_ condition: QueryCondition, _ column: QueryColumn) -> String {
        switch condition {
        case .exists:
            return "\(column.sql) IS NOT NULL"
        case .equals(.number(let number)) where column.numberText != nil:
            return "\(column.numberText ?? column.sql) = \(bind(.text(Self.shortest(number))))"
        case .equals(let value):
            return "\(column.sql) = \(bind(Self.value(value, column.encoding)))"
        case .range(let lower, let upper):
            var parts: [String] = []
            if let lower { parts.append(end(lower, column, isLower: true)) }
            if let upper { parts.append(end(upper, column, isLower: false)) }
            return parts.isEmpty ? "\(column.sql) IS NOT NULL" : "(" + parts.joined(separator: " AND ") + ")"
        case .matches(let pattern):
            return dialect.matches(column.sql, bind(.text(dialect.text(of: pattern))))
        }
    }

    private mutating func end(_ bound: QueryBound, _ column: QueryColumn, isLower: Bool) -> String {
        let comparison = (isLower ? ">" : "<") + (bound.isIncluded ? "=" : "")
        if case .instantText = column.encoding, case .instant(let microseconds) = bound.value {
            let text = String(InstantText.string(microseconds).dropLast())
            return "rtrim(\(column.sql), 'Z') \(comparison) \(bind(.text(text)))"
        }
        if case .instantUnits(let units) = column.encoding, case .instant(let microseconds) = bound.value {
            return unitsEnd(microseconds, units, column, isLower: isLower, isIncluded: bound.isIncluded)
        }
        let compared = "\(column.sql) \(comparison) \(bind(Self.value(bound.value, column.encoding)))"
        guard case .number(let number) = bound.value, let text = column.numberText else { return compared }
        let shortest = bind(.text(Self.shortest(number)))
        return bound.isIncluded ? "(\(compared) OR \(text) = \(shortest))" : "(\(compared) AND \(text) <> \(shortest))"
    }

    /// An end in coarser units: the first or last whole unit inside.
    private mutating func unitsEnd(
        _ microseconds: Int64, _ units: Int64, _ column: QueryColumn, isLower: Bool, isIncluded: Bool
    ) -> String {
        let size = max(1, 1_000_000 / max(1, units))
        let (quotient, remainder) = microseconds.quotientAndRemainder(dividingBy: size)
        let floor = remainder < 0 ? quotient - 1 : quotient
        // Between two units, the one below is outside a lower end and inside an upper one, whatever the bracket says.
        let comparison = remainder == 0 ? (isLower ? ">" : "<") + (isIncluded ? "=" : "") : (isLower ? ">" : "<=")
        return "\(column.sql) \(comparison) \(bind(.integer(floor)))"
    }

    private static func shortest(_ number: Double) -> String {
        let buffer = OutputBuffer(capacity: 32)
        _ = buffer.appendDecimal(number)
        return buffer.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    private static func value(_ value: QueryValue, _ encoding: QueryColumn.Encoding) -> SQLValue {
        switch (value, encoding) {
        case (.text(let text), _): .text(text)
        case (.integer(let integer), _): .integer(integer)
        case (.number(let number), _): .double(number)
        case (.boolean(let boolean), _): .integer(boolean ? 1 : 0)
        case (.instant(let microseconds), .instantText): .text(InstantText.string(microseconds))
        case (.instant(let microseconds), .instantUnits(let units)):
            microseconds % max(1, 1_000_000 / max(1, units)) == 0
                ? .integer(microseconds / max(1, 1_000_000 / max(1, units))) : .null
        case (.instant(let microseconds), .native): .integer(microseconds)
        }
    }
}
