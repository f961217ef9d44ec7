import WaybillDatabases

/// A statement that the server knows, or behind a pooler only its types.
final class PreparedStatement {
    let sql: String
    /// Empty if the server is told the text each time.
    let name: String
    let parameterTypes: [UInt32]
    let columns: [CellReader]
    /// It only reads, and takes no locks.
    let isQuery: Bool
    /// It changes the schema, so that other statements may have to be prepared anew.
    let changesSchema: Bool
    /// For the shelf: when it was last taken.
    var lastUse: UInt64 = 0

    init(sql: String, name: String, parameterTypes: [UInt32], columnTypes: [UInt32]) {
        self.sql = sql
        self.name = name
        self.parameterTypes = parameterTypes
        columns = columnTypes.map { CellReader(type: $0) }
        let words = sql.prefix(400).split(maxSplits: 1) { $0.isWhitespace || $0 == "(" }
        let verb = words.first?.uppercased() ?? ""
        isQuery = verb == "SELECT" && !sql.contains("FOR UPDATE") && !sql.contains("FOR SHARE")
        changesSchema = ["CREATE", "ALTER", "DROP"].contains(verb)
    }
}
