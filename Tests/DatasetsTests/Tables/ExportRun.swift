import Foundation
import Logging
import Synchronization
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillSQLite

@testable import Datasets

/// Runs exports as jobs of an engine in memory.
struct ExportRun: Sendable {
    struct File: Sendable {
        var name: String
        var bytes: [UInt8]
        var facts: PartFacts?
    }

    struct Made: Sendable {
        var job: JobRecord
        var files: [File]
        var result: ExportResult?
        var commits: Int

        func file(_ name: String) -> File? { files.first { $0.name == name } }
    }

    var readers = 2
    var chunkRows: Int? = 7
    var fields: [String]?
    var query: QueryExpression?
    var sort: [TableSort] = []
    /// Rows of a sheet; as many as the format allows if nil.
    var sheetRows: Int64?
    /// Throws after each commit and goes on from what it committed.
    var isInterrupted = false

    func callAsFunction(_ dataset: ExternalDataset, _ options: ExportOptions, as principal: Principal) async throws -> Made {
        let database = try SQLiteDatabase.inMemory()
        try await SQLMigrator(EngineMigrations.all).migrate(database, now: 0)
        let blobs = MemoryBlobs()
        let snapshot = try await dataset.source.openSnapshot(readers: readers + 1)
        let source = try await TableSource(
            dataset, in: snapshot, for: principal, fields: fields, query: query, sort: sort, readers: readers,
            chunkRows: chunkRows)
        let commits = Mutex(0)
        let handler = TableExport(source: source, sheetRows: sheetRows, isInterrupted: isInterrupted) {
            commits.withLock { $0 += 1 }
        }
        let engine = JobEngine(
            database: database, blobs: blobs, handlers: JobHandlers([handler]), name: "test", time: WallClock(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let running = Task { try await engine.run() }
        let ticks = engine.listen()
        var job = try await engine.enqueue(TableExport.self, options, for: principal, maxAttempts: 1)
        for await _ in ticks {
            if let now = try await engine.find(job.id) { job = now }
            if job.state.isFinal { break }
        }
        var files: [File] = []
        for (artifact, segments) in try await engine.artifacts(of: job.id) {
            var bytes: [UInt8] = []
            for segment in segments {
                for try await chunk in try await blobs.read(segment.key, range: 0..<segment.length) { bytes += chunk }
            }
            files.append(
                File(
                    name: artifact.name, bytes: bytes, facts: try artifact.facts.map { try JobCoding.decode(PartFacts.self, $0) })
            )
        }
        running.cancel()
        _ = try? await running.value
        await snapshot.close()
        let result = try job.output.map { try JobCoding.decode(ExportResult.self, $0) }
        return Made(job: job, files: files, result: result, commits: commits.withLock { $0 })
    }
}

private struct TableExport: JobHandler {
    static let kind: JobKind = "test.export"
    private struct Interruption: Error {}

    let source: TableSource
    let sheetRows: Int64?
    let isInterrupted: Bool
    let committed: @Sendable () -> Void

    func run(_ options: ExportOptions, from checkpoint: ExportPosition?, in job: JobContext<ExportPosition>) async throws
        -> ExportResult
    {
        var position = checkpoint
        while true {
            let last = Mutex<ExportPosition?>(nil)
            var target = ExportTarget(job, temporaryFolder: NSTemporaryDirectory()) { $0 }
            if let sheetRows { target.sheetRowsMax = sheetRows }
            let commit = target.commit
            target.commit = { position, progress in
                try await commit(position, progress)
                committed()
                last.withLock { $0 = position }
                if isInterrupted, progress < 100 { throw Interruption() }
            }
            // By itself it would go by the clock.
            target.shouldCommit = { [isInterrupted] in isInterrupted }
            do {
                return ExportResult(
                    try await ExportLoop(sources: [source], options: options, target: target).run(from: position),
                    consistency: "snapshot")
            } catch is Interruption {
                position = last.withLock { $0 }
            }
        }
    }
}

struct WallClock: TimeSource {
    func now() -> Timestamp { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }

    func sleep(until deadline: Timestamp) async throws {
        try await Task.sleep(for: .microseconds(max(0, deadline.microseconds - now().microseconds)))
    }
}

/// Undoes a compression with the tool that everybody has.
func expanded(_ file: ExportRun.File, _ compression: ExportOptions.Compression) throws -> [UInt8] {
    switch compression {
    case .none: return file.bytes
    case .gzip: return try piped(file.bytes, through: ["gzip", "-dc"])
    case .zstd: return try piped(file.bytes, through: ["zstd", "-dc"])
    case .zip:
        // With the sums that the facts tell, the deflate stream is a gzip file.
        let crc = file.facts?.crc32 ?? 0
        let length = UInt32(truncatingIfNeeded: file.facts?.rawLength ?? 0)
        let trailer = [crc, length].flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) } }
        return try piped([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3] + file.bytes + trailer, through: ["gzip", "-dc"])
    }
}

private func piped(_ bytes: [UInt8], through command: [String]) throws -> [UInt8] {
    let input = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try Data(bytes).write(to: input)
    defer { try? FileManager.default.removeItem(at: input) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.standardInput = try FileHandle(forReadingFrom: input)
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CocoaError(.fileReadCorruptFile) }
    return Array(data)
}
