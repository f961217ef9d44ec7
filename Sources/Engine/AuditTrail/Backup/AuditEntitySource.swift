import Datasets
import Formats
import TenantData
import WaybillDatabases
import WaybillEngine

/// The events of a piece of the log, by their numbers, which have no gaps. Those of a segment come out with the numbers that they
/// had where they were recorded.
struct AuditEntitySource: RowSource {
    let name: String
    let columns: [ExportColumn]
    let fieldCount = AuditEvent.fields.count
    let rowsToScan: Int64?
    let readers = 2
    let chunkRows = 4096
    private let piece: AuditPiece
    private var range: AuditRange { piece.range }
    private let tenant: TenantID
    private let database: any SQLDatabase
    private let store = AuditStore(isEnabled: true)

    init(_ entity: EntityCut, _ piece: AuditPiece, for tenant: TenantID, in database: any SQLDatabase) {
        name = entity.name
        columns = entity.columns.enumerated().map { ExportColumn($1, source: $0 == 0 ? .id : .field($0 - 1)) }
        rowsToScan = piece.range.count
        self.piece = piece
        self.tenant = tenant
        self.database = database
    }

    private func seq(_ cursor: KeysetCursor?) -> Int64 {
        if case .integer(let seq)? = cursor?.values.first { seq } else { range.first - 1 }
    }

    func ends(after cursor: KeysetCursor?, count: Int) async throws -> [KeysetCursor] {
        var ends: [KeysetCursor] = []
        var last = seq(cursor)
        while ends.count < count, last < range.last {
            last = min(last + Int64(chunkRows), range.last)
            ends.append(KeysetCursor([.integer(last)]))
        }
        return ends
    }

    func read<Consumer: RowConsumer>(
        after cursor: KeysetCursor?, through end: KeysetCursor?, reader: Int,
        _ consumer: @escaping @Sendable () throws -> Consumer
    ) async throws -> (ChunkEnd, Consumer.Output) {
        let start = seq(cursor)
        let stop = end.map { seq($0) } ?? min(start + Int64(chunkRows), range.last)
        return try await database.read(of: tenant) { [store, tenant, piece] session in
            let consumer = try consumer()
            guard start < stop else { return (ChunkEnd(last: nil, isStopped: false), try consumer.finish()) }
            let digits = OutputBuffer(capacity: 64)
            var result = ChunkEnd(last: KeysetCursor([.integer(stop)]), isStopped: false)
            let part = AuditRange(first: start + 1, last: stop)
            try store.originals(of: piece, part, tenant, in: session) { row in
                let seq = row.int64(0)
                digits.clear()
                digits.appendDecimal(row.int64(2))
                let next = consumer.document(DocumentRow(id: digits.bytes, language: .null, body: row[1].bytes))
                if next == .stop, seq < stop { result = ChunkEnd(last: KeysetCursor([.integer(seq)]), isStopped: true) }
                return next
            }
            return (result, try consumer.finish())
        }
    }
}
