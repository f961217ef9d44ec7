import CXLSXWriter

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Writes one sheet, row by row, in memory that does not grow with the rows. Equal rows and an equal `createdAt` give equal
/// files.
///
/// A row is collected first, so that one with a cell that can't be held is dropped whole with `discardRow`. Numbers have up to 16
/// digits, integers beyond 2^53 are texts; null and the empty text are both an empty cell. One thread owns a writer.
public final class XLSXWriter {
    private enum Cell { case null, number(Double), boolean(Bool), text(Int) }

    public static let rowsMax = 1_048_576
    public static let columnsMax = 16_384

    private var workbook: UnsafeMutablePointer<lxw_workbook>?
    private let sheet: UnsafeMutablePointer<lxw_worksheet>
    private var cells: [Cell] = []
    private let texts = OutputBuffer()
    /// The rows written, the header included.
    public private(set) var rowCount = 0

    /// - Parameters:
    ///   - path: the file, made by `close`.
    ///   - temporaryFolder: holds the rows until then.
    ///   - createdAt: microseconds since 1970, for the file's properties.
    public init(path: String, temporaryFolder: String, createdAt: Int64) throws(XLSXError) {
        let opened = temporaryFolder.withCString { folder in
            var options = lxw_workbook_options()
            options.constant_memory = 1
            options.use_zip64 = 1
            options.tmpdir = UnsafeMutablePointer(mutating: folder)
            return workbook_new_opt(path, &options)
        }
        guard let opened else { throw XLSXError(.notWritten, detail: "no workbook") }
        var properties = lxw_doc_properties()
        // 0 would mean the time of now.
        properties.created = max(Int(createdAt / 1_000_000), 1)
        workbook_set_properties(opened, &properties)
        guard let sheet = workbook_add_worksheet(opened, nil) else {
            lxw_workbook_free(opened)
            throw XLSXError(.notWritten, detail: "no worksheet")
        }
        self.workbook = opened
        self.sheet = sheet
    }

    deinit {
        guard let workbook else { return }
        // Only `workbook_close` closes the file of the rows, which has no name any more.
        if let rows = sheet.pointee.optimize_tmpfile { fclose(rows) }
        lxw_workbook_free(workbook)
    }

    /// Writes the names of the columns in bold as the first row, which stays in view.
    public func header(_ names: [String]) throws(XLSXError) {
        let bold = workbook.flatMap { workbook_add_format($0) }
        if let bold { format_set_bold(bold) }
        for name in names {
            var name = name
            if let code = name.withUTF8({ text($0) }) {
                discardRow()
                throw XLSXError(code)
            }
        }
        try write(format: bold)
        worksheet_freeze_panes(sheet, 1, 0)
    }

    public func null() {
        cells.append(.null)
    }

    public func integer(_ value: Int64) {
        if value.magnitude <= 1 << 53 {
            cells.append(.number(Double(value)))
        } else {
            cells.append(.text(texts.count))
            texts.appendDecimal(value)
            texts.append(UInt8(0))
        }
    }

    /// - Returns: why the value can't be in a cell, or nil.
    public func double(_ value: Double) -> XLSXError.Code? {
        cells.append(.number(value))
        return value.isFinite ? nil : .notANumber
    }

    public func boolean(_ value: Bool) {
        cells.append(.boolean(value))
    }

    /// - Returns: why the text can't be in a cell, or nil. Then the row must be discarded.
    public func text(_ bytes: UnsafeBufferPointer<UInt8>) -> XLSXError.Code? {
        if let code = XLSXText.problem(bytes) { return code }
        cells.append(.text(texts.count))
        XLSXText.append(bytes, to: texts)
        return nil
    }

    /// Writes the collected row.
    public func endRow() throws(XLSXError) {
        try write(format: nil)
    }

    /// Drops the collected row.
    public func discardRow() {
        cells.removeAll(keepingCapacity: true)
        texts.clear()
    }

    /// Makes the file. Nothing can be written afterwards.
    public func close() throws(XLSXError) {
        guard let workbook else { throw XLSXError(.notWritten, detail: "closed already") }
        self.workbook = nil
        try check(workbook_close(workbook))
    }

    private func write(format: UnsafeMutablePointer<lxw_format>?) throws(XLSXError) {
        defer { discardRow() }
        guard workbook != nil else { throw XLSXError(.notWritten, detail: "closed already") }
        guard rowCount < XLSXWriter.rowsMax else { throw XLSXError(.tooManyRows) }
        guard cells.count <= XLSXWriter.columnsMax else { throw XLSXError(.tooManyColumns) }
        let row = lxw_row_t(rowCount)
        for (index, cell) in cells.enumerated() {
            let column = lxw_col_t(index)
            switch cell {
            case .null: continue
            case .number(let value): try check(worksheet_write_number(sheet, row, column, value, format))
            case .boolean(let value): try check(worksheet_write_boolean(sheet, row, column, value ? 1 : 0, format))
            case .text(let start):
                let result = texts.withUnsafeBytes { bytes in
                    UnsafeRawPointer(bytes.baseAddress).map { raw in
                        worksheet_write_string(sheet, row, column, (raw + start).assumingMemoryBound(to: CChar.self), format)
                    }
                }
                try check(result ?? LXW_NO_ERROR)
            }
        }
        rowCount += 1
    }

    private func check(_ result: lxw_error) throws(XLSXError) {
        guard result != LXW_NO_ERROR else { return }
        throw XLSXError(.notWritten, detail: lxw_strerror(result).map { String(cString: $0) } ?? "error \(result.rawValue)")
    }
}
