import CLibPQ
import WaybillDatabases

/// The rows of a running statement, as they arrive. A statement that must run meanwhile has it keep the rest in memory.
final class ResultReader {
    private let connection: PostgresConnection
    private let statement: PreparedStatement
    private let isExact: Bool
    private let texts = RowTexts()
    private let cells: UnsafeMutableBufferPointer<SQLCell>
    private var current: OpaquePointer?
    /// Of the current result.
    private var nextRow: Int32 = 0
    private var kept: [OpaquePointer] = []
    private var isDrained = false
    /// Rows that the statement changed, once it has ended.
    private(set) var changed = 0
    private(set) var failure: PostgresFailure?

    /// - Parameter whole: the result of a statement that has ended, if it has.
    init(_ connection: PostgresConnection, _ statement: PreparedStatement, isExact: Bool, whole: OpaquePointer? = nil) {
        self.connection = connection
        self.statement = statement
        self.isExact = isExact
        cells = .allocate(capacity: statement.columns.count)
        cells.initialize(repeating: .null)
        guard let whole else { return }
        isDrained = true
        note(whole)
        kept = [whole]
    }

    deinit {
        if let current { PQclear(current) }
        kept.forEach { PQclear($0) }
        cells.deallocate()
    }

    /// - Returns: the next row, valid until the next call; nil after the last.
    /// - Throws: `PostgresFailure`.
    func next() throws -> SQLRow? {
        texts.clear()
        while true {
            if let current, nextRow < PQntuples(current) {
                defer { nextRow += 1 }
                return try row(current, nextRow)
            }
            if let current { PQclear(current) }
            current = kept.isEmpty ? receive() : kept.removeFirst()
            nextRow = 0
            guard current != nil else {
                if let failure { throw failure }
                return nil
            }
        }
    }

    /// Reads the rest, so that the connection can be used. What was not handed out yet is kept.
    func keepRest() {
        while let result = receive() { kept.append(result) }
    }

    /// Reads the rest and forgets it.
    func dropRest() {
        if let current { nextRow = PQntuples(current) }
        kept.forEach { PQclear($0) }
        kept = []
        while let result = receive() { PQclear(result) }
    }

    var hasEnded: Bool { isDrained }

    /// - Returns: a result with rows; nil once the statement has ended.
    private func receive() -> OpaquePointer? {
        guard !isDrained else { return nil }
        while let result = connection.watch.result(connection.handle) {
            switch PQresultStatus(result) {
            case PGRES_SINGLE_TUPLE: return result
            case PGRES_TUPLES_OK:
                note(result)
                // The last one in single-row mode has none.
                if PQntuples(result) > 0 { return result }
            case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: note(result)
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                failure = PostgresFailure(.lost, SQLError(.other, "COPY is no statement of a session"))
                PQclear(result)
                isDrained = true
                return nil
            default: failure = failure ?? PostgresFailure(result, connection: connection.handle)
            }
            PQclear(result)
        }
        isDrained = true
        return nil
    }

    private func note(_ result: OpaquePointer) {
        // 83 is the S of SELECT, which changes nothing.
        guard let command = PQcmdStatus(result), command[0] != 83 else { return }
        changed = PQcmdTuples(result).flatMap { Int(String(cString: $0)) } ?? 0
    }

    private func row(_ result: OpaquePointer, _ number: Int32) throws -> SQLRow {
        let width = Int32(truncatingIfNeeded: cells.count)
        for column in 0..<width {
            let index = Int(column)
            guard PQgetisnull(result, number, column) == 0, let value = PQgetvalue(result, number, column) else {
                cells[index] = .null
                continue
            }
            let count = Int(PQgetlength(result, number, column))
            cells[index] = try UnsafeRawPointer(value).withMemoryRebound(to: UInt8.self, capacity: max(1, count)) {
                try statement.columns[index].cell($0, count: count, made: texts, isExact: isExact)
            }
        }
        return SQLRow(cells: cells)
    }
}
