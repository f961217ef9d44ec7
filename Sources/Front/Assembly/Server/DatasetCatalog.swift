import ContentExport
import WaybillEngine
import Web

/// The external data sets of the configuration.
struct DatasetCatalog: DatasetOpener {
    init(_ settings: [DatasetSettings]) async throws {}

    func names(for tenant: TenantID) -> [String] { [] }

    func check(_ name: String, _ request: ContentExportRequest, for principal: Principal) async throws {
        throw Problem.invalid("dataset", "there is no data set ‘\(name.prefix(100))’")
    }

    func open(_ name: String, _ request: ContentExportRequest, for principal: Principal) async throws -> OpenDataset {
        throw JobFailure(code: "UNKNOWN_DATASET", message: "The data set ‘\(name)’ does not exist any more.")
    }
}
