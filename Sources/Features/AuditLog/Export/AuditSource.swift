import AuditTrail
import Datasets
import Formats
import JobDoors
import WaybillDatabases
import WaybillEngine

/// The events of a range that a filter selects, as rows of an export whose files hold so many of them each.
struct AuditSource: RowSource {
    private static let chunkRowsMax = 2500

    let database: any SQLDatabase
    let tenant: TenantID
    let filter: AuditFilter
    let range: AuditRange
    /// What of the range is there.
    let pieces: [AuditPiece]
    let rowsPerFile: Int64
    let rowsToScan: Int64?
    /// Chunks of equal size, of which some make a file.
    let chunkRows: Int

    let name = "audit-log"
    let fieldCount = AuditEvent.fields.count
    let readers = 2
    let cutsParts = true
    let omitsNulls = true
    let columns: [ExportColumn] =
        [ExportColumn(name: "seq", source: .id, isJSON: true)]
        + AuditEvent.fields.enumerated().map {
            ExportColumn(name: $1, source: .field($0), isJSON: $0 == AuditEvent.detailsPlace)
        }

    private let store = AuditStore(isEnabled: true)

    /// - Parameter total: how many events match.
    init(
        _ filter: AuditFilter, _ range: AuditRange, _ pieces: [AuditPiece], total: Int64, rowsPerFile: Int, tenant: TenantID,
        database: any SQLDatabase
    ) {
        self.database = database
        self.tenant = tenant
        self.filter = filter
        self.range = range
        self.pieces = pieces
        self.rowsPerFile = Int64(max(1, rowsPerFile))
        rowsToScan = total
        let pieces = (rowsPerFile + Self.chunkRowsMax - 1) / Self.chunkRowsMax
        chunkRows = max(1, (rowsPerFile + pieces - 1) / max(1, pieces))
    }

    /// A row, and how many rows of its file are written with it; 0 where a file ends.
    private struct Place {
        var seq: Int64
        var rows: Int64

        init(seq: Int64, rows: Int64) {
            self.seq = seq
            self.rows = rows
        }

        init?(_ cursor: KeysetCursor) {
            guard cursor.values.count == 2, case .integer(let seq) = cursor.values[0], case .integer(let rows) = cursor.values[1]
            else { return nil }
            self.init(seq: seq, rows: rows)
        }

        var cursor: KeysetCursor { KeysetCursor([.integer(seq), .integer(rows)]) }
    }

    private func place(_ cursor: KeysetCursor?) throws -> Place {
        guard let cursor else { return Place(seq: range.first - 1, rows: 0) }
        guard let place = Place(cursor) else { throw JobFailure.damagedCheckpoint }
        return place
    }

    /// The number of the last row that is written.
    static func lastSeq(_ cursor: KeysetCursor?) -> Int64? { cursor.flatMap { Place($0) }?.seq }

    func endsPart(at cursor: KeysetCursor) -> Bool { Place(cursor)?.rows == 0 }

    func ends(after cursor: KeysetCursor?, count: Int) async throws -> [KeysetCursor] {
        let start = try place(cursor)
        if filter.selectsAll { return allEnds(after: start, count: count) }
        return try await database.read(of: tenant) { [store, filter, tenant, range, chunkRows, rowsPerFile] session in
            var ends: [KeysetCursor] = []
            var last = start
            var taken = 0
            try store.numbers(
                filter, of: tenant, after: start.seq, through: range.last, limit: chunkRows * count, in: session
            ) { seq in
                taken += 1
                last = Place(seq: seq, rows: (last.rows + 1) % rowsPerFile)
                guard taken == chunkRows || last.rows == 0 else { return .next }
                ends.append(last.cursor)
                taken = 0
                return ends.count == count ? .stop : .next
            }
            // The last rows, if they don't make a whole chunk.
            if taken > 0, ends.count < count { ends.append(last.cursor) }
            return ends
        }
    }

    /// Where everything is selected, numbers without gaps tell it.
    private func allEnds(after start: Place, count: Int) -> [KeysetCursor] {
        var ends: [KeysetCursor] = []
        var last = start
        for piece in pieces {
            last.seq = max(last.seq, piece.range.first - 1)
            while ends.count < count, last.seq < piece.range.last {
                let rows = min(Int64(chunkRows), rowsPerFile - last.rows, piece.range.last - last.seq)
                last = Place(seq: last.seq + rows, rows: (last.rows + rows) % rowsPerFile)
                ends.append(last.cursor)
            }
        }
        return ends
    }

    /// How many numbers there are behind one, up to and with another.
    private func count(after: Int64, through: Int64) -> Int64 {
        pieces.reduce(0) { sum, piece in
            sum + max(0, min(through, piece.range.last) - max(after, piece.range.first - 1))
        }
    }

    func read<Consumer: RowConsumer>(
        after cursor: KeysetCursor?, through end: KeysetCursor?, reader: Int,
        _ consumer: @escaping @Sendable () throws -> Consumer
    ) async throws -> (ChunkEnd, Consumer.Output) {
        let start = try place(cursor)
        let stop = try end.map { try place($0) }
        return try await database.read(of: tenant) { [store, filter, tenant, range, rowsPerFile] session in
            let consumer = try consumer()
            let digits = OutputBuffer(capacity: 64)
            var last = start
            var isStopped = false
            try store.read(filter, of: tenant, after: start.seq, through: stop?.seq ?? range.last, in: session) { row in
                let seq = row.int64(0)
                // By the number where all are selected, so that one that is missing moves no file's end.
                let passed = filter.selectsAll ? count(after: last.seq, through: seq) : 1
                last = Place(seq: seq, rows: (last.rows + passed) % rowsPerFile)
                digits.clear()
                digits.appendDecimal(seq)
                let next = consumer.document(DocumentRow(id: digits.bytes, language: .null, body: row[1].bytes))
                isStopped = next == .stop
                return next
            }
            // What is broken off at its very end is whole.
            if isStopped, last.seq == stop?.seq { isStopped = false }
            return (ChunkEnd(last: last.cursor, isStopped: isStopped), try consumer.finish())
        }
    }
}
