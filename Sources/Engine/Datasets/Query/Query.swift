/// A small query language over the fields of a type or table: the subset of Lucene's syntax that editors know.
///
/// - `field:value` is whole-value, case-sensitive equality; on lists and tags any element may match.
/// - `field:"a \"quoted\" value"`; `field:pre*`, `field:?x*` (wildcards, in unquoted text only); `field:*` and
///   `_exists_:field` are true where the field has a value; `*:*` is true for every row.
/// - `[a TO b]` includes its ends, `{a TO b}` does not, they may be mixed, `*` is an open end; `field:>5`, `>=`, `<`, `<=`.
/// - Dates `YYYY-MM-DD` mean the whole day in UTC; instants are RFC 3339. Text is compared bytewise.
/// - `AND` `&&`, `OR` `||`, `NOT` `!` `-`, parentheses, `field:(a OR b)`. Terms side by side are joined by **AND**, and AND
///   binds closer than OR; so `+` changes nothing and is refused beside OR, where Lucene would give it another meaning.
/// - Inside `field:( … )` a leading `-` negates; a negative number is written `"-5"` there.
/// - **Two-valued logic**: a test on a field without a value is false, so `NOT field:x` is true for rows without the field.
public enum Query {
    public static let bytesMax = 8 * 1024
    public static let depthMax = 64
    public static let termsMax = 256
    /// How many `*` one value may hold.
    public static let wildcardsMax = 16

    /// Reads a query and checks it against the schema.
    /// - Throws: `QueryError` for the first thing that is wrong.
    public static func parse(_ text: String, schema: QuerySchema) throws(QueryError) -> QueryExpression {
        guard text.utf8.count <= bytesMax else {
            throw QueryError(.tooLong, "the query is longer than \(bytesMax) bytes", position: 1)
        }
        var parser = QueryParser(text)
        let syntax = try parser.parse()
        return try QueryChecker(schema: schema).check(syntax)
    }
}
