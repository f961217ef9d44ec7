/// How a field's value is read in SQL. The texts are part of the statement: they come from checked names, never from a user.
public struct QueryColumn: Sendable {
    public enum Encoding: Sendable {
        /// As the type says: text, integer, double, and 0 or 1 for booleans.
        case native
        /// A datetime as the text that `InstantText` writes.
        case instantText
        /// A datetime as an integer of so many units a second, 1,000,000 at most.
        case instantUnits(perSecond: Int64)
    }

    /// An expression that gives the value, or NULL where there is none.
    public var sql: String
    public var encoding: Encoding
    /// For numbers that are stored as text: an expression that gives that text, which must be the shortest form.
    /// Equality is judged by it, since a database may read long decimals one unit in the last place off.
    public var numberText: String?

    public init(sql: String, encoding: Encoding = .native, numberText: String? = nil) {
        self.sql = sql
        self.encoding = encoding
        self.numberText = numberText
    }
}

/// Where a field's values are found.
public enum QuerySource: Sendable {
    case value(QueryColumn)
    /// A list: what stands after FROM to have a row for each element, and how an element is read.
    case elements(from: String, QueryColumn)
    /// The row has no such value.
    case absent
}

/// Says for each field how it is read in SQL.
public protocol QueryColumnResolver {
    func source(of field: QueryField) -> QuerySource
}
