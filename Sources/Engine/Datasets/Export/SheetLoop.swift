import Formats
import Glibc
import WaybillDatabases
import WaybillEngine

/// Exports one source as sheets. A sheet can only be written whole, so the checkpoint stays at the part's beginning until the
/// part is done: after a crash its rows are read once more.
struct SheetLoop {
    let source: any RowSource
    let plan: EncodingPlan
    let group: String?
    let loop: ExportLoop

    func run(_ position: inout ExportPosition, _ failures: inout FailureWriter) async throws {
        var isDone = false
        while !isDone {
            let rowsMax = min(plan.options.partRows ?? .max, loop.target.sheetRowsMax)
            let path = "\(loop.target.temporaryFolder)/\(loop.target.runName)-\(position.part).xlsx"
            defer { unlink(path) }
            let (sheet, read) = try await write(rowsMax: rowsMax, path: path, from: position)
            let isFirst = position.part == position.firstPart
            isDone = read.isAtEnd
            guard sheet.rows > 0 || isFirst || !read.failures.isEmpty else { break }
            try await loop.note(read.failures, &position, &failures)
            position.exported += sheet.rows
            position.scanned += sheet.rows + Int64(read.failures.count)
            position.cursor = read.cursor
            guard sheet.rows > 0 || isFirst else { break }
            try await publish(path, rows: sheet.rows, &position)
            try await loop.target.commit(position, loop.progress(of: position))
        }
    }

    private struct Read {
        var cursor: KeysetCursor?
        var failures: [ItemFailure] = []
        var isAtEnd = false
    }

    /// Writes the rows from the position on into the file at `path`.
    private func write(rowsMax: Int64, path: String, from position: ExportPosition) async throws -> (
        sheet: SheetCount, read: Read
    ) {
        let sheet = try Sheet(path: path, target: loop.target, plan: plan)
        var count = SheetCount()
        var read = Read(cursor: position.cursor)
        while count.rows < rowsMax {
            let room = rowsMax - count.rows
            let (end, added) = try await source.read(after: read.cursor, through: nil, reader: 0) {
                SheetConsumer(sheet: sheet, rowsMax: room, stopsAtFailure: plan.stopsAtFailure)
            }
            count.rows += added.rows
            read.failures += added.failures
            if plan.stopsAtFailure, !read.failures.isEmpty { break }
            guard let last = end.last else {
                read.isAtEnd = true
                break
            }
            read.cursor = last
            if loop.target.shouldCommit() {
                var shown = position
                shown.scanned += count.rows
                try await loop.target.commit(position, loop.progress(of: shown))
            }
        }
        try sheet.close()
        return (count, read)
    }

    private func publish(_ path: String, rows: Int64, _ position: inout ExportPosition) async throws {
        let name = plan.options.fileName(group: group, part: position.part - position.firstPart)
        let writer = try await loop.target.artifact(name, plan.options.format.contentType)
        let file = try FileBytes(path: path)
        var crc = CRC32()
        var length: Int64 = 0
        while let block = try file.next() {
            let stored = try plan.compressor?.compress(block) ?? block
            (plan.countsStored ? stored : block).withUnsafeBufferPointer { crc.update($0) }
            length += Int64(block.count)
            try await writer.append(stored)
        }
        if plan.options.compression == .zip { try await writer.append(FrameCompressor.deflateEnd) }
        let facts = PartFacts(
            role: .part, rows: rows, rawLength: length, crc32: crc.value, isDeflated: plan.options.compression == .zip)
        await writer.close(facts: try JobCoding.encode(facts))
        position.nextPart()
    }
}

private struct SheetCount: Sendable {
    var rows: Int64 = 0
}

/// The sheet that one export is writing.
///
/// Safe because its rows are written by one scan at a time, and each scan is awaited before the next.
private final class Sheet: @unchecked Sendable {
    let encoder: XLSXRowEncoder
    private let writer: XLSXWriter

    init(path: String, target: ExportTarget, plan: EncodingPlan) throws {
        writer = try XLSXWriter(path: path, temporaryFolder: target.temporaryFolder, createdAt: target.createdAt.microseconds)
        try writer.header(plan.columns.map(\.name))
        encoder = XLSXRowEncoder(writer: writer, columns: plan.columns, fieldCount: plan.fieldCount)
    }

    func close() throws {
        if let broken = encoder.broken { throw broken }
        try writer.close()
    }
}

private final class SheetConsumer: RowConsumer {
    struct Output: Sendable {
        var rows: Int64 = 0
        var failures: [ItemFailure] = []
    }

    private let sheet: Sheet
    private let rowsMax: Int64
    private let stopsAtFailure: Bool
    private let nothing = OutputBuffer(capacity: 64)
    private var output = Output()

    init(sheet: Sheet, rowsMax: Int64, stopsAtFailure: Bool) {
        self.sheet = sheet
        self.rowsMax = rowsMax
        self.stopsAtFailure = stopsAtFailure
    }

    func table(_ row: SQLRow) -> SQLScan {
        took(sheet.encoder.table(row, to: nothing)) { row.count > 0 ? row[0].string : "" }
    }

    func document(_ document: DocumentRow) -> SQLScan {
        took(sheet.encoder.document(document, to: nothing)) { String(decoding: document.id, as: UTF8.self) }
    }

    func failed(id: String, _ error: RowError) -> SQLScan { took(error) { id } }

    private func took(_ error: RowError?, id: () -> String) -> SQLScan {
        guard let error else {
            output.rows += 1
            return output.rows >= rowsMax ? .stop : .next
        }
        output.failures.append(ItemFailure(id: id(), code: error.code, message: error.message))
        return stopsAtFailure || sheet.encoder.broken != nil ? .stop : .next
    }

    func finish() throws -> Output {
        if let broken = sheet.encoder.broken { throw broken }
        return output
    }
}

/// A file, read block by block.
private struct FileBytes: ~Copyable {
    private let descriptor: Int32

    init(path: String) throws {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw XLSXError(.notWritten, detail: "errno \(errno)") }
    }

    deinit { close(descriptor) }

    borrowing func next() throws -> [UInt8]? {
        var count = 0
        let block = [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, used in
            repeat { count = Glibc.read(descriptor, buffer.baseAddress, buffer.count) } while count < 0 && errno == EINTR
            used = max(0, count)
        }
        guard count >= 0 else { throw XLSXError(.notWritten, detail: "errno \(errno)") }
        return count == 0 ? nil : block
    }
}
