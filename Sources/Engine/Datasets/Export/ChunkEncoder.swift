import Formats
import WaybillDatabases

/// The rows of one chunk in the export's format.
struct EncodedChunk: Sendable {
    /// Compressed already if `isFramed`.
    var bytes: ShelvedBytes
    var isFramed = false
    /// Before compression.
    var rawLength: Int
    /// Of the bytes as they are in the file that a ZIP holds (see `EncodingPlan.countsStored`).
    var crc32: UInt32?
    var rows: Int64
    /// What the bytes are before compression, if their digest is told, or they may have to be cut.
    var raw: ShelvedBytes?
    /// The comma of the first row of a JSON array has been left out.
    var lacksComma = false
    /// Where each row ends in `bytes`; only if parts are split by rows or bytes.
    var rowEnds: [Int]
    var failures: [ItemFailure]
}

/// Encodes the rows of one chunk on the scan's thread.
final class ChunkEncoder: RowConsumer {
    /// Output at which a chunk is broken off, so that a few huge rows can't fill the memory.
    static let bytesMax = 8 << 20

    private let encoder: any RowEncoder
    private let plan: EncodingPlan
    private let shelf: BufferShelf
    private let out: OutputBuffer
    private let losesComma: Bool
    private var rows: Int64 = 0
    private var rowEnds: [Int] = []
    private var failures: [ItemFailure] = []

    /// - Parameter beginsPart: its first row is the first of a part that the source has cut.
    init(_ plan: EncodingPlan, shelf: BufferShelf, beginsPart: Bool = false) {
        losesComma = beginsPart && plan.cutsParts && plan.options.format == .json
        self.plan = plan
        self.shelf = shelf
        encoder = plan.encoder()
        out = shelf.take()
    }

    func table(_ row: SQLRow) -> SQLScan {
        let start = out.count
        let error = encoder.table(row, to: out)
        return took(start, error) { row.count > 0 ? Self.text(row[0]) : "" }
    }

    func document(_ document: DocumentRow) -> SQLScan {
        let start = out.count
        let error = encoder.document(document, to: out)
        return took(start, error) { String(decoding: document.id, as: UTF8.self) }
    }

    func failed(id: String, _ error: RowError) -> SQLScan { took(out.count, error) { id } }

    @inline(__always) private func took(_ start: Int, _ error: RowError?, id: () -> String) -> SQLScan {
        if let error {
            out.truncate(to: start)
            failures.append(ItemFailure(id: id(), code: error.code, message: error.message))
            return plan.stopsAtFailure ? .stop : .next
        }
        rows += 1
        if plan.recordsRowEnds { rowEnds.append(out.count) }
        if losesComma, rows == 1 {
            // The separator is a comma and a line break; only the latter stays.
            out.dropFirst(JSONRowEncoder.separator.count - 1)
        }
        return out.count >= Self.bytesMax ? .stop : .next
    }

    private static func text(_ cell: SQLCell) -> String {
        switch cell.kind {
        case .integer: String(cell.int64)
        case .double: String(cell.double)
        default: cell.string
        }
    }

    /// Ends the encoder: its buffer goes with the chunk.
    func finish() throws -> EncodedChunk {
        var chunk = EncodedChunk(
            bytes: ShelvedBytes(out, from: shelf), rawLength: out.count,
            crc32: plan.needsCRC && !plan.countsStored ? CRC32.of(out.bytes) : nil, rows: rows, rowEnds: rowEnds,
            failures: failures)
        chunk.lacksComma = losesComma
        if let compressor = plan.chunkCompressor, chunk.rawLength > 0 {
            let compressed = shelf.take()
            try compressor.compress(out.bytes, into: compressed)
            if plan.needsCRC, plan.countsStored { chunk.crc32 = CRC32.of(compressed.bytes) }
            if plan.tellsDigest { chunk.raw = chunk.bytes }
            chunk.bytes = ShelvedBytes(compressed, from: shelf)
            chunk.isFramed = true
        }
        return chunk
    }
}

/// How the rows of one source become bytes.
struct EncodingPlan: Sendable {
    var options: ExportOptions
    var columns: [ExportColumn]
    /// Of a document; 0 for a table.
    var fieldCount: Int
    /// Several files make one ZIP at the download, which needs their CRC.
    var needsCRC: Bool
    /// The source's chunks end where parts do.
    var cutsParts = false
    var omitsNulls = false

    /// Each part says the digest of what it holds.
    var tellsDigest: Bool { options.lossless != nil || (options.archive != nil && cutsParts) }
    var stopsAtFailure: Bool { options.onError == .stop }
    var recordsRowEnds: Bool { (options.splitsParts || options.lossless != nil) && !cutsParts }

    /// A file that is a gzip or zstd file by itself goes into a ZIP as it is, so the ZIP's CRC is that of its stored bytes. One
    /// that is deflated for the ZIP has the CRC of what it was before.
    var countsStored: Bool { options.compression == .gzip || options.compression == .zstd }

    /// Backups are long and seldom read, so that their level is the fastest.
    var compressor: FrameCompressor? {
        let level = options.archive?.level ?? (options.lossless == nil ? nil : 1)
        return options.compression.frame.map { FrameCompressor($0, level: level) }
    }

    /// A chunk is compressed where it is read, unless it must still be cut: into parts, or off its first comma.
    var chunkCompressor: FrameCompressor? {
        cutsParts || !(options.splitsParts || options.format == .json) ? compressor : nil
    }

    func encoder() -> any RowEncoder {
        if options.lossless != nil { return LosslessRowEncoder(columns: columns, fieldCount: fieldCount) }
        return switch options.format {
        case .csv, .xlsx: CSVRowEncoder(style: options.csv.style, columns: columns, fieldCount: fieldCount)
        case .ndjson: JSONRowEncoder(columns: columns, fieldCount: fieldCount, isArray: false, omitsNulls: omitsNulls)
        case .json: JSONRowEncoder(columns: columns, fieldCount: fieldCount, isArray: true, omitsNulls: omitsNulls)
        }
    }

    /// What stands before the rows of each part.
    var prologue: [UInt8] {
        if options.lossless != nil { return LosslessRowEncoder.header(columns) }
        return switch options.format {
        case .csv: CSVRowEncoder.header(columns, style: options.csv.style)
        case .json: Array("[".utf8)
        case .ndjson, .xlsx: []
        }
    }

    /// What stands behind them.
    var epilogue: [UInt8] { options.format == .json ? Array("\n]\n".utf8) : [] }
}
