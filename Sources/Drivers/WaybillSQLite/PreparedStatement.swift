import GRDB
import GRDBSQLite
import WaybillDatabases

/// A statement that is ready to run, with the buffer that its rows are read into.
final class PreparedStatement {
    let handle: OpaquePointer
    let isReadonly: Bool
    /// True between `bind` and `finish`: a nested query with the same text must use another statement.
    @exclusivity(unchecked) private(set) var isInUse = false
    /// For the shelf: when it was last taken.
    var lastUse: UInt64 = 0

    // The handle belongs to it and lives as long.
    private let statement: Statement
    private let parameterCount: Int
    // Not checked at run time: one thread uses a connection, and no closure of a caller runs while a property is being changed.
    @exclusivity(unchecked) private var cells: UnsafeMutableBufferPointer<SQLCell>
    /// The bytes of the bound texts, one behind the other, until `finish`.
    @exclusivity(unchecked) private var texts = BoundBytes()

    init(_ statement: Statement, sql: String) throws {
        self.statement = statement
        handle = statement.sqliteStatement
        isReadonly = sqlite3_stmt_readonly(handle) != 0
        parameterCount = Int(sqlite3_bind_parameter_count(handle))
        cells = .allocate(capacity: Int(sqlite3_column_count(handle)))
        cells.initialize(repeating: .null)
        // SQLite numbers `$n` by first appearance, so a text that uses `$2` before `$1` would take them the wrong way round.
        for index in 0..<parameterCount {
            let name = sqlite3_bind_parameter_name(handle, Int32(truncatingIfNeeded: index + 1)).map { String(cString: $0) }
            guard name == "$\(index + 1)" else {
                throw SQLError(.other, "parameter \(index + 1) is \(name ?? "unnamed"), not $\(index + 1), in: \(sql)")
            }
        }
    }

    deinit {
        cells.deallocate()
        texts.deallocate()
    }

    /// Binds the arguments, and behind them those of `rows`. Every call is followed by `finish`, also if it throws.
    func bind(_ arguments: [SQLValue], _ rows: [SQLValue] = [], connection: OpaquePointer?) throws {
        isInUse = true
        guard arguments.count + rows.count == parameterCount else {
            let count = arguments.count + rows.count
            throw SQLError(.other, "\(count) arguments for \(parameterCount) parameters in: \(statement.sql)")
        }
        texts.reserve(BoundBytes.bytes(of: arguments) + BoundBytes.bytes(of: rows))
        try bind(arguments, from: 1, connection)
        try bind(rows, from: Int32(truncatingIfNeeded: arguments.count + 1), connection)
    }

    private func bind(_ arguments: [SQLValue], from first: Int32, _ connection: OpaquePointer?) throws {
        var index = first
        for argument in arguments {
            let code = bind(argument, at: index)
            guard code == SQLITE_OK else { throw SQLError(code: code, connection: connection) }
            index += 1
        }
    }

    private func bind(_ value: SQLValue, at index: Int32) -> Int32 {
        switch value {
        case .null:
            return sqlite3_bind_null(handle, index)
        case .integer(let integer):
            return sqlite3_bind_int64(handle, index, integer)
        case .double(let double):
            return sqlite3_bind_double(handle, index, double)
        case .text(var text):
            let utf8 = text.withUTF8 { texts.keep(UnsafeRawBufferPointer($0)) }
            let start = utf8.baseAddress?.assumingMemoryBound(to: CChar.self)
            return sqlite3_bind_text64(
                handle, index, start, sqlite3_uint64(utf8.count), nil, UInt8(truncatingIfNeeded: SQLITE_UTF8))
        case .blob(let bytes):
            // A null pointer would be bound as NULL.
            guard !bytes.isEmpty else { return sqlite3_bind_zeroblob(handle, index, 0) }
            let kept = bytes.withUnsafeBytes { texts.keep($0) }
            return sqlite3_bind_blob64(handle, index, kept.baseAddress, sqlite3_uint64(kept.count), nil)
        }
    }

    /// Goes to the next row.
    /// - Returns: false at the end.
    @inline(__always)
    func step(connection: OpaquePointer?) throws -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code: throw SQLError(code: code, connection: connection)
        }
    }

    /// Makes room for the columns of the first row: a change of the schema may have given a `SELECT *` others.
    func fitColumns() {
        let count = Int(sqlite3_data_count(handle))
        guard count != cells.count else { return }
        cells.deallocate()
        cells = .allocate(capacity: count)
        cells.initialize(repeating: .null)
    }

    /// Reads the current row into the buffer.
    @inline(__always)
    func row() -> SQLRow {
        for column in cells.indices {
            // The value is asked for once: each `sqlite3_column_…` checks the statement anew. One thread uses the connection.
            let value = sqlite3_column_value(handle, Int32(truncatingIfNeeded: column))
            switch sqlite3_value_type(value) {
            case SQLITE_INTEGER:
                cells[column] = .integer(sqlite3_value_int64(value))
            case SQLITE_FLOAT:
                cells[column] = .double(sqlite3_value_double(value))
            case SQLITE_TEXT:
                let start = sqlite3_value_text(value)
                cells[column] = .text(start, count: Int(sqlite3_value_bytes(value)))
            case SQLITE_BLOB:
                let start = sqlite3_value_blob(value)?.assumingMemoryBound(to: UInt8.self)
                cells[column] = .blob(start, count: Int(sqlite3_value_bytes(value)))
            default:
                cells[column] = .null
            }
        }
        return SQLRow(cells: cells)
    }

    /// Makes the statement ready for the next run. What `sqlite3_reset` returns has been told by `step` before.
    func finish() {
        sqlite3_reset(handle)
        if parameterCount > 0 { sqlite3_clear_bindings(handle) }
        texts.clear()
        isInUse = false
    }
}
