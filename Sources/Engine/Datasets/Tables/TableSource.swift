import WaybillDatabases
import WaybillEngine

/// The rows of an external table or view that one user may read, from one snapshot, in a fixed order.
///
/// Where the key is indexed and nothing else is sorted by, stretches of key values are read side by side. Everywhere else, and
/// where a chunk has no end that was planned, the chunks are pieces of one pass.
public struct TableSource: RowSource {
    /// Cells of a chunk that is read beside others: its text is then some hundred kilobytes, which costs no fresh memory.
    static let cellsAtOnce = 40_000

    public let name: String
    public let columns: [ExportColumn]
    public let fieldCount = 0
    public let rowsToScan: Int64?
    public let readers: Int
    public let chunkRows: Int

    let dataset: ExternalDataset
    let snapshot: any SQLSnapshot
    let tenant: TenantID
    let access: TableAccess
    let query: QueryExpression?
    let order: TableOrder
    let dialect: TableDialect
    /// What is exported, then what a cursor needs besides.
    private let selected: [String]
    /// Where in a row the values of a cursor are, for stretches.
    private let cursorCells: [Int]
    private let pass = TablePass()

    /// Looks at the snapshot: which rows the user may read, and how many rows there are.
    /// - Parameters:
    ///   - snapshot: of the dataset's source. It is read only, and closed by whoever opened it. With one connection more than
    ///     `readers`, the planning of chunks waits for no reading.
    ///   - fields: names of exported columns; nil for all. The key is always the first.
    ///   - readers: how many chunks may be read at once, at most.
    ///   - chunkRows: nil: what suits the table.
    /// - Throws: `DatasetError` with code `.unknownField`, `.badSort` or `.tooManyReaders`; `SQLError`.
    public init(
        _ dataset: ExternalDataset, in snapshot: any SQLSnapshot, for principal: Principal, fields: [String]? = nil,
        query: QueryExpression? = nil, sort: [TableSort] = [], readers: Int = 2, chunkRows: Int? = nil
    ) async throws {
        let chosen = try dataset.chosen(fields)
        let dialect = TableDialect(dialect: dataset.source.dialect)
        let order = try TableOrder(dataset, sort: sort, dialect: dialect)
        access = try await snapshot.read(reader: 0) { session in try TableAccess.read(dataset, for: principal, in: session) }
        name = dataset.name
        columns = chosen.enumerated().map { ExportColumn(name: $1.name, source: $0 == 0 ? .id : .field($0)) }
        rowsToScan = access.rows
        var selected = chosen.map { TableDialect.quoted($0.column) }
        let inStretches = Self.isKeyIndexed(dataset, order)
        cursorCells =
            !inStretches
            ? []
            : order.terms.map { term in
                if let index = selected.firstIndex(of: TableDialect.quoted(term.column)) { return index }
                selected.append(TableDialect.quoted(term.column))
                return selected.count - 1
            }
        self.selected = selected
        self.readers = inStretches ? max(1, min(readers, snapshot.readerCount)) : 1
        self.chunkRows = max(1, chunkRows ?? min(8192, max(512, Self.cellsAtOnce / max(1, chosen.count))))
        tenant = principal.tenant
        (self.dataset, self.snapshot, self.query, self.order, self.dialect) = (dataset, snapshot, query, order, dialect)
    }

    private static func isKeyIndexed(_ dataset: ExternalDataset, _ order: TableOrder) -> Bool {
        let key = dataset.columns[0].column
        guard !dataset.table.isView, order.isTotal, let first = order.terms.first, first.column == key, !first.isDescending else {
            return false
        }
        return dataset.table.rowNumberColumn == key || dataset.table.indices.contains { $0.first == key }
    }

    // MARK: The ends of chunks

    public func ends(after cursor: KeysetCursor?, count: Int) async throws -> [KeysetCursor] {
        guard !access.isNothing, count > 0 else { return [] }
        return try await snapshot.read(reader: snapshot.readerCount > readers ? readers : 0) { session in
            var ends: [KeysetCursor] = []
            var last = cursor?.values.first
            if last == nil, order.terms[0].isNullable, try end(after: nil, skipping: 0, isNull: true, in: session) != nil {
                // All rows without a key are one chunk.
                ends.append(KeysetCursor([.null]))
                last = .null
            }
            while ends.count < count {
                guard let next = try end(after: last, skipping: chunkRows - 1, in: session) else {
                    // Fewer are left: the chunk ends with the last of all.
                    if let next = try end(after: last, skipping: 0, isLast: true, in: session) {
                        ends.append(KeysetCursor([next]))
                    }
                    break
                }
                ends.append(KeysetCursor([next]))
                last = next
            }
            return ends
        }
    }

    /// The key of a row that follows another. Rows with equal keys may be cut by it: a chunk is all of a range of keys.
    private func end(
        after last: KeysetCursor.Value?, skipping: Int, isLast: Bool = false, isNull: Bool = false, in session: any SQLSession
    ) throws -> KeysetCursor.Value? {
        let key = order.terms[0].sql
        let direction = isLast ? " DESC" : ""
        var statement = TableStatement(dialect)
        if access.isTenantIndexed { statement.add(TableAccess.tenant(dataset, tenant, isIndexed: true, &statement)) }
        if isNull {
            statement.add("\(key) IS NULL")
        } else if let last {
            statement.add(order.behind([last], in: &statement))
        } else if order.terms[0].isNullable {
            statement.add("\(key) IS NOT NULL")
        }
        return try session.first(
            """
            SELECT \(key) FROM \(dataset.table.reference)\(statement.filter) ORDER BY \(key)\(direction) \
            LIMIT 1 OFFSET \(skipping)
            """, arguments: statement.arguments
        ) { KeysetCursor.Value($0[0]) }
    }

    // MARK: The rows of a chunk

    public func read<Consumer: RowConsumer>(
        after cursor: KeysetCursor?, through end: KeysetCursor?, reader: Int,
        _ consumer: @escaping @Sendable () throws -> Consumer
    ) async throws -> (ChunkEnd, Consumer.Output) {
        try await snapshot.read(reader: reader % snapshot.readerCount) { session in
            let consumer = try consumer()
            // A cursor without values stands behind the last row.
            guard !access.isNothing, cursor?.values.isEmpty != true else {
                return (ChunkEnd(last: nil, isStopped: false), try consumer.finish())
            }
            let width = columns.count
            guard let end else {
                let (text, arguments) = statement(after: nil, through: nil)
                let taken = cursor?.values.first.flatMap(TablePass.taken) ?? 0
                let result = try pass.read(text, arguments, behind: taken, rows: chunkRows, in: session) {
                    consumer.table($0.prefix(width))
                }
                return (result, try consumer.finish())
            }
            let (text, arguments) = statement(after: cursor, through: end)
            var result = ChunkEnd(last: end, isStopped: false)
            try session.scan(text, arguments: arguments) { row in
                guard consumer.table(row.prefix(width)) == .stop else { return .next }
                result = ChunkEnd(last: KeysetCursor(cursorCells.map { KeysetCursor.Value(row[$0]) }), isStopped: true)
                return .stop
            }
            return (result, try consumer.finish())
        }
    }

    private func statement(
        after cursor: KeysetCursor?, through end: KeysetCursor?
    ) -> (text: String, arguments: [SQLValue]) {
        var statement = TableStatement(dialect)
        // A pass may go by whatever index it likes.
        let isIndexed = access.isTenantIndexed || end == nil
        statement.add(TableAccess.tenant(dataset, tenant, isIndexed: isIndexed, &statement))
        if let cursor { statement.add(order.behind(cursor.values, in: &statement)) }
        if let last = end?.values.first { statement.add(order.through(last, in: &statement)) }
        if case .holding(let texts) = access.readable, case .column(let column) = dataset.configuration.readers {
            let list = QueryDialect(dialect.dialect).texts(statement.bind(.text(ReadableRows.json(texts)) as SQLValue))
            statement.add("\(dialect.plainText(TableDialect.quoted(column))) IN (\(list))")
        }
        if let query { statement.add(query, by: DatasetResolver(dataset: dataset, dialect: dialect)) }
        var text = "SELECT \(selected.joined(separator: ", ")) FROM \(dataset.table.reference)"
        text += "\(statement.filter) ORDER BY \(order.sql(for: dialect))"
        return (text, statement.arguments)
    }
}
