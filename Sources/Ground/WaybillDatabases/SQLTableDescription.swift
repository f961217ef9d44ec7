/// What a database says of one of its tables or views.
public struct SQLTableDescription: Sendable, Hashable {
    public struct Column: Sendable, Hashable {
        public var name: String
        /// As it was declared; may be empty.
        public var declaredType: String
        public var isNotNull: Bool

        public init(name: String, declaredType: String, isNotNull: Bool) {
            self.name = name
            self.declaredType = declaredType
            self.isNotNull = isNotNull
        }
    }

    /// As the database spells it.
    public var name: String
    /// What a statement calls it, with quotes where it needs them, and with the schema that it is in.
    public var reference: String
    public var isView: Bool
    /// In the order of `SELECT *`.
    public var columns: [Column]
    /// The column by whose numbers the rows are stored: reading in its order costs no index.
    public var rowNumberColumn: String?
    /// A name, perhaps of a hidden column, that gives each row a number of its own. nil if rows have none.
    public var rowNumber: String?
    /// The columns of each unique key, the primary key first. A key with a column that may be NULL may hold several NULLs.
    public var uniqueKeys: [[String]]
    /// The columns of each index over all rows, unique or not; an index ends here before its first expression.
    public var indices: [[String]]

    public init(
        name: String, reference: String, isView: Bool, columns: [Column], rowNumberColumn: String?, rowNumber: String?,
        uniqueKeys: [[String]],
        indices: [[String]]
    ) {
        self.name = name
        self.reference = reference
        self.isView = isView
        self.columns = columns
        self.rowNumberColumn = rowNumberColumn
        self.rowNumber = rowNumber
        self.uniqueKeys = uniqueKeys
        self.indices = indices
    }
}
