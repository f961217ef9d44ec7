import Formats
import WaybillDatabases

/// Rows as CSV that is read again as what they were: what backups are made of.
final class LosslessRowEncoder: RowEncoder {
    private let csv: LosslessCSVWriter
    private let columns: [ExportColumn]
    private let places: [Int]
    private let types: [LosslessColumn.Kind]
    private let scanner: DocumentScanner
    private let scratch = OutputBuffer(capacity: 256)

    /// - Parameter fieldCount: how many fields a document's type has; 0 for a table.
    init(columns: [ExportColumn], fieldCount: Int) {
        csv = LosslessCSVWriter(columnCount: columns.count)
        self.columns = columns
        places = columns.map(\.place)
        types = columns.map { $0.type ?? .text }
        scanner = DocumentScanner(fieldCount: fieldCount)
    }

    static func header(_ columns: [ExportColumn]) -> [UInt8] {
        let out = OutputBuffer(capacity: 1024)
        LosslessCSVWriter(columnCount: columns.count).header(columns.map(\.lossless), to: out)
        return out.takeBytes()
    }

    func table(_ row: SQLRow, to out: OutputBuffer) -> RowError? {
        for index in 0..<row.count {
            let cell = row[index]
            switch cell.kind {
            case .null: csv.null(to: out)
            case .integer: guard integer(cell.int64, types[index], to: out) else { return .farInstant(columns[index].name) }
            case .double: csv.number(cell.double, to: out)
            case .text: guard csv.text(cell.bytes, to: out) else { return .notUTF8(columns[index].name) }
            case .blob: csv.bytes(cell.bytes, to: out)
            }
        }
        csv.endRow(isNull: row.count > 0 && row[0].isNull, to: out)
        return nil
    }

    /// Booleans and instants are stored as integers.
    @inline(__always) private func integer(_ value: Int64, _ type: LosslessColumn.Kind, to out: OutputBuffer) -> Bool {
        switch type {
        case .instant: return csv.instant(value, to: out)
        case .boolean where value == 0 || value == 1: csv.boolean(value == 1, to: out)
        default: csv.integer(value, to: out)
        }
        return true
    }

    func document(_ document: DocumentRow, to out: OutputBuffer) -> RowError? {
        guard scanner.scan(document.body) else {
            return RowError(code: "DAMAGED_ITEM", message: "The stored item can't be read.")
        }
        for index in 0..<places.count {
            let isWritten: Bool
            switch places[index] {
            case ExportColumn.idPlace: isWritten = csv.text(document.id, to: out)
            case ExportColumn.languagePlace:
                isWritten = optional(document.language.isNull ? nil : document.language.bytes, to: out)
            case ExportColumn.readersPlace: isWritten = optional(document.readers, to: out)
            default: isWritten = append(scanner[places[index]], of: document.body, types[index], to: out)
            }
            guard isWritten else { return .notUTF8(columns[index].name) }
        }
        csv.endRow(isNull: false, to: out)
        return nil
    }

    private func optional(_ bytes: UnsafeBufferPointer<UInt8>?, to out: OutputBuffer) -> Bool {
        guard let bytes else {
            csv.null(to: out)
            return true
        }
        return csv.text(bytes, to: out)
    }

    @inline(__always) private func append(
        _ slot: DocumentScanner.Slot, of body: UnsafeBufferPointer<UInt8>, _ type: LosslessColumn.Kind, to out: OutputBuffer
    ) -> Bool {
        let (start, end) = (Int(slot.start), Int(slot.end))
        switch slot.first {
        case 0:
            csv.null(to: out)
            return true
        // An empty list is an absent one, whether the document says so or ends before it.
        case _ where type == .list && slot.isEmptyList:
            csv.null(to: out)
            return true
        case _ where type == .json || type == .list: return csv.text(UnsafeBufferPointer(rebasing: body[start..<end]), to: out)
        case UInt8(ascii: "\"") where !slot.isEscaped:
            return csv.text(UnsafeBufferPointer(rebasing: body[start + 1..<end - 1]), to: out)
        case UInt8(ascii: "\""):
            let json = UnsafeBufferPointer(rebasing: body[start..<end])
            guard let value = try? JSONValue.scan(json) else { return false }
            scratch.clear()
            value.appendText(in: json, to: scratch)
            return csv.text(scratch.bytes, to: out)
        default:
            out.append(body, from: start, to: end)
            out.append(UInt8(ascii: ","))
            return true
        }
    }
}

extension RowError {
    static func farInstant(_ column: String) -> RowError {
        RowError(code: "INSTANT_OUT_OF_RANGE", message: "The value of ‘\(column)’ is no instant of the years 1 to 9999.")
    }
}
