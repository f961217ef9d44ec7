import AuditTrail
import Datasets
import JobDoors
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting

@testable import ContentExport

/// How imports end, and what they leave of the rows that failed.
@Suite struct ImportEndTests {
    private let content: ContentFixture
    private let tester: JobTester
    private let blobs = MemoryBlobs()

    init() async throws {
        content = try await ContentFixture()
        try await SQLMigrator(AuditMigrations.all).migrate(content.database, now: 0)
        let handler = ContentImportJob(
            database: content.database, blobs: blobs, rights: Admins(), audit: AuditStore(isEnabled: false))
        tester = try await JobTester(handlers: JobHandlers([handler]), database: content.database, blobs: blobs)
        try await content.putType(
            "page", [ContentField(name: "title", kind: .text, isRequired: true), ContentField(name: "size", kind: .integer)])
    }

    private struct Admins: RightsSource {
        func roles(of principal: Principal) async throws -> Set<String>? { ["admin"] }
    }

    private func enqueue(
        _ text: String, _ format: IntakeFormat = .csv(delimiter: 44), _ onError: ExportOptions.OnError = .continue
    ) async throws -> JobRecord {
        let key = try #require(BlobKey("uploads/acme/file"))
        let writer = try await blobs.writer(key)
        try await writer.append(Array(text.utf8))
        let stored = try await writer.finish()
        let input = ContentImportInput(
            contentType: "page", format: format, blob: key.text, length: stored.length, onError: onError, commitEvery: 2,
            dryRun: false)
        return try await tester.engine.enqueue(
            ContentImportJob.self, input, for: Principal(tenant: content.tenant, user: "ann", roles: ["editor"]))
    }

    /// The lines that the ledger names, without its header.
    private func ledger(_ result: JobTester.Result) -> [String] {
        let lines = String(decoding: result.artifacts[ContentImportJob.ledger] ?? [], as: UTF8.self).split(separator: "\r\n")
        #expect(lines.first == "line,code,field,message")
        return lines.dropFirst().map { $0.split(separator: ",").prefix(2).joined(separator: " ") }
    }

    private func failedRows(_ result: JobTester.Result, _ suffix: String = "csv") -> String? {
        result.artifacts["failed-rows.\(suffix)"].map { String(decoding: $0, as: UTF8.self) }
    }

    private func states(_ job: JobRecord) async throws -> Set<Artifact.State> {
        Set(try await tester.engine.artifacts(of: job).map(\.artifact.state))
    }

    private static let brokenOff = "id,title,size\n1,One,1\n2,Two,many\n3,Three,3\n4,\"Four"

    @Test(
        "a file that breaks off behind bad rows fails with its line, and lists all of them, whatever was killed",
        arguments: [nil, .afterCommit(1), .beforeCommit(2), .afterCommit(2)] as [JobTester.Crash?])
    func brokenOff(crash: JobTester.Crash?) async throws {
        let job = try await enqueue(Self.brokenOff)
        let result = try await tester.finish(job.id, crashes: crash.map { [$0] } ?? [])
        #expect(result.job.state == .failed && result.job.failure?.code == "CSV_UNTERMINATED_QUOTE")
        #expect(ledger(result) == ["3 WRONG_TYPE", "5 CSV_UNTERMINATED_QUOTE"])
        #expect(failedRows(result) == "id,title,size\r\n2,Two,many\r\n4,\"Four\r\n")
        #expect(try await states(result.job) == [.ready])
        #expect(try await content.count("content_items") == 2)
        let shown = try ContentImportView(result.job, hasRows: true)
        #expect(shown.job.error?.line == 5)
        #expect(shown.additions.result?.inserted == 2 && shown.additions.result?.failed == 2)
        #expect(shown.additions.ledgerUrl == "/content/import/\(job.id)/ledger")
    }

    @Test("a cancelled import lists the bad rows that it had come to; a retry drops the list")
    func cancelled() async throws {
        let job = try await enqueue(Self.brokenOff)
        tester.crash(job.id, .afterCommit(1))
        try await tester.runNext()
        let result = try await tester.result(of: try await tester.engine.cancel(job.id))
        #expect(result.job.state == .cancelled)
        #expect(ledger(result) == ["3 WRONG_TYPE"] && failedRows(result) == "id,title,size\r\n2,Two,many\r\n")
        #expect(try await states(result.job) == [.ready])
        let shown = try ContentImportView(result.job)
        #expect(shown.additions.result?.total == 2 && shown.job.error?.line == nil)

        let again = try await tester.engine.retry(job.id)
        #expect(try await tester.result(of: again).artifacts.isEmpty)
        #expect(try ContentImportView(again).additions.result == nil)
    }

    @Test("with stop the line that ended the import is told, and is the one that is listed", arguments: [false, true])
    func stopped(isKilled: Bool) async throws {
        let job = try await enqueue("id,title,size\n1,One,1\n2,Two,many\n3,,3\n", .csv(delimiter: 44), .stop)
        let result = try await tester.finish(job.id, crashes: isKilled ? [.afterCommit(1)] : [])
        #expect(result.job.state == .failed && result.job.failure?.code == "WRONG_TYPE")
        #expect(ledger(result) == ["3 WRONG_TYPE"] && failedRows(result) == "id,title,size\r\n2,Two,many\r\n")
        let shown = try ContentImportView(result.job)
        #expect(shown.job.error?.line == 3 && shown.additions.result?.failed == 1 && shown.additions.result?.errors.count == 1)
    }

    @Test("a wrong header is listed as line 1, and stands once in the failed rows")
    func header() async throws {
        let result = try await tester.finish(try await enqueue("id,colour\n1,red\n").id)
        #expect(ledger(result) == ["1 BAD_HEADER"] && failedRows(result) == "id,colour\r\n")
        #expect(try ContentImportView(result.job).job.error?.line == 1)
    }

    @Test("a line of NDJSON that is too long is in the ledger, and not in the failed rows")
    func tooLong() async throws {
        let long = #"{"id": "2", "title": ""# + String(repeating: "x", count: 1 << 20) + "\"}\n"
        let bad = #"{"id": "3"}"# + "\n"
        let result = try await tester.finish(try await enqueue("{\"id\": \"1\", \"title\": \"One\"}\n" + long + bad, .ndjson).id)
        #expect(result.job.state == .completed)
        #expect(ledger(result) == ["2 LINE_TOO_LONG", "3 MISSING_FIELD"])
        #expect(failedRows(result, "ndjson") == bad)

        let alone = try await tester.finish(try await enqueue(long, .ndjson).id)
        #expect(ledger(alone) == ["1 LINE_TOO_LONG"] && failedRows(alone, "ndjson") == "")
        #expect(try await states(alone.job) == [.ready])
    }
}
