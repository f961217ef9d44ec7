import Formats
import WaybillDatabases

/// Rows as JSON objects: one a line (NDJSON), or the elements of an array, each after a comma that the first of a file loses.
final class JSONRowEncoder: RowEncoder {
    /// What stands before each element of an array.
    static let separator: [UInt8] = Array(",\n".utf8)

    private let columns: [ExportColumn]
    private let isArray: Bool
    private let scanner: DocumentScanner
    /// `{"id":` or `,"name":` of each column.
    private let labels: RowLabels

    init(columns: [ExportColumn], fields: [String], isArray: Bool) {
        self.columns = columns
        self.isArray = isArray
        scanner = DocumentScanner(fields: fields)
        labels = RowLabels(
            columns.enumerated().map { index, column in
                let out = OutputBuffer(capacity: 64)
                out.append(index == 0 ? UInt8(ascii: "{") : UInt8(ascii: ","))
                JSONWriter.string(column.name, to: out)
                out.append(UInt8(ascii: ":"))
                return out.takeBytes()
            })
    }

    func table(_ row: SQLRow, to out: OutputBuffer) -> RowError? {
        if isArray { out.append(Self.separator) }
        for index in 0..<row.count {
            labels.append(index, to: out)
            let cell = row[index]
            switch cell.kind {
            case .null: JSONWriter.null(to: out)
            case .integer: JSONWriter.integer(cell.int64, to: out)
            case .double: guard JSONWriter.double(cell.double, to: out) else { return .notFinite(columns[index].name) }
            case .text: guard JSONWriter.string(cell.bytes, to: out) else { return .notUTF8(columns[index].name) }
            case .blob:
                out.append(UInt8(ascii: "\""))
                Base64.append(cell.bytes, to: out)
                out.append(UInt8(ascii: "\""))
            }
        }
        end(out)
        return nil
    }

    func document(_ document: DocumentRow, to out: OutputBuffer) -> RowError? {
        guard scanner.scan(document.body) else {
            return RowError(code: "DAMAGED_ITEM", message: "The stored item can't be read.")
        }
        if isArray { out.append(Self.separator) }
        for index in 0..<columns.count {
            labels.append(index, to: out)
            switch columns[index].source {
            case .id: guard JSONWriter.string(document.id, to: out) else { return .notUTF8("id") }
            case .language:
                if document.language.isNull {
                    JSONWriter.null(to: out)
                } else if !JSONWriter.string(document.language.bytes, to: out) {
                    return .notUTF8("language")
                }
            case .field(let field):
                let slot = scanner[field]
                if slot.first == 0 {
                    JSONWriter.null(to: out)
                } else {
                    out.append(UnsafeBufferPointer(rebasing: document.body[Int(slot.start)..<Int(slot.end)]))
                }
            }
        }
        end(out)
        return nil
    }

    @inline(__always) private func end(_ out: OutputBuffer) {
        out.append(UInt8(ascii: "}"))
        if !isArray { out.append(UInt8(ascii: "\n")) }
    }
}
