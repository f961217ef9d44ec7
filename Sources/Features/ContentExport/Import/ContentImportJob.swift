import AuditTrail
import Datasets
import Formats
import JobDoors
import SeededBugs
import Synchronization
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// What an import is asked for: the job's input.
struct ContentImportInput: Codable, Sendable, Hashable {
    var contentType: String
    var format: IntakeFormat
    /// The uploaded file.
    var blob: String
    var length: Int64
    var onError: ExportOptions.OnError
    /// Rows in one transaction.
    var commitEvery: Int
    var dryRun: Bool
}

/// What an import has come to.
struct ContentImportResult: Codable, Sendable, Hashable {
    struct Failure: Codable, Sendable, Hashable {
        var line: Int
        var code: String
        var message: String
    }

    var total: Int64 = 0
    var inserted: Int64 = 0
    var updated: Int64 = 0
    var failed: Int64 = 0
    var dryRun = false
    /// The first 100.
    var errors: [Failure] = []
}

/// Stores the rows of an uploaded file. Rows and checkpoint are written in one transaction, so going on after a crash neither
/// loses nor doubles a row.
struct ContentImportJob: JobHandler {
    static let kind: JobKind = "content.import"
    /// Rows that were stored stay stored however the import ends, and so does the list of those that were not.
    static let keepsArtifacts = true
    static let failedRows = "failed-rows"
    static let ledger = "ledger.csv"

    struct Checkpoint: Codable, Sendable {
        /// Rows of the file that are done with, the failed ones included.
        var rows = 0
        var result = ContentImportResult()
        /// The line that has ended the import. It is stored with the rows before it, so the attempt that stores it may end in
        /// between, and the next one must not go on behind it.
        var stop: ContentImportResult.Failure?
    }

    let database: any SQLDatabase
    let blobs: any BlobStore
    let rights: any RightsSource
    let audit: AuditStore

    func run(_ input: ContentImportInput, from checkpoint: Checkpoint?, in job: JobContext<Checkpoint>) async throws
        -> ContentImportResult
    {
        _ = try await rights.current(job.principal, needing: .contentImport)
        if let stop = checkpoint?.stop { throw JobFailure(stop) }
        guard let key = BlobKey(input.blob) else { throw JobFailure.damagedCheckpoint }
        do {
            let type = try await type(input, job)
            let start = checkpoint ?? Checkpoint()
            let reader = ImportReader(
                try await blobs.read(key, range: 0..<input.length), input, type: type,
                skip: SeededBug.repeatsImport ? 0 : start.rows)
            return try await ImportRun(input: input, type: type, job: job, audit: audit).run(reader, from: start)
        } catch let error as ContentError where error.code == .typeChanged {
            // The rows were encoded for a definition that has changed meanwhile: the next attempt reads it anew.
            throw JobFailure(code: error.code.description, message: error.message, retryable: true)
        }
    }

    private func type(_ input: ContentImportInput, _ job: JobContext<Checkpoint>) async throws -> ContentType {
        let tenant = job.principal.tenant
        let found = try await database.read(of: tenant) { session -> ContentType? in
            let store = ContentStore()
            guard let space = try store.space(of: tenant, in: session) else { return nil }
            return try store.type(input.contentType, space: space.id, in: session)
        }
        guard let found else {
            throw JobFailure(
                code: "UNKNOWN_CONTENT_TYPE", message: "The content type ‘\(input.contentType)’ does not exist any more.")
        }
        return found
    }
}

/// One pass over the file: while a batch is being written, the next ones are read and encoded.
private struct ImportRun: Sendable {
    let input: ContentImportInput
    let type: ContentType
    let job: JobContext<ContentImportJob.Checkpoint>
    let audit: AuditStore

    func run(_ reader: sending ImportReader, from start: ContentImportJob.Checkpoint) async throws -> ContentImportResult {
        var checkpoint = start
        checkpoint.result.dryRun = input.dryRun
        var limit = BatchLimit(rows: min(input.commitEvery, WritePace.firstRows))
        try await WriteAhead.run(first: limit) {
            try await reader.make($0)
        } write: { batch in
            let before = checkpoint
            let took: Duration
            (checkpoint, took) = try await commit(batch, after: before)
            if let stop = checkpoint.stop { throw JobFailure(stop) }
            let outcome = UpsertOutcome(
                inserted: Int(checkpoint.result.inserted - before.result.inserted),
                updated: Int(checkpoint.result.updated - before.result.updated))
            limit = limit.after(outcome, took: took, rowsMax: input.commitEvery)
            return limit
        }
        return checkpoint.result
    }

    /// - Returns: what is stored now, and how long the transaction took.
    private func commit(
        _ batch: ImportReader.Batch, after checkpoint: ContentImportJob.Checkpoint
    ) async throws -> (ContentImportJob.Checkpoint, took: Duration) {
        var next = checkpoint
        next.rows += batch.rows
        next.result.total += Int64(batch.rows)
        next.result.failed += Int64(batch.failures.count)
        for failure in batch.failures where next.result.errors.count < ExportPosition.failuresNamed {
            next.result.errors.append(.init(failure))
        }
        next.stop = batch.stop.map { .init($0) }
        try await note(batch, isFirst: checkpoint.result.failed == 0)
        let items = batch.items
        let progress = input.length > 0 ? min(99.9, Double(batch.bytesRead) / Double(input.length) * 100) : 0
        let tenant = job.principal.tenant
        let isWriting = !input.dryRun && !items.items.isEmpty
        let event = AuditEvent(
            at: job.now, user: job.principal.user, action: .contentItemsStore, target: type.name, outcome: AuditEvent.success,
            details: [AuditDetail("jobId", job.id.text)])
        let began = Mutex(job.now)
        let committed = try await job.commit(progress: progress, durability: .delayed) { [next, audit] session in
            began.withLock { $0 = job.now }
            var made = next
            if isWriting {
                let store = ContentStore()
                let outcome = try store.upsert(items, by: try store.writing(for: tenant, in: session), in: session)
                made.result.inserted += Int64(outcome.inserted)
                made.result.updated += Int64(outcome.updated)
                var event = event
                event.details += items.auditDetails(outcome)
                try audit.record(event, of: tenant, in: session)
            }
            let counters = [
                "inserted": made.result.inserted, "updated": made.result.updated, "failed": made.result.failed,
                "rows": made.result.total,
            ]
            return (made, counters)
        }
        return (committed, job.now.since(began.withLock { $0 }))
    }

    /// Lists failed rows, to be mended and sent again.
    private func note(_ batch: ImportReader.Batch, isFirst: Bool) async throws {
        let failures = batch.failures
        guard !failures.isEmpty else { return }
        let lineEnd: [UInt8]
        let suffix: String
        switch input.format {
        case .csv: (lineEnd, suffix) = ([13, 10], ".csv")
        case .ndjson: (lineEnd, suffix) = ([10], ".ndjson")
        }
        let rows = try await job.artifact(
            ContentImportJob.failedRows + suffix, contentType: suffix == ".csv" ? "text/csv" : "application/x-ndjson")
        let ledger = try await job.artifact(ContentImportJob.ledger, contentType: "text/csv; charset=utf-8; header=present")
        var raw: [UInt8] = []
        if isFirst, suffix == ".csv", !batch.header.isEmpty { raw += batch.header + lineEnd }
        for failure in failures { raw += failure.raw.map { $0 + lineEnd } ?? [] }
        try await rows.append(raw)
        let out = OutputBuffer(capacity: 4096)
        let csv = CSVWriter()
        func row(_ texts: [String]) {
            for text in texts {
                var text = text
                _ = text.withUTF8 { csv.text($0, to: out) }
            }
            csv.endRow(out)
        }
        if isFirst { row(["line", "code", "field", "message"]) }
        for failure in failures { row([String(failure.line), failure.code, failure.field ?? "", failure.message]) }
        try await ledger.append(out.takeBytes())
    }
}

extension ContentImportResult.Failure {
    init(_ failure: RowFailure) {
        self.init(line: failure.line, code: failure.code, message: failure.message)
    }
}

extension JobFailure {
    fileprivate init(_ stop: ContentImportResult.Failure) {
        self.init(code: stop.code, message: "Line \(stop.line): \(stop.message)")
    }
}
