import Assembly
import Foundation
import Synchronization
import Testing

@testable import Commands
@testable import WaybillClient

@Suite struct CommandLineTests {
    static func answering(_ status: Int, _ text: String = "{}") -> CommandBench.Server { { _ in (status, [:], text) } }

    @Test(
        "how the server answers decides the exit status",
        arguments: [
            (200, 0), (400, 2), (401, 4), (403, 4), (404, 5), (409, 1), (410, 5), (422, 2), (500, 1),
        ] as [(Int, Int32)])
    func statuses(answer: Int, status: Int32) async {
        let ran = await CommandBench().run(
            ["jobs", "show", "j"], server: Self.answering(answer, #"{"jobId":"j","state":"running"}"#))
        #expect(ran.status == status)
        #expect(ran.trouble.isEmpty == (status == 0))
    }

    @Test("a server that can't be reached is status 3")
    func unreachable() async {
        let ran = await CommandBench().run(["jobs", "list"])
        #expect(ran.status == 3)
        #expect(ran.trouble == "waybill: no server\n")
    }

    @Test("nobody asks without saying who")
    func noCredential() async {
        let bench = CommandBench()
        let ran = await bench.run(["jobs", "list"], environment: ["WAYBILL_TOKEN": ""])
        #expect(ran.status == 2)
        #expect(ran.trouble.contains("WAYBILL_TOKEN"))
        #expect(bench.requests.isEmpty)
    }

    @Test(
        "the version and every help can be had",
        arguments: [
            ["--version"], ["--help"], ["serve", "--help"], ["token", "--help"], ["apikey", "create", "--help"],
            ["export", "--help"],
            ["jobs", "--help"], ["jobs", "watch", "--help"], ["tenant", "delete", "--help"], ["doctor", "--help"],
            ["config", "show", "--help"], ["worker", "--help"], ["migrate", "status", "--help"], ["migrate", "plan", "--help"],
            ["migrate", "up", "--help"], ["move", "--help"],
        ])
    func help(line: [String]) async {
        let ran = await CommandBench().run(line)
        #expect(ran.status == 0)
        #expect(ran.trouble.isEmpty)
        #expect(line == ["--version"] ? ran.output == WaybillVersion.text + "\n" : ran.output.contains("EXIT STATUS"))
    }

    @Test(
        "a wrong flag is wrong usage",
        arguments: [["jobs", "list", "--stat", "x"], ["nothing"], ["jobs", "list", "--state", "done"]])
    func wrongFlags(line: [String]) async {
        #expect(await CommandBench().run(line).status == 2)
    }

    @Test("jobs are listed in columns")
    func list() async {
        let text =
            #"{"jobs":[{"jobId":"j","kind":"content.export","state":"running","progress":41.9,"#
            + #""createdAt":"2026-03-01T10:00:00.000Z","user":"ada"}],"page":1,"size":20,"total":31}"#
        let bench = CommandBench()
        let ran = await bench.run(["jobs", "list", "--state", "running"], server: Self.answering(200, text))
        #expect(
            ran.output == """
                ID  KIND            STATE    PROGRESS  CREATED                   USER
                j   content.export  running  41 %      2026-03-01T10:00:00.000Z  ada

                """)
        #expect(ran.trouble == "1 of 31 jobs, page 1\n")
        #expect(bench.requests == ["GET http://127.0.0.1:8080/jobs?page=1&size=20&status=running"])
    }

    @Test("all jobs are told, and a refusal decides the status")
    func many() async {
        let bench = CommandBench()
        let ran = await bench.run(["jobs", "cancel", "a", "b", "c"]) { request in
            request.url.contains("/b/")
                ? (404, [:], #"{"detail":"no such job"}"#) : (202, [:], #"{"jobId":"a","state":"running"}"#)
        }
        #expect(ran.status == 5)
        #expect(ran.output == "a: cancel requested\nc: cancel requested\n")
        #expect(ran.trouble == "b: no such job (404)\n")
        #expect(bench.requests.count == 3)
    }

    @Test(
        "what a job is told goes to its path, and is said in words or as JSON",
        arguments: [
            ("cancel", "cancel requested"), ("pause", "pause requested"), ("resume", "resumed"), ("retry", "started over"),
        ])
    func act(verb: String, said: String) async {
        let bench = CommandBench()
        let server = Self.answering(202, #"{"jobId":"a","state":"running","progress":7}"#)
        let ran = await bench.run(["jobs", verb, "a"], server: server)
        #expect(ran.status == 0 && ran.output == "a: \(said)\n" && ran.trouble.isEmpty)
        let json = await bench.run(["jobs", verb, "a", "b", "--json"], server: server)
        let line = #"{"jobId":"a","progress":7,"state":"running"}"# + "\n"
        #expect(json.status == 0 && json.output == line + line && json.trouble.isEmpty)
        #expect(bench.requests == ["a", "a", "b"].map { "POST http://127.0.0.1:8080/jobs/\($0)/\(verb)" })
        let refused = await bench.run(["jobs", verb, "a", "--json"], server: Self.answering(409, #"{"detail":"not so"}"#))
        #expect(refused.status == 1 && refused.output.isEmpty && refused.trouble == "a: not so (409)\n")
    }

    @Test("a watched job that fails is status 1; as JSON each event is a line")
    func watch() async {
        let frames = """
            event: job.progress
            data: {"jobId":"j","state":"running","progress":10}

            event: job.failed
            data: {"jobId":"j","state":"failed","progress":10}


            """
        let ran = await CommandBench().run(["jobs", "watch", "j", "--json"]) { _ in
            (200, ["content-type": "text/event-stream"], frames)
        }
        #expect(ran.status == 1)
        #expect(
            ran.output == """
                {"jobId":"j","progress":10,"state":"running"}
                {"jobId":"j","progress":10,"state":"failed"}

                """)
    }

    @Test("a token is printed alone, for whom it was ordered")
    func token() async {
        var actions = ServerActions.live
        actions.signToken = { settings, order in
            "\(settings.data.folder)|\(order.tenant)|\(order.user)|\(order.roles)|\(order.ttl)"
        }
        let line = [
            "token", "--data", "d", "--tenant", "acme", "--user", "ada", "--role", "editor", "--role", "auditor", "--ttl", "2h",
        ]
        let ran = await CommandBench().run(line, actions: actions)
        #expect(ran.output == #"d|acme|ada|["editor", "auditor"]|7200.0 seconds"# + "\n")
        #expect(ran.trouble.isEmpty)
    }

    @Test(
        "a token for what is no name, or for no time, is not signed",
        arguments: [
            ["--tenant", "Acme", "--user", "a"], ["--tenant", "-a", "--user", "a"], ["--tenant", "", "--user", "a"],
            ["--tenant", "a", "--user", ""],
            ["--tenant", "a", "--user", "a", "--ttl", "0"], ["--tenant", "a", "--user", "a", "--ttl", "soon"], ["--tenant", "a"],
        ])
    func badToken(flags: [String]) async {
        var actions = ServerActions.live
        actions.signToken = { _, _ in "signed" }
        let ran = await CommandBench().run(["token"] + flags, actions: actions)
        #expect(ran.status == 2)
        #expect(ran.output.isEmpty)
    }

    @Test("serve starts with its flags over the variables")
    func serve() async {
        let seen = Mutex<[String]>([])
        var actions = ServerActions.live
        actions.serve = { loaded, _ in
            seen.withLock {
                $0 = ["\(loaded.settings.server.listen)", loaded.settings.data.folder, "\(loaded.settings.engine.workers)"]
            }
        }
        let ran = await CommandBench().run(
            ["serve", "--data", "d", "--listen", "0.0.0.0:80", "--set", "engine.workers=2"],
            environment: ["WAYBILL_SERVER_LISTEN": "127.0.0.1:1", "WAYBILL_ENGINE_WORKERS": "9", "WAYBILL_LOG_LEVL": "info"],
            actions: actions)
        #expect(ran.status == 0)
        #expect(seen.withLock { $0 } == ["0.0.0.0:80", "d", "2"])
        #expect(ran.trouble == "waybill: the variable WAYBILL_LOG_LEVL has no effect; did you mean WAYBILL_LOG_LEVEL?\n")
    }

    @Test(
        "worker runs jobs only and listens only where it is told to; serve always listens, in the role it is given",
        arguments: [
            (["worker"], "worker false"), (["worker", "--listen", "127.0.0.1:0"], "worker true"), (["serve"], "all true"),
            (["serve", "--role", "worker"], "worker true"),
        ])
    func roles(line: [String], expected: String) async {
        let seen = Mutex("")
        var actions = ServerActions.live
        actions.serve = { loaded, listens in seen.withLock { $0 = "\(loaded.settings.node.role) \(listens)" } }
        let ran = await CommandBench().run(line + ["--data", "d"], environment: [:], actions: actions)
        #expect(ran.status == 0 && seen.withLock { $0 } == expected)
    }

    @Test("a wrong configuration is told line by line, and is status 2")
    func badSettings() async {
        let ran = await CommandBench().run(["serve", "--set", "engine.workers=0", "--set", "a.b=1"])
        #expect(ran.status == 2)
        #expect(ran.trouble.split(separator: "\n").count == 2)
        #expect(await CommandBench().run(["serve", "--set", "x"]).status == 2)
        #expect(await CommandBench().run(["serve", "--config", "/nowhere.yaml"]).status == 2)
    }

    @Test("config show masks secrets and names origins")
    func configShow() async {
        let secret = String(repeating: "s3", count: 20)
        let ran = await CommandBench().run(
            ["config", "show", "--listen", "127.0.0.1:99"], environment: ["WAYBILL_SIGNING_KEY": secret])
        #expect(ran.status == 0)
        #expect(!ran.output.contains(secret))
        let lines = ran.output.split(separator: "\n").map {
            $0.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
        }
        #expect(lines.contains("signing.key ******** variable WAYBILL_SIGNING_KEY"))
        #expect(lines.contains("server.listen 127.0.0.1:99 flag --listen"))
        #expect(lines.contains("access.jwks (not set) default"))
    }
}
