import WaybillDatabases

/// Rows as text that means the same whichever database they come from: it is what PostgreSQL copies in, and what is hashed.
struct RowText: Sendable {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ row: SQLRow, columns: Int) {
        for column in 0..<columns {
            if column > 0 { bytes.append(UInt8(ascii: "\t")) }
            append(row[column])
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    private mutating func append(_ cell: SQLCell) {
        switch cell.kind {
        case .null: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "N")]
        case .integer: bytes += String(cell.int64).utf8
        case .double: bytes += "\(cell.double)".utf8
        case .text: appendEscaped(cell.bytes)
        case .blob:
            bytes += [UInt8(ascii: "\\"), UInt8(ascii: "\\"), UInt8(ascii: "x")]
            for byte in cell.bytes {
                bytes.append(Self.digits[Int(byte >> 4)])
                bytes.append(Self.digits[Int(byte & 15)])
            }
        }
    }

    private mutating func appendEscaped(_ text: UnsafeBufferPointer<UInt8>) {
        for byte in text {
            switch byte {
            case UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "\\")]
            case UInt8(ascii: "\n"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case UInt8(ascii: "\r"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
            case UInt8(ascii: "\t"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
            default: bytes.append(byte)
            }
        }
    }

    private static let digits = Array("0123456789abcdef".utf8)
}

extension SQLRow {
    /// One value, to be kept.
    func value(_ column: Int) -> SQLValue {
        let cell = self[column]
        return switch cell.kind {
        case .null: .null
        case .integer: .integer(cell.int64)
        case .double: .double(cell.double)
        case .text: .text(String(decoding: cell.bytes, as: UTF8.self))
        case .blob: .blob(Array(cell.bytes))
        }
    }
}
