import Foundation
import Testing

@testable import Assembly
@testable import Commands
@testable import WaybillClient

@Suite struct AuditCommandTests {
    private func finding(_ tenant: String, broken: Int64? = nil) -> AuditInspection.Finding {
        AuditInspection.Finding(
            tenant: tenant, holds: broken == nil, first: 1, through: 90, hash: "ab12", unsealed: 3, firstBroken: broken,
            reason: broken.map { _ in "eventChanged" })
    }

    private func verify(_ more: [String], _ findings: [AuditInspection.Finding]) async -> CommandBench.Ran {
        var actions = ServerActions.live
        actions.verifyAudit = { _, tenant in findings.filter { tenant == nil || $0.tenant == tenant } }
        return await CommandBench().run(["audit", "verify", "--data", "d"] + more, actions: actions)
    }

    @Test("chains that hold are listed with the hash to be kept")
    func holds() async {
        let ran = await verify([], [finding("acme"), finding("globex")])
        #expect(ran.status == 0)
        #expect(
            ran.output == """
                TENANT  CHAIN  FIRST  THROUGH  UNSEALED  FIRST BROKEN  HASH
                acme    holds  1      90       3         -             ab12
                globex  holds  1      90       3         -             ab12

                """)
    }

    @Test("one that does not hold is named with its first bad event, and is the exit status")
    func broken() async {
        let all = [finding("acme"), finding("globex", broken: 91)]
        let ran = await verify([], all)
        #expect(ran.status == 1)
        #expect(ran.output.contains("91 (eventChanged)"))
        #expect(ran.trouble == "waybill: the audit log is not what was sealed: globex\n")
        #expect(await verify(["--tenant", "acme"], all).status == 0)
        let json = await verify(["--json"], all)
        #expect(json.status == 1 && json.output.contains(#""firstBroken" : 91"#))
    }

    @Test("what the command line itself does is in the log, of a folder that is there")
    func folder() async throws {
        let folder = NSTemporaryDirectory() + "waybill-audit-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func run(_ line: String...) async -> CommandBench.Ran {
            await CommandBench().run(line + ["--data", folder], environment: [:])
        }
        let missing = await run("audit", "verify")
        #expect(missing.status == 1 && missing.trouble.contains("no installation"))
        #expect(await run("apikey", "create", "--tenant", "acme", "--user", "bot", "--role", "reader").status == 0)
        let ran = await run("audit", "verify")
        #expect(ran.status == 0, "\(ran.trouble)")
        #expect(ran.output.contains("acme    holds  1      0        1"))
    }

    @Test("an export is asked for with its filter, watched, and its link is the result")
    func export() async {
        let path = "/_api/v3/audit-log-bulk-export"
        @Sendable func export(_ state: String, _ status: String) -> String {
            #"{"jobId":"j1","state":"\#(state)","status":"\#(status)","progress":50,"count":1200,"files":2,"#
                + #""chain":{"holds":true},"downloadUrl":"/l"}"#
        }
        let bench = CommandBench()
        let line = ["audit", "export", "--username", "zoe", "--action", "A", "--from", "2026-01-01", "--restart"]
        let ran = await bench.run(line) {
            request in
            switch "\(request.method) \(request.url.dropFirst("http://127.0.0.1:8080".count))" {
            case "POST \(path)":
                guard case .bytes(let bytes) = request.body else { return (400, [:], "{}") }
                let expected =
                    #"{"filters":{"actions":["A"],"dateFrom":"2026-01-01","usernames":["zoe"]},"#
                    + #""format":"json","restartJob":true}"#
                return String(decoding: bytes, as: UTF8.self) == expected ? (201, [:], #"{"jobId":"j1"}"#) : (400, [:], "{}")
            case "GET \(path)/j1/monitor":
                let frames = "event: job.completed\ndata: \(export("completed", "completed"))\n\n"
                return (200, ["content-type": "text/event-stream"], frames)
            case "GET \(path)/j1": return (200, [:], export("completed", "completed"))
            default: return (404, [:], "{}")
            }
        }
        #expect(ran.status == 0, "\(ran.trouble)")
        #expect(ran.output == "http://127.0.0.1:8080/l\n")
        #expect(ran.trouble.contains("1,200 events in 2 files; the chain holds"))
    }
}
