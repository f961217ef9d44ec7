import Datasets
import Formats
import WaybillDatabases
import WaybillEngine

/// Rows of one of a room's own tables, in the order of a key: of a table to which rows are added, and nothing else, or whose
/// changes since the cut the room's conditions undo.
public struct CutTableSource: RowSource {
    /// What of a table is read. The room writes the statement's pieces, and gives the values of its parameters from `$1` on: the
    /// condition names them all, each first in rising order.
    public struct Statement: Sendable {
        /// An expression for each column of the entity.
        public var select: [String]
        public var from: String
        public var condition: String
        public var arguments: [SQLValue]
        /// Columns that order the rows and tell any two apart.
        public var key: [String]

        public init(select: [String], from: String, condition: String, arguments: [SQLValue], key: [String]) {
            self.select = select
            self.from = from
            self.condition = condition
            self.arguments = arguments
            self.key = key
        }
    }

    public let name: String
    public let columns: [ExportColumn]
    public let fieldCount = 0
    public let rowsToScan: Int64?
    public let readers = 2
    public let chunkRows: Int
    private let statement: Statement
    private let tenant: TenantID
    private let database: any SQLDatabase

    public init(
        _ entity: EntityCut, _ statement: Statement, for tenant: TenantID, in database: any SQLDatabase, chunkRows: Int = 4096
    ) {
        name = entity.name
        columns = entity.columns.enumerated().map { ExportColumn($1, source: .field($0)) }
        rowsToScan = entity.rows
        self.chunkRows = chunkRows
        self.statement = statement
        self.tenant = tenant
        self.database = database
    }

    public func ends(after cursor: KeysetCursor?, count: Int) async throws -> [KeysetCursor] {
        try await database.read(of: tenant) { session in
            var ends: [KeysetCursor] = []
            var last = cursor
            while ends.count < count, let end = try end(after: last, in: session) {
                ends.append(end)
                last = end
            }
            return ends
        }
    }

    public func read<Consumer: RowConsumer>(
        after cursor: KeysetCursor?, through end: KeysetCursor?, reader: Int,
        _ consumer: @escaping @Sendable () throws -> Consumer
    ) async throws -> (ChunkEnd, Consumer.Output) {
        try await database.read(of: tenant) { session in
            let consumer = try consumer()
            guard let end = try end ?? self.end(after: cursor, in: session) else {
                return (ChunkEnd(last: nil, isStopped: false), try consumer.finish())
            }
            var result = ChunkEnd(last: end, isStopped: false)
            let width = columns.count
            let (text, arguments) = rows(after: cursor, through: end, dialect: session.dialect)
            try session.scan(text, arguments: arguments) { row in
                guard consumer.table(row.prefix(width)) == .stop else { return .next }
                result = ChunkEnd(
                    last: KeysetCursor(statement.key.indices.map { KeysetCursor.Value(row[width + $0]) }), isStopped: true)
                return .stop
            }
            return (result, try consumer.finish())
        }
    }

    /// The key of the last row of the next chunk.
    private func end(after cursor: KeysetCursor?, in session: any SQLSession) throws -> KeysetCursor? {
        try key(after: cursor, offset: chunkRows - 1, isLast: false, in: session)
            ?? key(after: cursor, offset: 0, isLast: true, in: session)
    }

    private func key(after cursor: KeysetCursor?, offset: Int, isLast: Bool, in session: any SQLSession) throws -> KeysetCursor? {
        var arguments = statement.arguments
        var condition = statement.condition
        if let cursor { condition += " AND " + comparison(">", cursor, &arguments, session.dialect) }
        let order = statement.key.map { isLast ? "\($0) DESC" : $0 }.joined(separator: ", ")
        return try session.first(
            """
            SELECT \(statement.key.joined(separator: ", ")) FROM \(statement.from) WHERE \(condition) ORDER BY \(order)
            LIMIT 1 OFFSET \(offset)
            """, arguments: arguments
        ) { row in KeysetCursor((0..<row.count).map { KeysetCursor.Value(row[$0]) }) }
    }

    private func rows(
        after cursor: KeysetCursor?, through end: KeysetCursor, dialect: SQLDialect
    ) -> (text: String, arguments: [SQLValue]) {
        var arguments = statement.arguments
        var condition = statement.condition
        if let cursor { condition += " AND " + comparison(">", cursor, &arguments, dialect) }
        condition += " AND " + comparison("<=", end, &arguments, dialect)
        let selected = (statement.select + statement.key).joined(separator: ", ")
        return (
            "SELECT \(selected) FROM \(statement.from) WHERE \(condition) ORDER BY \(statement.key.joined(separator: ", "))",
            arguments
        )
    }

    private func comparison(
        _ sign: String, _ cursor: KeysetCursor, _ arguments: inout [SQLValue], _ dialect: SQLDialect
    ) -> String {
        let places = dialect.placeholders(cursor.values.count, from: arguments.count + 1)
        arguments += cursor.values.map(\.sqlValue)
        return "(\(statement.key.joined(separator: ", "))) \(sign) (\(places))"
    }
}
