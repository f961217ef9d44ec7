import Datasets
import Formats
import TenantData
import WaybillDatabases
import WaybillEngine

/// The rows of an entity that were copied with the cut.
struct CopiedSource: RowSource {
    let name: String
    let columns: [ExportColumn]
    let fieldCount: Int
    let rowsToScan: Int64?
    let readers = 1
    let chunkRows = 1024
    private let job: String
    private let tenant: TenantID
    private let database: any SQLDatabase

    init(_ entity: EntityCut, of job: String, for tenant: TenantID, in database: any SQLDatabase) {
        name = entity.name
        columns = entity.columns.enumerated().map { ExportColumn($1, source: .field($0)) }
        fieldCount = entity.columns.count
        rowsToScan = entity.rows
        self.job = job
        self.tenant = tenant
        self.database = database
    }

    func ends(after cursor: KeysetCursor?, count: Int) async throws -> [KeysetCursor] { [] }

    func read<Consumer: RowConsumer>(
        after cursor: KeysetCursor?, through end: KeysetCursor?, reader: Int,
        _ consumer: @escaping @Sendable () throws -> Consumer
    ) async throws -> (ChunkEnd, Consumer.Output) {
        try await database.read(of: tenant) { session in
            let consumer = try consumer()
            var result = ChunkEnd(last: nil, isStopped: false)
            var after: Int64 = 0
            if case .integer(let number)? = cursor?.values.first { after = number }
            let none = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
            try BackupStore().scan(name, job: job, tenant: tenant, after: after, limit: chunkRows, in: session) {
                number, values in
                let next = consumer.document(DocumentRow(id: none, language: .null, body: values))
                result = ChunkEnd(last: KeysetCursor([.integer(number)]), isStopped: next == .stop)
                return next
            }
            return (result, try consumer.finish())
        }
    }
}
