import Formats
import WaybillDatabases

/// Rows as CSV. Lists are joined by `ListText`; JSON values stand as their JSON text.
final class CSVRowEncoder: RowEncoder {
    private let writer: CSVWriter
    private let columns: [ExportColumn]
    private let places: [Int]
    private let isJSON: [Bool]
    private let scanner: DocumentScanner
    private let scratch = OutputBuffer(capacity: 256)
    private let element = OutputBuffer(capacity: 256)

    /// - Parameter fieldCount: how many fields a document's type has; 0 for a table.
    init(style: CSVStyle, columns: [ExportColumn], fieldCount: Int) {
        writer = CSVWriter(style: style)
        self.columns = columns
        places = columns.map(\.place)
        isJSON = columns.map(\.isJSON)
        scanner = DocumentScanner(fieldCount: fieldCount)
    }

    static func header(_ columns: [ExportColumn], style: CSVStyle) -> [UInt8] {
        let writer = CSVWriter(style: style)
        let out = OutputBuffer(capacity: 1024)
        writer.begin(out)
        for column in columns {
            var name = column.name
            _ = name.withUTF8 { writer.text($0, to: out) }
        }
        writer.endRow(out)
        return out.takeBytes()
    }

    func table(_ row: SQLRow, to out: OutputBuffer) -> RowError? {
        for index in 0..<row.count {
            let cell = row[index]
            switch cell.kind {
            case .null: writer.null(to: out)
            case .integer: writer.integer(cell.int64, to: out)
            case .double: guard writer.double(cell.double, to: out) else { return .notFinite(columns[index].name) }
            case .text: guard writer.text(cell.bytes, to: out) else { return .notUTF8(columns[index].name) }
            case .blob:
                scratch.clear()
                Base64.append(cell.bytes, to: scratch)
                _ = writer.text(scratch.bytes, to: out)
            }
        }
        writer.endRow(out)
        return nil
    }

    func document(_ document: DocumentRow, to out: OutputBuffer) -> RowError? {
        guard scanner.scan(document.body) else {
            return RowError(code: "DAMAGED_ITEM", message: "The stored item can't be read.")
        }
        for index in 0..<places.count {
            let field = places[index]
            let isWritten: Bool
            switch field {
            case ExportColumn.idPlace: isWritten = writer.text(document.id, to: out)
            case ExportColumn.languagePlace:
                if document.language.isNull {
                    writer.null(to: out)
                    isWritten = true
                } else {
                    isWritten = writer.text(document.language.bytes, to: out)
                }
            default: isWritten = append(scanner[field], of: document.body, isJSON: isJSON[index], to: out)
            }
            guard isWritten else { return .notUTF8(columns[index].name) }
        }
        writer.endRow(out)
        return nil
    }

    @inline(__always) private func append(
        _ slot: DocumentScanner.Slot, of body: UnsafeBufferPointer<UInt8>, isJSON: Bool, to out: OutputBuffer
    ) -> Bool {
        switch slot.first {
        case 0:
            writer.null(to: out)
            return true
        case _ where isJSON: return writer.text(UnsafeBufferPointer(rebasing: body[Int(slot.start)..<Int(slot.end)]), to: out)
        case _ where slot.isEmptyList:
            writer.null(to: out)
            return true
        case UInt8(ascii: "\"") where !slot.isEscaped:
            return writer.text(UnsafeBufferPointer(rebasing: body[Int(slot.start) + 1..<Int(slot.end) - 1]), to: out)
        case UInt8(ascii: "\""), UInt8(ascii: "["), UInt8(ascii: "{"):
            return appendSlowly(UnsafeBufferPointer(rebasing: body[Int(slot.start)..<Int(slot.end)]), to: out)
        default:
            out.append(body, from: Int(slot.start), to: Int(slot.end))
            out.append(writer.style.delimiter)
            return true
        }
    }

    /// Values that must be unescaped or joined first.
    private func appendSlowly(_ json: UnsafeBufferPointer<UInt8>, to out: OutputBuffer) -> Bool {
        guard let value = try? JSONValue.scan(json) else { return false }
        scratch.clear()
        switch value.kind {
        case .array, .object: ListText.appendJSON(value, in: json, scratch: element, to: scratch)
        default: value.appendText(in: json, to: scratch)
        }
        return writer.text(scratch.bytes, to: out)
    }
}
