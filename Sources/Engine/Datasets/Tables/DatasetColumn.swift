/// One exported column of a table.
public struct DatasetColumn: Sendable, Hashable {
    /// As it is exported: `id` for the key.
    public var name: String
    /// The table's own name for it.
    public var column: String
    /// As it was declared. A database may not hold its values to it.
    public var kind: QueryField.Kind
    /// It has no declared type.
    public var isUntyped: Bool

    init(name: String, column: String, declaredType: String) {
        self.name = name
        self.column = column
        kind = Self.kind(declaredType)
        isUntyped = declaredType.isEmpty
    }

    /// What a declared type stands for, by the words that SQL databases use.
    static func kind(_ declared: String) -> QueryField.Kind {
        let type = declared.uppercased()
        func has(_ words: String...) -> Bool { words.contains { type.contains($0) } }
        if has("BOOL") { return .boolean }
        if has("DATE", "TIMESTAMP") { return .datetime }
        if has("JSON", "BLOB", "BYTEA") { return .json }
        if has("INTERVAL", "POINT") { return .text }
        if has("INT", "SERIAL") { return .integer }
        if has("CHAR", "CLOB", "TEXT", "UUID") { return .text }
        if has("REAL", "FLOA", "DOUB", "NUMERIC", "DECIMAL", "NUMBER", "MONEY") { return .number }
        return .text
    }
}
