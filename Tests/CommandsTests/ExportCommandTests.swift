import ArgumentParser
import Assembly
import Foundation
import Testing

@testable import Commands
@testable import WaybillClient

@Suite struct ExportCommandTests {
    static func job(_ state: String, _ progress: Int, _ more: String = "") -> String {
        #"{"jobId":"j1","kind":"content.export","state":"\#(state)","progress":\#(progress)\#(more)}"#
    }

    /// A server with one export that ends in `state`.
    static func server(_ state: String, _ more: String = "") -> CommandBench.Server {
        { request in
            let path = String(request.url.dropFirst("http://127.0.0.1:8080".count))
            switch "\(request.method) \(path)" {
            case "POST /content/export": return (202, [:], job("pending", 0))
            case "GET /content/export/j1": return (200, [:], job(state, 100, more))
            case "GET /content/export/j1/monitor":
                let frames = [
                    ("job.progress", job("running", 4)), ("job.progress", job("running", 8)),
                    ("job.progress", job("running", 55)),
                    ("job.\(state)", job(state, 100, more)),
                ].map { "event: \($0)\ndata: \($1)\n\n" }
                return (200, ["content-type": "text/event-stream"], frames.joined())
            case "GET /content/export/j1/download": return (200, ["etag": "\"1\"", "content-length": "5"], "id\n1\n")
            default: return (404, [:], "{}")
            }
        }
    }

    static let done =
        #","downloadUrl":"/l","result":{"total":1200,"exported":1199,"failed":1,"#
        + #""errors":[{"id":"x","code":"BAD","message":"too long"}]}"#

    @Test("without a screen an export tells each state and tenth on a line, and its link as the result")
    func plain() async {
        let ran = await CommandBench().run(["export", "--type", "a"], server: Self.server("completed", Self.done))
        #expect(ran.status == 0)
        #expect(ran.output == "http://127.0.0.1:8080/l\n")
        #expect(
            ran.trouble == """
                j1  4 %  running
                j1  55 %  running
                j1  100 %  completed
                1,199 of 1,200 items exported, 1 failed
                  x: too long

                """)
    }

    @Test("on a screen the line is written over")
    func screen() async {
        let ran = await CommandBench().run(["export", "--type", "a"], width: 80, server: Self.server("completed", Self.done))
        #expect(ran.trouble.contains("\r[██████████████████████"))
        #expect(ran.trouble.contains(" 55 %  running\u{1B}[K"))
        #expect(ran.trouble.contains("100 %  completed\u{1B}[K\n"))
    }

    @Test("as JSON there is one document and nothing else")
    func json() async throws {
        let ran = await CommandBench().run(
            ["export", "--type", "a", "--json"], width: 80, server: Self.server("completed", Self.done))
        #expect(ran.trouble.isEmpty)
        let job = try JSONDecoder().decode(WaybillJob.self, from: Data(ran.output.utf8))
        #expect(job.result?.exported == 1199)
    }

    @Test("the file is loaded down and its digest told")
    func output() async throws {
        let path = NSTemporaryDirectory() + "waybill-command-" + ProcessInfo.processInfo.globallyUniqueString
        defer { try? FileManager.default.removeItem(atPath: path) }
        let ran = await CommandBench().run(["export", "--type", "a", "-o", path], server: Self.server("completed", Self.done))
        #expect(ran.status == 0)
        #expect(FileManager.default.contents(atPath: path) == Data("id\n1\n".utf8))
        #expect(ran.output.hasPrefix("\(path)  5 bytes  SHA-256 "))
    }

    @Test("an export that does not complete ends with 1 and its error", arguments: ["failed", "cancelled", "expired"])
    func failed(state: String) async {
        let ran = await CommandBench().run(
            ["export", "--type", "a"], server: Self.server(state, #","error":{"code":"X","message":"item 7 is too long"}"#))
        #expect(ran.status == 1)
        #expect(ran.trouble.hasSuffix("waybill: job j1 is \(state): item 7 is too long\n"))
        #expect(ran.output.isEmpty)
    }

    @Test("with --no-wait the id is printed and nothing is waited for")
    func noWait() async {
        let bench = CommandBench()
        let ran = await bench.run(["export", "--dataset", "d", "--no-wait"], server: Self.server("completed"))
        #expect(ran.output == "j1\n")
        #expect(bench.requests == ["POST http://127.0.0.1:8080/content/export"])
    }

    @Test("the flags become the request")
    func request() throws {
        let line = [
            "--types", "a,b", "--query", "x:1", "--fields", "id, x", "--sort=-x", "--format", "ndjson", "--compression", "gzip",
            "--on-error", "continue", "--filename", "f", "--part-rows", "7", "--part-bytes", "2048",
        ]
        let command = try ExportCommand.parse(line)
        #expect(
            command.request
                == ExportRequest(
                    contentTypes: ["a", "b"], query: "x:1", fields: ["id", "x"], sort: ["-x"], format: .ndjson,
                    compression: .gzip,
                    onError: .proceed, filename: "f", partRows: 7, partBytes: 2048))
        func csv(_ flags: String...) throws -> ExportRequest.CSV? {
            try ExportCommand.parse(["--type", "a"] + flags).request.csv
        }
        #expect(try csv("--csv-profile", "spreadsheet") == .init(profile: .spreadsheet))
        #expect(try csv("--csv-bom", "--csv-delimiter", ";") == .init(bom: true, delimiter: ";"))
        #expect(try csv() == nil, "what is not asked for is not sent, so that other formats are not refused for it")
    }

    @Test(
        "what contradicts itself is wrong usage",
        arguments: [
            ["export"], ["export", "--type", "a", "--dataset", "b"], ["export", "--type", "a", "--no-wait", "-o", "f"],
            ["export", "--type", "a", "--format", "pdf"], ["export", "--type", "a", "--part-rows", "many"],
            ["export", "--type", "a", "--csv-profile", "excel"],
        ])
    func usage(line: [String]) async {
        let bench = CommandBench()
        #expect(await bench.run(line).status == 2)
        #expect(bench.requests.isEmpty)
    }

    @Test("with --data a token is signed for the call, and the folder's own address is asked")
    func data() async {
        var actions = ServerActions.live
        actions.signToken = { settings, order in "\(settings.data.folder) \(order.tenant) \(order.user) \(order.roles)" }
        let bench = CommandBench()
        let ran = await bench.run(
            ["export", "--data", "/d", "--type", "a", "--no-wait"], environment: ["WAYBILL_SERVER_LISTEN": "0.0.0.0:9000"],
            actions: actions,
            server: { _ in (202, [:], Self.job("pending", 0)) })
        #expect(ran.status == 0)
        #expect(bench.requests == ["POST http://127.0.0.1:9000/content/export"])
        #expect(bench.tokens == [#"Bearer /d default operator ["admin"]"#])
    }
}
