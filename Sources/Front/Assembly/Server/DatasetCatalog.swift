import ContentExport
import Datasets
import Logging
import WaybillDatabases
import WaybillEngine
import WaybillPostgres
import WaybillSQLite
import Web

/// The external data sets of the configuration, each held against its table at the start.
struct DatasetCatalog: DatasetOpener {
    static let readers = 2
    let datasets: [String: ExternalDataset]
    private let logger: Logger

    /// - Throws: `DatasetError` or `SQLError` that names the data set and what is missing.
    init(_ settings: [DatasetSettings], logger: Logger) async throws {
        var datasets: [String: ExternalDataset] = [:]
        for dataset in settings {
            let source: any SQLSnapshotSource
            do {
                switch dataset.source {
                case .file(let path): source = try SQLiteFile(path: path)
                case .server(let url): source = try PostgresSource(url: url)
                }
            } catch let error as SQLError {
                throw SQLError(error.code, "datasets.\(dataset.name).source: \(error.message)")
            }
            datasets[dataset.name] = try await ExternalDataset(DatasetConfiguration(dataset), source: source)
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
        let (dataset, snapshot) = try await snapshot(of: name, for: principal.tenant)
        do {
            let source = try await TableSource(
                dataset, in: snapshot, for: principal, fields: request.fields,
                query: try request.query.map { try dataset.query($0) },
                sort: Self.sort(request), readers: Self.readers)
            return OpenDataset(source: source) { await snapshot.close() }
        } catch {
            await snapshot.close()
            throw Self.told(error)
        }
    }

    /// An open snapshot of a data set in which the tenant may have rows.
    func snapshot(of name: String, for tenant: TenantID) async throws -> (dataset: ExternalDataset, snapshot: any SQLSnapshot) {
        guard let dataset = datasets[name], dataset.isVisible(to: tenant) else {
            throw JobFailure(code: "UNKNOWN_DATASET", message: "The data set ‘\(name)’ does not exist any more.")
        }
        // One connection more than readers, so that planning waits for no reading.
        return (dataset, try await ForeignSnapshot.open(dataset.source, readers: Self.readers + 1, of: name, logger: logger))
    }

    static func told(_ error: any Error) -> any Error {
        (error as? DatasetError).map { JobFailure(code: "DATASET_UNUSABLE", message: $0.message) } ?? error
    }

    private static func sort(_ request: ContentExportRequest) -> [TableSort] {
        request.sort.map { TableSort(field: $0.field, isDescending: $0.isDescending) }
    }
}

/// A snapshot of somebody else's database. What goes wrong with it is an error of the export, which is tried again, and no outage
/// of this server's own database.
private struct ForeignSnapshot: SQLSnapshot {
    let base: any SQLSnapshot
    let name: String
    let logger: Logger

    var readerCount: Int { base.readerCount }

    static func open(
        _ source: any SQLSnapshotSource, readers: Int, of name: String, logger: Logger
    ) async throws -> ForeignSnapshot {
        try await telling(name, logger) {
            ForeignSnapshot(base: try await source.openSnapshot(readers: readers), name: name, logger: logger)
        }
    }

    func read<T: Sendable>(reader: Int, _ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        try await Self.telling(name, logger) { try await base.read(reader: reader, body) }
    }

    func close() async { await base.close() }

    private static func telling<T>(_ name: String, _ logger: Logger, _ act: () async throws -> T) async throws -> T {
        do {
            return try await act()
        } catch let error as SQLError {
            logger.warning("a data set can't be read", metadata: ["dataset": "\(name)", "error": "\(error.message)"])
            throw JobFailure(
                code: "DATASET_UNREADABLE", message: "The source of the data set ‘\(name)’ can't be read.", retryable: true)
        }
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
