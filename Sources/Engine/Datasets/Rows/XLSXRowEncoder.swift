import Formats
import WaybillDatabases

/// Rows into the sheet of one XLSX file. The buffer that the others fill stays empty.
final class XLSXRowEncoder: RowEncoder {
    private let writer: XLSXWriter
    private let columns: [ExportColumn]
    private let scanner: DocumentScanner
    private let scratch = OutputBuffer(capacity: 256)
    private let element = OutputBuffer(capacity: 256)
    /// Set when the file could not be written; then nothing more is.
    private(set) var broken: XLSXError?

    init(writer: XLSXWriter, columns: [ExportColumn], fieldCount: Int) {
        self.writer = writer
        self.columns = columns
        scanner = DocumentScanner(fieldCount: fieldCount)
    }

    func table(_ row: SQLRow, to out: OutputBuffer) -> RowError? {
        for index in 0..<row.count {
            let cell = row[index]
            var code: XLSXError.Code?
            switch cell.kind {
            case .null: writer.null()
            case .integer: writer.integer(cell.int64)
            case .double: code = writer.double(cell.double)
            case .text: code = writer.text(cell.bytes)
            case .blob:
                scratch.clear()
                Base64.append(cell.bytes, to: scratch)
                code = writer.text(scratch.bytes)
            }
            if let code { return discard(code, columns[index].name) }
        }
        return end()
    }

    func document(_ document: DocumentRow, to out: OutputBuffer) -> RowError? {
        guard scanner.scan(document.body) else {
            return RowError(code: "DAMAGED_ITEM", message: "The stored item can't be read.")
        }
        for column in columns {
            var code: XLSXError.Code?
            switch column.source {
            case .id: code = writer.text(document.id)
            case .language:
                if document.language.isNull { writer.null() } else { code = writer.text(document.language.bytes) }
            case .readers: writer.null()
            case .field(let field):
                let slot = scanner[field]
                if slot.first == 0 || (slot.isEmptyList && !column.isJSON) {
                    writer.null()
                } else {
                    let json = UnsafeBufferPointer(rebasing: document.body[Int(slot.start)..<Int(slot.end)])
                    code = column.isJSON ? writer.text(json) : append(json)
                }
            }
            if let code { return discard(code, column.name) }
        }
        return end()
    }

    private func append(_ json: UnsafeBufferPointer<UInt8>) -> XLSXError.Code? {
        guard let value = try? JSONValue.scan(json) else { return .invalidUTF8 }
        switch value.kind {
        case .null: writer.null()
        case .yes: writer.boolean(true)
        case .no: writer.boolean(false)
        case .integer, .number:
            guard let integer = value.int64(in: json) else { return writer.double(value.double(in: json) ?? .nan) }
            writer.integer(integer)
        case .string, .escapedString:
            scratch.clear()
            value.appendText(in: json, to: scratch)
            return writer.text(scratch.bytes)
        case .array, .object:
            scratch.clear()
            ListText.appendJSON(value, in: json, scratch: element, to: scratch)
            return writer.text(scratch.bytes)
        }
        return nil
    }

    private func end() -> RowError? {
        do {
            try writer.endRow()
            return nil
        } catch {
            broken = error
            return RowError(code: error.code.name, message: "The sheet could not be written.")
        }
    }

    private func discard(_ code: XLSXError.Code, _ column: String) -> RowError {
        writer.discardRow()
        return RowError(code: code.name, message: "The value of ‘\(column)’ can't be in a sheet: \(XLSXError(code).description).")
    }
}
