import Foundation
import Testing

@testable import WaybillClient

@Suite struct CallTests {
    static let job = """
        {"jobId":"0198","kind":"content.export","state":"completed","progress":100,"createdAt":"2026-03-01T10:00:00.250Z",
        "attempts":1,"waitingFor":null,"counters":{"rows":7},"newMember":{"a":[1]},"artifactState":"ready",
        "result":{"total":7,"exported":6,"skipped":0,"failed":1,"consistency":"cut",
        "errors":[{"id":"x","code":"BAD","message":"m"}]}}
        """

    @Test("an export is started with its JSON, credential and idempotency key")
    func create() async throws {
        let transport = ScriptedTransport([answer(202, Self.job)])
        var request = ExportRequest(contentType: "article", sort: ["-year", "id"], format: .csv, onError: .proceed)
        request.csv = .init(profile: .spreadsheet)
        let job = try await transport.client().exports.create(request, idempotencyKey: "k1", waitSeconds: 5)

        let sent = try #require(transport.requests.first)
        #expect(sent.method == "POST")
        #expect(sent.url == "http://server/content/export")
        #expect(sent.header("Authorization") == "Bearer t")
        #expect(sent.header("Idempotency-Key") == "k1")
        #expect(sent.header("Prefer") == "wait=5")
        #expect(sent.header("Content-Type") == "application/json")
        #expect(
            sent.text
                == #"{"contentType":"article","csv":{"profile":"spreadsheet"},"format":"csv","#
                + #""onError":"continue","sort":["-year","id"]}"#
        )
        #expect(job.state == .completed)
        #expect(job.createdAt == Date(timeIntervalSince1970: 1_772_359_200.25))
        #expect(job.counters == ["rows": 7])
        #expect(job.result?.failed == 1)
        #expect(job.result?.errors?.first?.code == "BAD")
    }

    @Test("names go percent-encoded into the address")
    func encoding() async throws {
        let transport = ScriptedTransport([answer(200, #"{"a":1}"#)])
        let item: [String: Int] = try await transport.client().content.item("a/../b c?é", type: "t")
        #expect(item == ["a": 1])
        #expect(transport.requests.first?.url == "http://server/content/types/t/items/a%2F..%2Fb%20c%3F%C3%A9")
    }

    @Test("a list is asked for by page, size and state")
    func list() async throws {
        let transport = ScriptedTransport([answer(200, #"{"jobs":[\#(Self.job)],"page":2,"size":5,"total":6}"#)])
        let page = try await transport.client().jobs.list(page: 2, size: 5, state: .failed)
        #expect(transport.requests.first?.url == "http://server/jobs?page=2&size=5&status=failed")
        #expect(page.total == 6)
        #expect(page.jobs.count == 1)
    }

    @Test("a refusal carries the server's problem")
    func problem() async throws {
        let body =
            #"{"type":"about:blank","title":"Bad","status":400,"detail":"format: \"doc\" is none","#
            + #""code":"BAD_FIELD","requestId":"r1","details":[{"field":"format","reason":"is none"}]}"#
        let transport = ScriptedTransport([answer(400, body, ["content-type": "application/problem+json"])])
        let error = await #expect(throws: WaybillClientError.self) {
            try await transport.client().exports.create(ExportRequest(contentType: "a", format: .csv))
        }
        #expect(error?.code == .refused)
        #expect(error?.status == 400)
        #expect(error?.problem?.code == "BAD_FIELD")
        #expect(error?.problem?.details.first?.field == "format")
        #expect(error?.problem?.requestId == "r1")
        #expect(error?.description == #"format: "doc" is none (400 BAD_FIELD)"#)
    }

    @Test("a refusal without a problem still tells its status and wait")
    func bareRefusal() async throws {
        let transport = ScriptedTransport([answer(503, "<html>", ["retry-after": "7"])])
        let error = await #expect(throws: WaybillClientError.self) { try await transport.client().jobs.get("a") }
        #expect(error?.status == 503)
        #expect(error?.retryAfter == .seconds(7))
        #expect(error?.isTransient == true)
    }

    @Test("an upload that stops at a line tells the line and what stays")
    func badLine() async throws {
        let body = #"{"detail":"line 7: year is missing","code":"BAD_LINE","line":7,"stored":4,"details":{"odd":1}}"#
        let transport = ScriptedTransport([answer(400, body)])
        let error = await #expect(throws: WaybillClientError.self) {
            try await transport.client().content.upload(AsyncStream<[UInt8]> { $0.finish() }, format: .csv, type: "t")
        }
        #expect(error?.problem?.line == 7)
        #expect(error?.problem?.stored == 4)
        #expect(error?.problem?.details.isEmpty == true)
    }

    @Test("a type that was read can be defined again: only what defines it is sent")
    func redefine() async throws {
        let type =
            #"{"name":"t","fields":[{"name":"a","type":"text"}],"readers":["everyone"],"items":3,"#
            + #""createdAt":"2026-03-01T10:00:00.000Z"}"#
        let transport = ScriptedTransport([answer(200, type), answer(200, type)])
        let client = transport.client()
        let read = try await client.content.type("t")
        #expect(read.items == 3)
        try await client.content.define("t", read)
        #expect(transport.requests.last?.method == "PUT")
        #expect(transport.requests.last?.text == #"{"fields":[{"name":"a","type":"text"}],"readers":["everyone"]}"#)
    }

    @Test("a redirect is an error, not a way", arguments: [301, 302, 307, 308])
    func redirect(status: Int) async throws {
        let transport = ScriptedTransport([answer(status, "", ["location": "http://elsewhere/"])])
        let error = await #expect(throws: WaybillClientError.self) { try await transport.client().jobs.get("a") }
        #expect(error?.code == .unexpectedAnswer)
        #expect(transport.requests.count == 1)
    }

    @Test("an answer that is no JSON is told as such")
    func noJSON() async throws {
        let transport = ScriptedTransport([answer(200, "hello")])
        let error = await #expect(throws: WaybillClientError.self) { try await transport.client().jobs.get("a") }
        #expect(error?.code == .unexpectedAnswer)
    }

    @Test("the verbs of a job go where they should")
    func verbs() async throws {
        let transport = ScriptedTransport(Array(repeating: answer(202, Self.job), count: 7))
        let client = transport.client()
        try await client.jobs.cancel("j")
        try await client.jobs.pause("j")
        try await client.jobs.resume("j")
        try await client.jobs.retry("j")
        try await client.exports.cancel("j")
        try await client.exports.revoke("j")
        try await client.notifications.markRead("n")
        #expect(
            transport.requests.map { "\($0.method) \($0.url.dropFirst("http://server".count))" } == [
                "POST /jobs/j/cancel", "POST /jobs/j/pause", "POST /jobs/j/resume", "POST /jobs/j/retry",
                "POST /content/export/j/cancel",
                "DELETE /content/export/j", "POST /notifications/n/read",
            ])
    }

    @Test("a stream of items goes out chunk by chunk, with its media type")
    func upload() async throws {
        let transport = ScriptedTransport([answer(200, #"{"inserted":2,"updated":1}"#)])
        let chunks = AsyncStream<[UInt8]> { continuation in
            for text in ["id,a\n", "1,2\n"] { continuation.yield([UInt8](text.utf8)) }
            continuation.finish()
        }
        let stored = try await transport.client().content.upload(chunks, format: .csv, type: "t")
        #expect(stored == StoredItems(inserted: 2, updated: 1))
        let sent = try #require(transport.requests.first)
        #expect(sent.header("Content-Type") == "text/csv; charset=utf-8")
        guard case .stream(let body, nil) = sent.body else {
            Issue.record("the body is no stream")
            return
        }
        #expect(try await body.collect(bytesMax: 100) == [UInt8]("id,a\n1,2\n".utf8))
    }

    @Test("a file is sent with its length")
    func uploadFile() async throws {
        let path = NSTemporaryDirectory() + "waybill-upload-" + ProcessInfo.processInfo.globallyUniqueString
        try Data(repeating: 0x61, count: 300_000).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let transport = ScriptedTransport([answer(202, #"{"jobId":"1","state":"pending"}"#)])
        _ = try await transport.client().imports.create(
            file: path, format: .ndjson, ImportOptions(contentType: "t", dryRun: true))
        let sent = try #require(transport.requests.first)
        #expect(sent.url == "http://server/content/import?contentType=t&dryRun=true")
        guard case .stream(let body, 300_000?) = sent.body else {
            Issue.record("the body is no stream of 300,000 bytes")
            return
        }
        #expect(try await body.collect(bytesMax: 1 << 20).count == 300_000)
    }

    @Test("a credential never shows its secret")
    func masked() {
        let credential = WaybillCredential.bearer("hunter2")
        #expect(!"\(credential)".contains("hunter2"))
        #expect(!String(reflecting: credential).contains("hunter2"))
        var dumped = ""
        dump(credential, to: &dumped)
        #expect(!dumped.contains("hunter2"))
    }

    @Test(
        "an address that is none is refused before anything is sent",
        arguments: ["", "server", "ftp://a", "http://", "http://a?b=c", "http://a b"])
    func badAddress(url: String) {
        #expect { try WaybillClient(url: url, credential: nil) } throws: { ($0 as? WaybillClientError)?.code == .invalidRequest }
    }
}
