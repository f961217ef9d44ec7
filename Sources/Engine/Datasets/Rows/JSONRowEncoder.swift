import Formats
import WaybillDatabases

/// Rows as JSON objects: one a line (NDJSON), or the elements of an array, each after a comma that the first of a file loses.
final class JSONRowEncoder: RowEncoder {
    /// What stands before each element of an array.
    static let separator: [UInt8] = Array(",\n".utf8)

    private let columns: [ExportColumn]
    private let isArray: Bool
    private let places: [Int]
    private let scanner: DocumentScanner
    /// `{"id":` or `,"name":` of each column.
    private let labels: RowLabels

    init(columns: [ExportColumn], fields: [String], isArray: Bool) {
        self.columns = columns
        self.isArray = isArray
        places = columns.map(\.place)
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
        var index = 0
        while index < places.count {
            let field = places[index]
            if field >= 0, index > 0, scanner[field].first != 0 {
                // Members that stand side by side in the document are copied together, with their names and commas.
                let start = scanner.memberStart(field)
                var behind = Int(scanner[field].end)
                index += 1
                while index < places.count, places[index] >= 0, scanner[places[index]].first != 0,
                    scanner.memberStart(places[index]) == behind &+ 1
                {
                    behind = Int(scanner[places[index]].end)
                    index += 1
                }
                out.append(UInt8(ascii: ","))
                out.append(UnsafeBufferPointer(rebasing: document.body[start..<behind]))
                continue
            }
            labels.append(index, to: out)
            if let error = value(field, of: document, to: out) { return error }
            index += 1
        }
        end(out)
        return nil
    }

    private func value(_ field: Int, of document: DocumentRow, to out: OutputBuffer) -> RowError? {
        switch field {
        case ExportColumn.idPlace: return JSONWriter.string(document.id, to: out) ? nil : .notUTF8("id")
        case ExportColumn.languagePlace where !document.language.isNull:
            return JSONWriter.string(document.language.bytes, to: out) ? nil : .notUTF8("language")
        case 0... where scanner[field].first != 0:
            out.append(UnsafeBufferPointer(rebasing: document.body[Int(scanner[field].start)..<Int(scanner[field].end)]))
        default: JSONWriter.null(to: out)
        }
        return nil
    }

    @inline(__always) private func end(_ out: OutputBuffer) {
        out.append(UInt8(ascii: "}"))
        if !isArray { out.append(UInt8(ascii: "\n")) }
    }
}
