import WaybillDatabases

/// What a table or view of an external file is made of.
public struct SQLiteTable: Sendable, Hashable {
    public enum Kind: String, Sendable {
        case table, view
    }

    /// As the file spells it.
    public var name: String
    public var kind: Kind
    /// In the order of `SELECT *`.
    public var columns: [SQLiteColumn]
    /// True for a table whose rows are stored in the order of a hidden number.
    public var hasRowID: Bool
    /// The column that is that number: the INTEGER PRIMARY KEY of a rowid table. Reading by it costs no index.
    public var rowIDColumn: String?
    /// The columns of each unique index over whole rows, the primary key first. Empty for a view.
    public var uniqueKeys: [[String]]
}

/// One column of an external table or view.
public struct SQLiteColumn: Sendable, Hashable {
    public var name: String
    /// As it was declared; may be empty. SQLite does not hold values to it.
    public var declaredType: String
    public var isNotNull: Bool
    /// From 1 for the columns of the primary key, else 0.
    public var primaryKeyPosition: Int
}

extension SQLiteTable {
    /// What the file says of the table or view.
    /// - Returns: nil if there is none of that name.
    static func read(_ name: String, in session: SQLiteSession) throws -> SQLiteTable? {
        let found = try session.first(
            "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND name = $1 COLLATE NOCASE", name
        ) { (name: $0.string(0), type: $0.string(1), isWithoutRowID: $0.bool(2)) }
        guard let found else { return nil }
        let columns = try session.all(
            "SELECT name, type, \"notnull\", pk FROM pragma_table_xinfo($1) WHERE hidden <> 1 ORDER BY cid", found.name
        ) { SQLiteColumn(name: $0.string(0), declaredType: $0.string(1), isNotNull: $0.bool(2), primaryKeyPosition: $0.int(3)) }
        let indices = try session.all(
            "SELECT name, origin FROM pragma_index_list($1) WHERE \"unique\" = 1 AND partial = 0 ORDER BY origin <> 'pk', seq",
            found.name
        ) { (name: $0.string(0), origin: $0.string(1)) }
        var keys: [[String]] = []
        for index in indices {
            let sql = "SELECT name FROM pragma_index_info($1) ORDER BY seqno"
            let parts = try session.all(sql, index.name) { $0.optionalString(0) }
            // A part without a name is an expression.
            if !parts.contains(nil) { keys.append(parts.compactMap(\.self)) }
        }
        let primary = columns.filter { $0.primaryKeyPosition > 0 }
        let hasRowID = found.type == "table" && !found.isWithoutRowID
        var rowIDColumn: String?
        // A primary key that has an index of its own is not the row's number (INTEGER PRIMARY KEY DESC is such a case).
        let hasOwnIndex = indices.contains { $0.origin == "pk" }
        if hasRowID, primary.count == 1, primary[0].declaredType.uppercased() == "INTEGER", !hasOwnIndex {
            rowIDColumn = primary[0].name
            keys.insert([primary[0].name], at: 0)
        }
        return SQLiteTable(
            name: found.name, kind: found.type == "view" ? .view : .table, columns: columns, hasRowID: hasRowID,
            rowIDColumn: rowIDColumn, uniqueKeys: keys)
    }
}
