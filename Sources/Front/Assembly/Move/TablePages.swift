import Crypto
import Synchronization
import WaybillDatabases

/// The rows of a table in the order of its key, page by page, with their count and hash. Nobody may write to the table meanwhile.
struct TablePages: AsyncSequence, Sendable {
    struct Page: Sendable {
        var text: RowText
        /// Kept only where they are asked for.
        var rows: [[SQLValue]]
    }

    static let rowsMax = 10_000
    static let bytesMax = 1 << 20

    let database: any SQLDatabase
    let table: MoveTable
    /// Whether rows are wanted as values, too.
    var keepsRows = false
    let tally = TableTally()

    struct AsyncIterator: AsyncIteratorProtocol {
        let pages: TablePages
        private var after: [SQLValue] = []
        private var isOver = false

        init(_ pages: TablePages) {
            self.pages = pages
        }

        mutating func next() async throws -> Page? {
            guard !isOver else { return nil }
            let (page, count, last) = try await pages.read(after: after)
            if let last { after = last } else { isOver = true }
            guard count > 0 else { return nil }
            pages.tally.add(page.text, rows: count)
            return page
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }

    /// - Returns: the rows behind a key, how many they are, and the key of the last one; nil if there are no more.
    private func read(after: [SQLValue]) async throws -> (Page, count: Int, last: [SQLValue]?) {
        let sql = table.select(isFirst: after.isEmpty, dialect: database.dialect)
        let places = table.keyPlaces
        return try await database.read { [table, keepsRows] session in
            var page = Page(text: RowText(), rows: [])
            var count = 0
            var last: [SQLValue]?
            try session.scan(sql, arguments: after + [.integer(Int64(Self.rowsMax))]) { row in
                page.text.append(row, columns: table.columns.count)
                if keepsRows { page.rows.append(table.columns.indices.map { row.value($0) }) }
                count += 1
                guard count < Self.rowsMax, page.text.bytes.count < Self.bytesMax else {
                    last = places.map { row.value($0) }
                    return .stop
                }
                return .next
            }
            return (page, count, last)
        }
    }

    /// Reads all of them.
    func counted() async throws -> TableCount {
        for try await _ in self {}
        return tally.count
    }
}

/// How many rows a table has, and what they are.
struct TableCount: Sendable, Hashable {
    var rows: Int
    var sha256: [UInt8]
}

/// Counts and hashes what goes by.
final class TableTally: Sendable {
    private struct State {
        var rows = 0
        var hash = SHA256()
    }

    private let state = Mutex(State())

    func add(_ text: RowText, rows: Int) {
        state.withLock { state in
            state.rows += rows
            state.hash.update(data: text.bytes)
        }
    }

    var count: TableCount {
        state.withLock { TableCount(rows: $0.rows, sha256: Array($0.hash.finalize())) }
    }
}
