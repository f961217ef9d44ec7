/// What is wrong with a file that should have been written by `LosslessCSVWriter`.
public struct LosslessError: Error, Sendable, Hashable, CustomStringConvertible {
    /// From 1.
    public var line: Int
    public var reason: String

    public init(line: Int, _ reason: String) {
        self.line = line
        self.reason = reason
    }

    public var description: String { "line \(line): \(reason)" }
}

/// One row. Valid only inside the closure that it is given to, or until the reader's next call.
public struct LosslessRow {
    let record: CSVRecord
    /// The reader's own, which stays where it is: an array would be counted for each cell.
    let order: UnsafeBufferPointer<Int>

    /// On which it starts, from 1.
    public var line: Int { record.line }

    /// A cell, by the columns of the table.
    public subscript(column: Int) -> CSVField { record[order[column]] }

    /// Writes it with its columns in the order of the table, and a line end.
    /// - Returns: how many lines that are.
    public func append(to out: OutputBuffer) -> Int {
        let start = out.count
        if record.count == order.count, order.enumerated().allSatisfy({ $0 == $1 }) {
            out.append(record.raw)
            out.append("\r\n")
        } else {
            let csv = LosslessCSVWriter(columnCount: order.count)
            for column in order.indices {
                // The parser has found every cell to be UTF-8.
                if self[column].isNull { csv.null(to: out) } else { _ = csv.text(self[column].bytes, to: out) }
            }
            csv.endRow(isNull: order.count == 1 && self[0].isNull, to: out)
        }
        let written = UnsafeBufferPointer(rebasing: out.bytes[start...])
        return ByteScan.count(0x0A, in: written)
    }
}

/// Reads such a file that arrives in pieces. Its columns may stand in another order; none may be missing, or be one that is not
/// known.
public final class LosslessCSVReader {
    private let columns: [LosslessColumn]
    private let parser: CSVParser
    // Not checked at run time below: there is one owner, and no closure of a caller runs while a property is being changed.
    /// For each column of the file, that of the table; -1 for the mark of nulls. nil until the header has been read.
    @exclusivity(unchecked) private var places: [Int]?
    private let hasNullMark: Bool
    /// Where the cells of the present record stand, by the columns of the table.
    private let order: UnsafeMutableBufferPointer<Int>
    @exclusivity(unchecked) private var markPlace: Int?
    @exclusivity(unchecked) public private(set) var rows: Int64 = 0

    public init(_ columns: [LosslessColumn], recordBytesMax: Int = 64 << 20) {
        self.columns = columns
        hasNullMark = columns.count == 1
        parser = CSVParser(recordBytesMax: recordBytesMax, skipsBlankLines: false)
        order = .allocate(capacity: columns.count)
        order.initialize(repeating: 0)
    }

    deinit { order.deallocate() }

    public func push(_ bytes: [UInt8]) { parser.push(bytes) }
    public func finish() { parser.finish() }

    /// Hands every row that is there by now to `body`.
    /// - Throws: `LosslessError`, or what `body` throws.
    public func read(_ body: (LosslessRow) throws -> Void) throws {
        while let row = try next() { try body(row) }
    }

    /// The next row that is there by now; nil if more bytes are needed. It is valid until the next call.
    /// - Throws: `LosslessError`.
    public func next() throws -> LosslessRow? {
        while let item = parser.next() {
            switch item {
            case .failure(let error, _): throw LosslessError(line: error.line, error.message)
            case .record(let record) where places == nil: places = try header(record)
            case .record(let record):
                try check(record)
                rows += 1
                return LosslessRow(record: record, order: UnsafeBufferPointer(order))
            }
        }
        return nil
    }

    /// To be called after `finish` and the last `read`.
    /// - Throws: `LosslessError` if there was no header.
    public func end() throws {
        if places == nil { throw LosslessError(line: 1, "there is no header") }
    }

    /// The value of a cell.
    /// - Throws: `LosslessError` if it is none of its column's type.
    public static func value(_ field: CSVField, of column: LosslessColumn, line: Int) throws(LosslessError) -> LosslessValue {
        if field.isNull { return .null }
        let bytes = field.bytes
        let text = String(decoding: bytes, as: UTF8.self)
        let value: LosslessValue? =
            switch column.type {
            case .text: .text(text)
            case .integer: NumberText.int64(bytes).map { .integer($0) }
            case .number: number(text, bytes).map { .number($0) }
            case .boolean: text == "true" ? .boolean(true) : text == "false" ? .boolean(false) : nil
            case .instant: RFC3339.parse(bytes).map { .instant($0) }
            case .bytes: Base64.decode(bytes).map { .bytes($0) }
            case .list: (try? JSONValue.scan(bytes))?.kind == .array ? .json(text) : nil
            case .json: (try? JSONValue.scan(bytes)) != nil ? .json(text) : nil
            }
        guard let value else {
            let shown = text.prefix(100)
            throw LosslessError(line: line, "‘\(shown)’ in the column \(column.name) is no \(column.type.rawValue)")
        }
        return value
    }

    private static func number(_ text: String, _ bytes: UnsafeBufferPointer<UInt8>) -> Double? {
        switch text {
        case "NaN": .nan
        case "Infinity": .infinity
        case "-Infinity": -.infinity
        default: NumberText.double(bytes)
        }
    }

    private func header(_ record: CSVRecord) throws -> [Int] {
        let names = (0..<record.count).map { String(decoding: record[$0].bytes, as: UTF8.self) }
        var known = Dictionary(columns.enumerated().map { ($1.name, $0) }) { first, _ in first }
        if hasNullMark { known[LosslessColumn.nullMark] = -1 }
        if let unknown = names.first(where: { known[$0] == nil }) {
            throw LosslessError(line: record.line, "the column ‘\(unknown.prefix(100))’ is not known")
        }
        var seen: Set<String> = []
        if let twice = names.first(where: { !seen.insert($0).inserted }) {
            throw LosslessError(line: record.line, "the column ‘\(twice)’ stands twice")
        }
        if let missing = known.keys.sorted().first(where: { !seen.contains($0) }) {
            throw LosslessError(line: record.line, "the column ‘\(missing)’ is missing")
        }
        let places = names.compactMap { known[$0] }
        for column in columns.indices { order[column] = places.firstIndex(of: column) ?? 0 }
        markPlace = places.firstIndex(of: -1)
        return places
    }

    private func check(_ record: CSVRecord) throws {
        let count = places?.count ?? 0
        guard record.count == count else {
            throw LosslessError(line: record.line, "\(record.count) fields, and the header has \(count)")
        }
        guard let markPlace else { return }
        guard record[order[0]].isNull == record[markPlace].bytes.elementsEqual("true".utf8) else {
            throw LosslessError(line: record.line, "the column \(LosslessColumn.nullMark) does not say what the field is")
        }
    }
}
