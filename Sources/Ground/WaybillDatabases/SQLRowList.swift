/// Rows that one statement takes as a table, so that it does for all of them what else takes one for each.
///
/// They are the last parameters of the statement. How many those are is the dialect's affair: `table` names them, `arguments`
/// gives them.
public struct SQLRowList: Sendable {
    public struct Column: Sendable {
        public enum Kind: Sendable { case text, integer, double }

        public var name: String
        public var kind: Kind

        public init(_ name: String, _ kind: Kind) {
            self.name = name
            self.kind = kind
        }
    }

    private let columns: [Column]
    private var rows: [[SQLValue]] = []

    public init(_ columns: [Column]) {
        self.columns = columns
    }

    /// - Parameter values: one for each column.
    /// - Throws: `SQLError` for a row that does not fit the columns, or a text that holds U+0000.
    public mutating func append(_ values: [SQLValue]) throws {
        guard values.count == columns.count else { throw SQLError(.other, "\(values.count) values for \(columns.count) columns") }
        for value in values {
            switch value {
            case .text(let text) where text.utf8.contains(0):
                throw SQLError(.constraint, "a text holds U+0000, which can't be stored")
            case .double(let double) where !double.isFinite: throw SQLError(.constraint, "\(double) can't be stored")
            case .blob: throw SQLError(.other, "a list of rows takes no bytes")
            case .null, .integer, .double, .text: break
            }
        }
        rows.append(values)
    }

    /// The rows as a table with the name `given`.
    /// - Parameter first: the number of the first of their parameters.
    public static func table(_ columns: [Column], from first: Int, _ dialect: SQLDialect) -> String {
        switch dialect.name {
        case .sqlite:
            let values = columns.enumerated().map { "value ->> \($0) AS \($1.name)" }.joined(separator: ", ")
            return "(SELECT \(values) FROM json_each($\(first))) AS given"
        case .postgres:
            // The planner expects few rows of an array that it can't see, and so looks each of them up by its key.
            let lists = columns.enumerated().map { "CAST($\(first + $0) AS \($1.kind.postgresType)[])" }
            let names = columns.map(\.name).joined(separator: ", ")
            return "unnest(\(lists.joined(separator: ", "))) AS given(\(names))"
        }
    }

    /// What the parameters of `table` are bound to.
    public func arguments(_ dialect: SQLDialect) -> [SQLValue] {
        switch dialect.name {
        case .sqlite:
            [text { $0.list(rows, "[", "]") { $0.list($1, "[", "]") { $0.json($1) } } }]
        case .postgres:
            columns.indices.map { column in text { $0.list(rows, "{", "}") { $0.element($1[column]) } } }
        }
    }

    private func text(_ write: (inout ListText) -> Void) -> SQLValue {
        var text = ListText()
        write(&text)
        return .text(String(decoding: text.bytes, as: UTF8.self))
    }
}

extension SQLRowList.Column.Kind {
    fileprivate var postgresType: String {
        switch self {
        case .text: "text"
        case .integer: "bigint"
        case .double: "double precision"
        }
    }
}

/// Writes lists of values, in JSON or as the literal of an array.
private struct ListText {
    var bytes: [UInt8] = []

    mutating func list<Element>(
        _ elements: [Element], _ opening: Unicode.Scalar, _ closing: Unicode.Scalar, _ write: (inout ListText, Element) -> Void
    ) {
        bytes.append(UInt8(ascii: opening))
        var isFirst = true
        for element in elements {
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            write(&self, element)
        }
        bytes.append(UInt8(ascii: closing))
    }

    mutating func json(_ value: SQLValue) {
        write(value, null: "null", escapesControls: true)
    }

    mutating func element(_ value: SQLValue) {
        write(value, null: "NULL", escapesControls: false)
    }

    private mutating func write(_ value: SQLValue, null: StaticString, escapesControls: Bool) {
        switch value {
        case .null, .blob: bytes.append(contentsOf: UnsafeBufferPointer(start: null.utf8Start, count: null.utf8CodeUnitCount))
        case .integer(let integer): bytes += "\(integer)".utf8
        case .double(let double): bytes += "\(double)".utf8
        case .text(let text): write(text, escapesControls: escapesControls)
        }
    }

    private mutating func write(_ text: String, escapesControls: Bool) {
        bytes.append(UInt8(ascii: "\""))
        let needsEscape = text.utf8.contains { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") || $0 < 0x20 }
        if needsEscape {
            for byte in text.utf8 { escaped(byte, escapesControls: escapesControls) }
        } else {
            bytes += text.utf8
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escaped(_ byte: UInt8, escapesControls: Bool) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
        case 0..<0x20 where escapesControls:
            bytes += "\\u00".utf8
            bytes += [Self.digit(byte >> 4), Self.digit(byte & 15)]
        default: bytes.append(byte)
        }
    }

    private static func digit(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }
}
