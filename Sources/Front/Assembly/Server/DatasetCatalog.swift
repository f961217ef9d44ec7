import ContentExport
import Datasets
import Logging
import WaybillDatabases
import WaybillEngine
import WaybillSQLite
import Web

/// The external data sets of the configuration, each held against its table at the start.
struct DatasetCatalog: DatasetOpener {
    private static let readers = 2
    private let datasets: [String: ExternalDataset]
    private let logger: Logger

    /// - Throws: `DatasetError` or `SQLError` that names the data set and what is missing.
    init(_ settings: [DatasetSettings], logger: Logger) async throws {
        var datasets: [String: ExternalDataset] = [:]
        for dataset in settings {
            let file: SQLiteFile
            do {
                file = try SQLiteFile(path: dataset.source)
            } catch let error as SQLError {
                throw SQLError(error.code, "datasets.\(dataset.name).source: \(error.message)")
            }
            datasets[dataset.name] = try await ExternalDataset(DatasetConfiguration(dataset), source: file)
        }
        self.datasets = datasets
        self.logger = logger
    }

    func check(_ name: String, _ request: ContentExportRequest, for principal: Principal) async throws {
        guard let dataset = datasets[name], dataset.isVisible(to: principal.tenant) else {
            throw Problem.invalid("dataset", "there is no data set ‘\(name.prefix(100))’")
        }
        do {
            _ = try request.query.map { try dataset.query($0) }
            _ = try dataset.chosen(request.fields)
            try dataset.check(sort: Self.sort(request))
        } catch let error as QueryError {
            throw Problem.query(error)
        } catch let error as DatasetError {
            throw Problem.invalid(error.code == .unknownField ? "fields" : "sort", error.message)
        }
    }

    func open(_ name: String, _ request: ContentExportRequest, for principal: Principal) async throws -> OpenDataset {
        guard let dataset = datasets[name], dataset.isVisible(to: principal.tenant) else {
            throw JobFailure(code: "UNKNOWN_DATASET", message: "The data set ‘\(name)’ does not exist any more.")
        }
        // One connection more than readers, so that planning waits for no reading.
        let snapshot: any SQLSnapshot
        do {
            snapshot = try await dataset.source.openSnapshot(readers: Self.readers + 1)
        } catch let error as SQLError {
            // The file is somebody else's, and may be there again for the next attempt.
            logger.warning("a data set can't be read", metadata: ["dataset": "\(name)", "error": "\(error.message)"])
            throw JobFailure(
                code: "DATASET_UNREADABLE", message: "The source of the data set ‘\(name)’ can't be read.", retryable: true)
        }
        do {
            let source = try await TableSource(
                dataset, in: snapshot, for: principal, fields: request.fields,
                query: try request.query.map { try dataset.query($0) },
                sort: Self.sort(request), readers: Self.readers)
            return OpenDataset(source: source) { await snapshot.close() }
        } catch {
            await snapshot.close()
            guard let error = error as? DatasetError else { throw error }
            throw JobFailure(code: "DATASET_UNUSABLE", message: error.message)
        }
    }

    private static func sort(_ request: ContentExportRequest) -> [TableSort] {
        request.sort.map { TableSort(field: $0.field, isDescending: $0.isDescending) }
    }
}

extension DatasetConfiguration {
    init(_ settings: DatasetSettings) {
        let tenants: Tenants =
            switch settings.tenants {
            case .column(let column): .column(column)
            case .list(let names): .list(names)
            }
        let readers: Readers =
            switch settings.readers {
            case .column(let column): .column(column)
            case .list(let entries): .list(entries)
            }
        self.init(
            name: settings.name, table: settings.table, key: settings.key, tenants: tenants, readers: readers,
            columns: settings.columns)
    }
}
