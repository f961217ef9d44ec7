import GRDB

/// The prepared statements of one connection, by their text. When it is full, the one that was not used for longest goes.
final class StatementShelf {
    private var statements: [String: PreparedStatement] = [:]
    private var uses: UInt64 = 0
    private let capacity: Int

    init(capacity: Int = 160) {
        self.capacity = capacity
    }

    /// A statement that nobody uses now.
    func statement(_ sql: String, in database: Database) throws -> PreparedStatement {
        uses &+= 1
        if let statement = statements[sql] {
            statement.lastUse = uses
            guard statement.isInUse else { return statement }
            return try PreparedStatement(database.makeStatement(sql: sql), sql: sql)
        }
        let statement = try PreparedStatement(database.makeStatement(sql: sql), sql: sql)
        statement.lastUse = uses
        if statements.count >= capacity { removeOldest() }
        statements[sql] = statement
        return statement
    }

    /// Lets all go, so that the connection can be closed.
    func clear() {
        statements = [:]
    }

    private func removeOldest() {
        let oldest = statements.filter { !$0.value.isInUse }.min { $0.value.lastUse < $1.value.lastUse }
        if let oldest { statements[oldest.key] = nil }
    }
}
