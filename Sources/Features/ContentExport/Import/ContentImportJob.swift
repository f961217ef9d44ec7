import Datasets
import Formats
import SeededBugs
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
    static let failedRows = "failed-rows"
    static let ledger = "ledger.csv"

    struct Checkpoint: Codable, Sendable {
        /// Rows of the file that are done with, the failed ones included.
        var rows = 0
        var result = ContentImportResult()
    }

    let database: any SQLDatabase
    let blobs: any BlobStore
    let rights: any RightsSource

    func run(_ input: ContentImportInput, from checkpoint: Checkpoint?, in job: JobContext<Checkpoint>) async throws
        -> ContentImportResult
    {
        let roles = try await rights.roles(of: job.principal) ?? []
        guard RoleTable.scopes(of: roles).contains(.contentImport) else {
            throw JobFailure(code: "RIGHTS_LOST", message: "The user who asked for the import may not import content any more.")
        }
        guard let key = BlobKey(input.blob) else { throw JobFailure.damagedCheckpoint }
        do {
            var run = ImportRun(input: input, type: try await type(input, job), job: job, start: checkpoint ?? Checkpoint())
            return try await run.read(try await blobs.read(key, range: 0..<input.length))
        } catch let error as ContentError where error.code == .typeChanged {
            // The rows were encoded for a definition that has changed meanwhile: the next attempt reads it anew.
            throw JobFailure(code: error.code.description, message: error.message, retryable: true)
        }
    }

    private func type(_ input: ContentImportInput, _ job: JobContext<Checkpoint>) async throws -> ContentType {
        let tenant = job.principal.tenant
        let found = try await database.read { session -> ContentType? in
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

/// One pass over the file.
private struct ImportRun {
    let input: ContentImportInput
    let type: ContentType
    let job: JobContext<ContentImportJob.Checkpoint>
    var checkpoint: ContentImportJob.Checkpoint
    private let intake: ItemIntake
    /// Rows that an earlier attempt has dealt with.
    private var skip: Int
    private var bytesRead: Int64 = 0

    init(
        input: ContentImportInput, type: ContentType, job: JobContext<ContentImportJob.Checkpoint>,
        start: ContentImportJob.Checkpoint
    ) {
        self.input = input
        self.type = type
        self.job = job
        checkpoint = start
        checkpoint.result.dryRun = input.dryRun
        skip = SeededBug.repeatsImport ? 0 : start.rows
        intake = ItemIntake(format: input.format, type: type)
    }

    mutating func read(_ chunks: BlobChunks) async throws -> ContentImportResult {
        for try await chunk in chunks {
            chunk.withUnsafeBufferPointer { intake.push($0) }
            bytesRead += Int64(chunk.count)
            try await drain(atEnd: false)
        }
        intake.finish()
        try await drain(atEnd: true)
        return checkpoint.result
    }

    private mutating func drain(atEnd: Bool) async throws {
        while true {
            let wanted = skip > 0 ? min(skip, input.commitEvery) : input.commitEvery
            let batch = intake.batch(rows: wanted, throughFailures: skip > 0 || input.onError == .continue)
            if skip > 0 {
                skip -= batch.rows
                if batch.rows == 0 { return }
                continue
            }
            // A row that stops the import is not counted, so it may stand alone here.
            guard batch.rows > 0 || !batch.failures.isEmpty else { return }
            let isWhole = batch.rows >= wanted
            if !isWhole, !atEnd, batch.failures.isEmpty {
                intake.putBack(batch.items)
                return
            }
            let stop = input.onError == .stop ? batch.failures.first : batch.failures.first { $0.isFatal }
            try await commit(batch, stoppedBy: stop)
            if let stop {
                throw JobFailure(code: stop.code, message: "Line \(stop.line): \(stop.message)")
            }
            if !isWhole, !atEnd { return }
        }
    }

    private mutating func commit(_ batch: ItemIntake.Batch, stoppedBy stop: RowFailure?) async throws {
        var next = checkpoint
        next.rows += batch.rows
        next.result.total += Int64(batch.rows)
        next.result.failed += Int64(batch.failures.count)
        for failure in batch.failures where next.result.errors.count < ExportPosition.failuresNamed {
            next.result.errors.append(.init(line: failure.line, code: failure.code, message: failure.message))
        }
        if stop == nil || input.onError == .continue { try await note(batch.failures, isFirst: checkpoint.result.failed == 0) }
        let items = ItemBatch(batch.items, of: type)
        let progress = input.length > 0 ? min(99.9, Double(bytesRead) / Double(input.length) * 100) : 0
        let tenant = job.principal.tenant
        let isWriting = !input.dryRun && !items.items.isEmpty
        checkpoint = try await job.commit(progress: progress) { [next] session in
            var made = next
            if isWriting {
                let store = ContentStore()
                let outcome = try store.upsert(items, by: try store.writing(for: tenant, in: session), in: session)
                made.result.inserted += Int64(outcome.inserted)
                made.result.updated += Int64(outcome.updated)
            }
            let counters = [
                "inserted": made.result.inserted, "updated": made.result.updated, "failed": made.result.failed,
                "rows": made.result.total,
            ]
            return (made, counters)
        }
    }

    /// Lists failed rows, to be mended and sent again.
    private func note(_ failures: [RowFailure], isFirst: Bool) async throws {
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
        if isFirst, suffix == ".csv" { raw += intake.header + lineEnd }
        for failure in failures { raw += failure.raw + lineEnd }
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
