import WaybillDatabases

/// One table that is moved, as both databases have it.
struct MoveTable: Sendable, Hashable {
    var name: String
    var columns: [String]
    /// The columns of the primary key, in its order: by them rows are read in the same order everywhere.
    var key: [String]

    /// What each database has for itself.
    private static let left: Set = ["schema_migrations", "schema_moves", "engine_nodes"]

    /// The tables of a database, in the order of their names.
    /// - Throws: `SQLError` with code `.schema` for one without a primary key.
    static func all(in session: any SQLSession) throws -> [MoveTable] {
        let names = try session.all(session.dialect.tableNames) { $0.string(0) }
        return try names.filter { !left.contains($0) }.map { name in
            let columns = try session.all(session.dialect.tableColumns, name) { (name: $0.string(0), place: $0.int(1)) }
            let key = columns.filter { $0.place > 0 }.sorted { $0.place < $1.place }.map(\.name)
            guard !key.isEmpty else { throw SQLError(.schema, "the table \(name) has no primary key, by which it could be read") }
            return MoveTable(name: name, columns: columns.map(\.name), key: key)
        }
    }

    /// Reads rows in the order of the key.
    /// - Parameter isFirst: from the first row on; else behind the key that the first parameters hold.
    func select(isFirst: Bool, dialect: SQLDialect) -> String {
        let list = Self.list(columns)
        let order = Self.list(key)
        guard !isFirst else { return "SELECT \(list) FROM \(Self.quoted(name)) ORDER BY \(order) LIMIT $1" }
        return """
            SELECT \(list) FROM \(Self.quoted(name)) WHERE (\(order)) > (\(dialect.placeholders(key.count)))
            ORDER BY \(order) LIMIT $\(key.count + 1)
            """
    }

    func insert(_ dialect: SQLDialect) -> String {
        "INSERT INTO \(Self.quoted(name)) (\(Self.list(columns))) VALUES (\(dialect.placeholders(columns.count)))"
    }

    /// Where the columns of the key stand in a row.
    var keyPlaces: [Int] { key.compactMap { columns.firstIndex(of: $0) } }

    static func list(_ columns: [String]) -> String { columns.map(quoted).joined(separator: ", ") }

    /// The names come from our own migrations, or from the database's catalogue.
    static func quoted(_ name: String) -> String { "\"\(name.replacing("\"", with: "\"\""))\"" }
}
