import CLibPQ
import WaybillDatabases

/// A statement with its values written into it, for COPY, which takes no parameters.
struct LiteralStatement {
    let text: String

    /// - Parameter handle: of the connection, whose settings decide how a text is quoted.
    /// - Throws: `SQLError` for a text with U+0000, or a parameter that has no value.
    init(_ sql: String, _ arguments: [SQLValue], on handle: OpaquePointer) throws {
        guard !arguments.isEmpty else {
            text = sql
            return
        }
        let literals = try arguments.map { try LiteralStatement.literal($0, on: handle) }
        var out: [UInt8] = []
        let bytes = Array(sql.utf8)
        out.reserveCapacity(bytes.count + 64)
        var quote: UInt8?
        var at = 0
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if let open = quote {
                // A doubled quote ends the text and begins it anew, which comes to the same.
                if byte == open { quote = nil }
            } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
                quote = byte
            } else if byte == UInt8(ascii: "$"), at < bytes.count, LiteralStatement.isDigit(bytes[at]) {
                let digits = bytes[at...].prefix(while: LiteralStatement.isDigit)
                at += digits.count
                guard let number = Int(String(decoding: digits, as: UTF8.self)), (1...literals.count).contains(number) else {
                    throw SQLError(.other, "a parameter without a value in: \(sql)")
                }
                out += literals[number - 1].utf8
                continue
            }
            out.append(byte)
        }
        text = String(decoding: out, as: UTF8.self)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    /// Without a type, which the server finds as it does for a parameter.
    private static func literal(_ value: SQLValue, on handle: OpaquePointer) throws -> String {
        switch value {
        case .null: return "NULL"
        case .integer(let integer): return "'\(integer)'"
        case .double(let double): return Int64(exactly: double).map { "'\($0)'" } ?? "'\(double)'"
        case .blob(let bytes):
            return "'\\x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "'"
        case .text(let text):
            guard !text.utf8.contains(0) else {
                throw SQLError(.constraint, "a text holds U+0000, which the database can't store")
            }
            let quoted = text.withCString { PQescapeLiteral(handle, $0, text.utf8.count) }
            guard let quoted else { throw SQLError(.other, "a text can't be written into a statement") }
            defer { PQfreemem(quoted) }
            return String(cString: quoted)
        }
    }
}
