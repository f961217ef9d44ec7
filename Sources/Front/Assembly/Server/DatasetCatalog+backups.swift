import Backups
import Datasets
import Formats
import WaybillDatabases
import WaybillEngine

extension DatasetCatalog: BackupDatasets {
    func names(for tenant: TenantID) -> [String] {
        datasets.values.filter { $0.isVisible(to: tenant) }.map(\.name).sorted()
    }

    /// All rows of the tenant, whoever of it may read them.
    func open(_ name: String, for tenant: TenantID) async throws -> OpenTable {
        let (dataset, snapshot) = try await snapshot(of: name, for: tenant)
        do {
            let owner = Principal(tenant: tenant, user: "backup", roles: ["admin"])
            let source = try await TableSource(dataset, in: snapshot, for: owner, readers: Self.readers)
            return OpenTable(source: source, types: dataset.columns.map { Self.type(of: $0.kind) }) { await snapshot.close() }
        } catch {
            await snapshot.close()
            throw Self.told(error)
        }
    }

    /// What a value is written as. A source may hold its values to no type, so only what all of them can be is said.
    private static func type(of kind: QueryField.Kind) -> LosslessColumn.Kind {
        switch kind {
        case .integer: .integer
        case .number: .number
        case .boolean: .boolean
        case .text, .tags, .reference, .datetime, .json: .text
        }
    }
}
