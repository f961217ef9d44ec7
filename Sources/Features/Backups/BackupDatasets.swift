import Datasets
import Formats
import WaybillEngine

/// The tables of others that a tenant has rows in.
public protocol BackupDatasets: Sendable {
    /// Their names, in order.
    func names(for tenant: TenantID) -> [String]
    /// A snapshot of the tenant's rows in one of them.
    func open(_ name: String, for tenant: TenantID) async throws -> OpenTable
}

/// An open snapshot of somebody else's table.
public struct OpenTable: Sendable {
    public var source: any RowSource
    /// The types of its columns, as they were declared.
    public var types: [LosslessColumn.Kind]
    public var close: @Sendable () async -> Void

    public init(source: any RowSource, types: [LosslessColumn.Kind], close: @escaping @Sendable () async -> Void) {
        self.source = source
        self.types = types
        self.close = close
    }
}

/// The rows of such a table under the name that they have in a backup.
struct DatasetSource<Base: RowSource>: RowSource {
    let base: Base
    let columns: [ExportColumn]

    var name: String { "dataset-\(base.name)" }
    var fieldCount: Int { base.fieldCount }
    var rowsToScan: Int64? { base.rowsToScan }
    var readers: Int { base.readers }
    var chunkRows: Int { base.chunkRows }

    init(_ base: Base, types: [LosslessColumn.Kind]) {
        self.base = base
        columns = zip(base.columns, types).map { column, type in
            var column = column
            column.type = type
            return column
        }
    }

    func ends(after cursor: KeysetCursor?, count: Int) async throws -> [KeysetCursor] {
        try await base.ends(after: cursor, count: count)
    }

    func read<Consumer: RowConsumer>(
        after cursor: KeysetCursor?, through end: KeysetCursor?, reader: Int,
        _ consumer: @escaping @Sendable () throws -> Consumer
    ) async throws -> (ChunkEnd, Consumer.Output) {
        try await base.read(after: cursor, through: end, reader: reader, consumer)
    }
}

extension RowSource {
    func inBackup(types: [LosslessColumn.Kind]) -> any RowSource { DatasetSource(self, types: types) }
}
