import Foundation
import WaybillDatabases

/// Writes rows in the simplest way that can be read off the specification, to compare with.
enum PlainEncoding {
    static func csv(_ columns: [String], _ rows: [[SQLValue]]) -> String {
        ([columns.map { field(.text($0)) }] + rows.map { $0.map(field) }).map { $0.joined(separator: ",") + "\r\n" }.joined()
    }

    private static func field(_ value: SQLValue) -> String {
        switch value {
        case .null: return ""
        case .integer(let integer): return "\(integer)"
        case .double(let double): return "\(double)"
        case .blob(let bytes): return Data(bytes).base64EncodedString()
        case .text(let text):
            let needsQuotes = text.isEmpty || text.unicodeScalars.contains { "\",\r\n".unicodeScalars.contains($0) }
            return needsQuotes ? "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\"" : text
        }
    }

    static func ndjson(_ columns: [String], _ rows: [[SQLValue]]) -> String {
        rows.map { object(columns, $0) + "\n" }.joined()
    }

    static func json(_ columns: [String], _ rows: [[SQLValue]]) -> String {
        "[" + rows.map { "\n" + object(columns, $0) }.joined(separator: ",") + "\n]\n"
    }

    private static func object(_ columns: [String], _ row: [SQLValue]) -> String {
        "{" + zip(columns, row).map { "\"\($0)\":" + value($1) }.joined(separator: ",") + "}"
    }

    private static func value(_ value: SQLValue) -> String {
        switch value {
        case .null: "null"
        case .integer(let integer): "\(integer)"
        case .double(let double): "\(double)"
        case .blob(let bytes): "\"" + Data(bytes).base64EncodedString() + "\""
        case .text(let text):
            "\""
                + text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
                .replacingOccurrences(of: "\r", with: "\\r").replacingOccurrences(of: "\n", with: "\\n") + "\""
        }
    }
}
