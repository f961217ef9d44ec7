import Datasets
import Formats
import WaybillDatabases
import WaybillEngine

/// The items of one content type at a cut, as rows of an export.
struct ItemSource: RowSource {
    /// What is read of one type: fixed when the cut is taken, so that every attempt reads the same.
    struct Plan: Codable, Sendable, Hashable {
        var type: ContentType
        var scan: ScanPlan
        var readable: ACLFilter
        /// Items of the type at the cut, whoever may read them.
        var items: Int64
        /// Whether the `language` column is exported.
        var hasLanguage: Bool
    }

    let database: any SQLDatabase
    let tenant: TenantID
    let scan: ItemScan
    let columns: [ExportColumn]
    let fieldCount: Int
    let rowsToScan: Int64?
    let readers = 2
    let chunkRows = 4096
    /// Types by name at the cut, to check references; nil if the type has none.
    private let references: ReferenceCheck?

    var name: String { scan.type.name }

    init(
        _ plan: Plan, cut: ContentCut, typeIDs: [String: Int64], request: ContentExportRequest,
        tenant: TenantID, database: any SQLDatabase
    ) throws {
        self.database = database
        self.tenant = tenant
        let stored = plan.type.storedFields
        fieldCount = stored.count
        columns = try Self.columns(plan, stored, chosen: request.fields)
        let query = try request.query.map { try Query.parse($0, schema: plan.type.querySchema) }
        scan = try ItemScan(
            cut: cut, type: plan.type, plan: plan.scan, query: query, readable: plan.readable, languages: request.languages ?? [])
        if case .indexed = plan.scan { rowsToScan = nil } else { rowsToScan = plan.items }
        references = ReferenceCheck(stored, columns: columns, cut: cut, typeIDs: typeIDs)
    }

    private static func columns(_ plan: Plan, _ stored: [ContentField], chosen: [String]?) throws -> [ExportColumn] {
        let places = Dictionary(uniqueKeysWithValues: stored.enumerated().map { ($1.name, $0) })
        let json = Set(stored.filter { $0.kind == .json }.map(\.name))
        let names = chosen ?? (["id"] + plan.type.fields.map(\.name) + (plan.hasLanguage ? ["language"] : []))
        return try names.map { name in
            switch (name, places[name]) {
            case ("id", _): ExportColumn(name: name, source: .id)
            case ("language", _): ExportColumn(name: name, source: .language)
            case (_, .some(let place)): ExportColumn(name: name, source: .field(place), isJSON: json.contains(name))
            case (_, nil): throw ContentError(.badHeader, "the type \(plan.type.name) has no field \(name)", field: name)
            }
        }
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
        try await database.read(of: tenant) { [scan, references, chunkRows] session in
            let consumer = try consumer()
            let start = try cursor.map(ScanPosition.init)
            let stop = try end.map(ScanPosition.init) ?? scan.boundary(after: start, rows: chunkRows, in: session)
            guard let stop else { return (ChunkEnd(last: nil, isStopped: false), try consumer.finish()) }
            let dangling = try references?.dangling(scan, after: start, through: stop, in: session) ?? [:]
            var result = ChunkEnd(last: try KeysetCursor(stop), isStopped: false)
            var index = 0
            try scan.read(after: start, through: stop, in: session) { item in
                defer { index += 1 }
                let next: SQLScan
                if !dangling.isEmpty, let error = dangling[index] {
                    next = consumer.failed(id: String(decoding: item.id, as: UTF8.self), error)
                } else {
                    next = consumer.document(DocumentRow(id: item.id, language: item.language, body: item.body))
                }
                if next == .stop { result = ChunkEnd(last: try KeysetCursor(item.position), isStopped: true) }
                return next
            }
            return (result, try consumer.finish())
        }
    }
}

extension ItemScan {
    /// The ends of the next chunks, as the export loop keeps them.
    func ends(after cursor: KeysetCursor?, count: Int, rows: Int, in session: any SQLSession) throws -> [KeysetCursor] {
        var ends: [KeysetCursor] = []
        var last = try cursor.map(ScanPosition.init)
        while ends.count < count, let end = try boundary(after: last, rows: rows, in: session) {
            ends.append(try KeysetCursor(end))
            last = end
        }
        return ends
    }
}

extension KeysetCursor {
    /// A scan's place, as the export loop keeps it.
    init(_ position: ScanPosition) throws {
        self.init([.text(try JobCoding.encode(position))])
    }
}

extension ScanPosition {
    init(_ cursor: KeysetCursor) throws {
        guard case .text(let text)? = cursor.values.first else { throw ContentError(.damaged, "a cursor can't be read") }
        self = try JobCoding.decode(ScanPosition.self, text)
    }
}

extension ItemRow {
    /// Where a scan stands that has taken this row.
    var position: ScanPosition {
        ScanPosition(keys: (0..<first).map { ScanPosition.Key(row[$0]) }, id: String(decoding: id, as: UTF8.self))
    }
}
