import Formats
import WaybillDatabases

/// Rows as JSON objects: one a line (NDJSON), or the elements of an array, each after a comma that the first of a file loses.
final class JSONRowEncoder: RowEncoder {
    /// What stands before each element of an array.
    static let separator: [UInt8] = Array(",\n".utf8)

    private let columns: [ExportColumn]
    private let isArray: Bool
    private let omitsNulls: Bool
    private let places: [Int]
    private let isJSON: [Bool]
    private let scanner: DocumentScanner
    /// `{"id":` or `,"name":` of each column.
    private let labels: RowLabels

    /// - Parameter omitsNulls: columns without a value are left out, but for the first.
    init(columns: [ExportColumn], fieldCount: Int, isArray: Bool, omitsNulls: Bool = false) {
        self.omitsNulls = omitsNulls
        self.columns = columns
        self.isArray = isArray
        places = columns.map(\.place)
        isJSON = columns.map(\.isJSON)
        scanner = DocumentScanner(fieldCount: fieldCount)
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
        for index in 0..<places.count {
            let field = places[index]
            if omitsNulls, index > 0, field >= 0, scanner[field].first == 0 { continue }
            labels.append(index, to: out)
            if field >= 0 {
                let slot = scanner[field]
                if slot.first == 0 || (slot.isEmptyList && !isJSON[index]) {
                    JSONWriter.null(to: out)
                } else {
                    out.append(document.body, from: Int(slot.start), to: Int(slot.end))
                }
            } else if isJSON[index] {
                // A key that is a number.
                out.append(document.id)
            } else if let error = key(field, of: document, to: out) {
                return error
            }
        }
        end(out)
        return nil
    }

    private func key(_ place: Int, of document: DocumentRow, to out: OutputBuffer) -> RowError? {
        if place == ExportColumn.idPlace { return JSONWriter.string(document.id, to: out) ? nil : .notUTF8("id") }
        guard !document.language.isNull else {
            JSONWriter.null(to: out)
            return nil
        }
        return JSONWriter.string(document.language.bytes, to: out) ? nil : .notUTF8("language")
    }

    @inline(__always) private func end(_ out: OutputBuffer) {
        out.append(UInt8(ascii: "}"))
        if !isArray { out.append(UInt8(ascii: "\n")) }
    }
}
