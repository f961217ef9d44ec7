import CLibPQ
import WaybillDatabases

/// The rows of a running `COPY … TO STDOUT (FORMAT binary)`, read in place.
final class CopyReader {
    /// The signature, flags, and the length of what may follow.
    private static let headBytes = 19

    private let connection: PostgresConnection
    private let columns: [CellReader]
    private let texts = RowTexts()
    private let cells: UnsafeMutableBufferPointer<SQLCell>
    private var current: UnsafeMutablePointer<CChar>?
    private var isBegun = false
    private(set) var hasEnded = false

    /// - Parameter columns: of the query that is copied.
    init(_ connection: PostgresConnection, columns: [CellReader]) {
        self.connection = connection
        self.columns = columns
        cells = .allocate(capacity: columns.count)
        cells.initialize(repeating: .null)
    }

    deinit {
        if let current { PQfreemem(current) }
        cells.deallocate()
    }

    /// - Returns: the next row, valid until the next call; nil after the last.
    /// - Throws: `PostgresFailure`, or `SQLError` for bytes that are no row.
    func next() throws -> SQLRow? {
        while let bytes = try receive() {
            guard var rest = try withoutHead(bytes) else { continue }
            // A row begins with the number of its columns; -1 stands behind the last one.
            guard rest.count >= 2 else { throw CopyReader.damaged }
            let count = CellReader.load(rest.baseAddress.unsafelyUnwrapped, Int16.self)
            if count == -1 { continue }
            guard Int(count) == cells.count else { throw CopyReader.damaged }
            rest = UnsafeBufferPointer(rebasing: rest[2...])
            return try row(rest)
        }
        return nil
    }

    /// Passes over what is left, as far as it is short.
    /// - Returns: whether the end was reached.
    func skip(atMost limit: Int) throws -> Bool {
        var skipped = 0
        while skipped < limit, let bytes = try receive() { skipped += bytes.count }
        return hasEnded
    }

    private func row(_ bytes: UnsafeBufferPointer<UInt8>) throws -> SQLRow {
        texts.clear()
        guard var at = bytes.baseAddress else { throw CopyReader.damaged }
        var left = bytes.count
        var index = 0
        while index < cells.count {
            guard left >= 4 else { throw CopyReader.damaged }
            let length = Int(CellReader.load(at, Int32.self))
            at += 4
            left &-= 4
            if length < 0 {
                cells[index] = .null
            } else {
                guard length <= left else { throw CopyReader.damaged }
                cells[index] = try columns[index].cell(at, count: length, made: texts, isExact: true)
                at += length
                left &-= length
            }
            index &+= 1
        }
        return SQLRow(cells: cells)
    }

    /// The bytes behind the head, with which the first message begins; nil if there are none.
    private func withoutHead(_ bytes: UnsafeBufferPointer<UInt8>) throws -> UnsafeBufferPointer<UInt8>? {
        guard !isBegun else { return bytes }
        isBegun = true
        guard bytes.count >= Self.headBytes, let base = bytes.baseAddress else { throw CopyReader.damaged }
        let more = Int(CellReader.load(base + Self.headBytes - 4, Int32.self))
        guard more >= 0, Self.headBytes + more <= bytes.count else { throw CopyReader.damaged }
        let rest = bytes[(Self.headBytes + more)...]
        return rest.isEmpty ? nil : UnsafeBufferPointer(rebasing: rest)
    }

    /// One message of the server, which is a row; nil at the end.
    private func receive() throws -> UnsafeBufferPointer<UInt8>? {
        guard !hasEnded else { return nil }
        if let current { PQfreemem(current) }
        current = nil
        let length = connection.watch.copied(connection.handle, &current)
        if length > 0, let current {
            let bytes = UnsafeRawPointer(current).assumingMemoryBound(to: UInt8.self)
            return UnsafeBufferPointer(start: bytes, count: Int(length))
        }
        hasEnded = true
        if length == -2 { throw PostgresFailure(lost: connection.handle) }
        var failure: PostgresFailure?
        while let result = connection.watch.result(connection.handle) {
            if PQresultStatus(result) != PGRES_COMMAND_OK {
                failure = failure ?? PostgresFailure(result, connection: connection.handle)
            }
            PQclear(result)
        }
        if let failure { throw failure }
        return nil
    }

    private static let damaged = SQLError(.corrupt, "the server sent a row that can't be understood")
}
