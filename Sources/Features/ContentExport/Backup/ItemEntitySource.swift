import Datasets
import Formats
import Synchronization
import TenantData
import WaybillDatabases
import WaybillEngine

/// All items of a type at a cut, with what each says of its readers.
struct ItemEntitySource: RowSource {
    let name: String
    let columns: [ExportColumn]
    let fieldCount: Int
    let rowsToScan: Int64?
    let readers = 2
    let chunkRows = 4096
    private let scan: ItemScan
    private let tenant: TenantID
    private let database: any SQLDatabase
    private let texts: ReaderTexts

    init(_ entity: EntityCut, _ plan: ContentEntities.Plan, for tenant: TenantID, in database: any SQLDatabase) throws {
        let stored = plan.type.storedFields
        let places = Dictionary(uniqueKeysWithValues: stored.enumerated().map { ($1.name, $0) })
        name = entity.name
        rowsToScan = entity.rows
        fieldCount = stored.count
        columns = try entity.columns.map { column in
            switch (column.name, places[column.name]) {
            case ("id", _): ExportColumn(column, source: .id)
            case ("language", _): ExportColumn(column, source: .language)
            case ("readers", _): ExportColumn(column, source: .readers)
            case (_, .some(let place)): ExportColumn(column, source: .field(place))
            case (_, nil): throw ContentError(.damaged, "the type \(plan.type.name) has no field \(column.name)")
            }
        }
        scan = try ItemScan(cut: plan.cut, type: plan.type, readable: .all, changedAfter: plan.after)
        texts = ReaderTexts(space: plan.cut.space)
        self.tenant = tenant
        self.database = database
    }

    func ends(after cursor: KeysetCursor?, count: Int) async throws -> [KeysetCursor] {
        try await database.read(of: tenant) { [scan, chunkRows] session in
            try scan.ends(after: cursor, count: count, rows: chunkRows, in: session)
        }
    }

    func read<Consumer: RowConsumer>(
        after cursor: KeysetCursor?, through end: KeysetCursor?, reader: Int,
        _ consumer: @escaping @Sendable () throws -> Consumer
    ) async throws -> (ChunkEnd, Consumer.Output) {
        try await database.read(of: tenant) { [scan, texts, chunkRows] session in
            let consumer = try consumer()
            let start = try cursor.map(ScanPosition.init)
            let stop = try end.map(ScanPosition.init) ?? scan.boundary(after: start, rows: chunkRows, in: session)
            guard let stop else { return (ChunkEnd(last: nil, isStopped: false), try consumer.finish()) }
            let known = try texts.all(in: session)
            var result = ChunkEnd(last: try KeysetCursor(stop), isStopped: false)
            try scan.read(after: start, through: stop, in: session) { item in
                let next = try Self.give(item, known, to: consumer)
                if next == .stop { result = ChunkEnd(last: try KeysetCursor(item.position), isStopped: true) }
                return next
            }
            return (result, try consumer.finish())
        }
    }

    @inline(__always) private static func give(
        _ item: ItemRow, _ texts: [Int64: [UInt8]], to consumer: some RowConsumer
    ) throws -> SQLScan {
        let acl = item.acl
        guard acl != ContentStore.inheritedACL else {
            return consumer.document(DocumentRow(id: item.id, language: item.language, body: item.body))
        }
        guard let readers = texts[acl] else { throw ContentError(.damaged, "an ACL is missing") }
        return readers.withUnsafeBufferPointer {
            consumer.document(DocumentRow(id: item.id, language: item.language, body: item.body, readers: $0))
        }
    }
}

/// The lists of readers of a space, by their numbers: they are added and never changed.
private final class ReaderTexts: Sendable {
    private let space: Int64
    private let known = Mutex<[Int64: [UInt8]]>([:])

    init(space: Int64) {
        self.space = space
    }

    /// All that there are now.
    func all(in session: any SQLSession) throws -> [Int64: [UInt8]] {
        let last = known.withLock { $0.keys.max() ?? 0 }
        let new = try ContentStore().readerTexts(after: last, space: space, in: session)
        return known.withLock { known in
            for (acl, text) in new { known[acl] = text }
            return known
        }
    }
}
