import Datasets
import Formats
import JobDoors
import WaybillDatabases
import WaybillEngine
import Web

/// Exports content, or an external data set, as files.
struct ContentExportJob: JobEndHandler {
    static let kind: JobKind = "content.export"

    /// What every attempt needs to read the same rows: fixed in the transaction that takes the cut.
    struct Checkpoint: Codable, Sendable {
        /// nil for an external data set.
        var cut: ContentCut?
        var plans: [ItemSource.Plan]
        var typeIDs: [String: Int64]
        var position: ExportPosition
    }

    let database: any SQLDatabase
    let rights: any RightsSource
    let datasets: any DatasetOpener
    let temporaryFolder: String

    func run(_ input: ContentExportRequest, from checkpoint: Checkpoint?, in job: JobContext<Checkpoint>) async throws
        -> ExportResult
    {
        do {
            return try await export(input, from: checkpoint, in: job)
        } catch let error as ContentError {
            throw JobFailure(code: error.code.description, message: error.message)
        } catch let error as QueryError {
            throw JobFailure(code: error.code.description, message: error.message)
        }
    }

    private func export(
        _ input: ContentExportRequest, from checkpoint: Checkpoint?, in job: JobContext<Checkpoint>
    ) async throws -> ExportResult {
        let principal = try await rights.current(job.principal, needing: .contentExport)
        if let dataset = input.dataset { return try await export(dataset, input, for: principal, checkpoint, in: job) }
        try await database.refreshStatistics(of: ContentStore.scannedTables)
        let start: Checkpoint
        if let checkpoint { start = checkpoint } else { start = try await takeCut(input, for: principal, in: job) }
        guard let cut = start.cut else { throw JobFailure.damagedCheckpoint }
        let sources = try start.plans.map {
            try ItemSource($0, cut: cut, typeIDs: start.typeIDs, request: input, tenant: principal.tenant, database: database)
        }
        return try await export(sources, input, from: start, consistency: "cut", in: job)
    }

    /// Takes the cut, and fixes with it what is exported and what the user may read of it.
    private func takeCut(
        _ input: ContentExportRequest, for principal: Principal, in job: JobContext<Checkpoint>
    ) async throws -> Checkpoint {
        let id = job.id.text
        return try await job.commit(progress: 0) { session in
            let store = ContentStore()
            let cut = try store.takeCut(for: id, of: principal.tenant, in: session)
            let plans = try input.types.map { name in
                guard let type = try store.type(name, space: cut.space, in: session) else {
                    throw JobFailure(code: "UNKNOWN_CONTENT_TYPE", message: "The content type ‘\(name)’ does not exist any more.")
                }
                return try plan(input, type, principal, cut, in: session)
            }
            let start = Checkpoint(
                cut: cut, plans: plans, typeIDs: try store.typeIDs(space: cut.space, in: session), position: ExportPosition())
            return (start, counters: nil)
        }
    }

    private func plan(
        _ input: ContentExportRequest, _ type: ContentType, _ principal: Principal, _ cut: ContentCut, in session: any SQLSession
    ) throws -> ItemSource.Plan {
        let store = ContentStore()
        let query = try input.query.map { try Query.parse($0, schema: type.querySchema) }
        return ItemSource.Plan(
            type: type, scan: try ScanPlan.choose(for: query, sort: input.sort, type: type, cut: cut, in: session),
            readable: try store.readable(by: principal, of: type, space: cut.space, in: session),
            items: Int64(try store.itemCount(type: type.id, space: cut.space, in: session)),
            hasLanguage: try store.hasLanguages(type: type.id, space: cut.space, in: session))
    }

    /// An external data set has a snapshot for each attempt, so an interrupted export starts over.
    private func export(
        _ name: String, _ input: ContentExportRequest, for principal: Principal, _ checkpoint: Checkpoint?,
        in job: JobContext<Checkpoint>
    ) async throws -> ExportResult {
        if checkpoint != nil { try await job.dropArtifacts() }
        let start = Checkpoint(cut: nil, plans: [], typeIDs: [:], position: ExportPosition())
        try await job.commit(start, progress: 0)
        let opened = try await datasets.open(name, input, for: principal)
        do {
            let result = try await export([opened.source], input, from: start, consistency: "snapshot", in: job)
            await opened.close()
            return result
        } catch {
            await opened.close()
            throw error
        }
    }

    private func export(
        _ sources: [any RowSource], _ input: ContentExportRequest, from start: Checkpoint, consistency: String,
        in job: JobContext<Checkpoint>
    ) async throws -> ExportResult {
        let target = ExportTarget(job, temporaryFolder: temporaryFolder) { position in
            var checkpoint = start
            checkpoint.position = position
            return checkpoint
        }
        let end = try await ExportLoop(sources: sources, options: input.options, target: target).run(from: start.position)
        return ExportResult(end, consistency: consistency)
    }

    func ended(_ job: JobRecord, in session: any SQLSession) throws {
        try ContentStore().releaseCuts(of: job.id.text, in: session)
    }
}

/// Opens external data sets for an export.
public protocol DatasetOpener: Sendable {
    /// Checks a request before its job is enqueued.
    /// - Throws: a problem that names what is wrong.
    func check(_ name: String, _ request: ContentExportRequest, for principal: Principal) async throws
    /// A snapshot of the rows that the principal may read.
    func open(_ name: String, _ request: ContentExportRequest, for principal: Principal) async throws -> OpenDataset
}

/// An open snapshot of a data set.
public struct OpenDataset: Sendable {
    public var source: any RowSource
    public var close: @Sendable () async -> Void

    public init(source: any RowSource, close: @escaping @Sendable () async -> Void) {
        self.source = source
        self.close = close
    }
}
