import Foundation
import TestServers
import Testing

/// Several processes of the program on one database and one bucket.
@Suite(.serialized) struct NodeTests {
    private static let settings = [
        "engine.leaseSeconds": "2s", "engine.checkpointSeconds": "100ms", "limits.exportsPerTenant": "8",
    ]

    /// Starts a node that runs jobs and takes no requests.
    private func worker(_ name: String, _ stores: SharedStores, listens: Bool = false) async throws -> NodeProcess {
        let sets = Self.settings.sorted { $0.key < $1.key }.flatMap { ["--set", "\($0.key)=\($0.value)"] }
        return try await NodeProcess(
            ["worker", "--data", "\(stores.folder)/\(name)"] + sets + (listens ? ["--listen", "127.0.0.1:0"] : []),
            environment: stores.environment, log: "\(stores.folder)/\(name).log", until: listens ? "listens on" : "works as ")
    }

    /// Starts a server that takes requests, of some role.
    private func withNode<T: Sendable>(
        _ role: String, _ stores: SharedStores, isIdle: Bool = false, _ body: @Sendable (ServerFixture) async throws -> T
    ) async throws -> T {
        try await withServer(
            Self.settings.merging(["node.role": role]) { $1 }, environment: stores.environment, isIdle: isIdle, body)
    }

    private static func events(_ ada: User, _ id: String) async throws -> [JSON] {
        try await ada.get("/jobs/\(id)/events?limit=1000").json()["events"]?.array ?? []
    }

    @Test("a job of a worker is watched, paused, resumed and cancelled at another node, which lists both")
    func control() async throws {
        let stores = try await SharedStores()
        try await withNode("api", stores) { api in
            let ada = try await stores.user("ada", of: "acme", at: api, "editor")
            // It is cancelled in the end, so it may be a long one.
            try await SlowContent.store(ada, rows: 6 * SlowContent.rows)
            let waiting = try await ada.export(SlowContent.request)
            let asked = try await ada.get("/jobs/\(waiting)").json()
            #expect(asked["state"]?.string == "pending" && asked["waitingFor"] != nil, "an api node runs nothing: \(asked)")

            let one = try await worker("one", stores)
            let job = try await ada.wait(waiting, for: ["running"])
            let name = try #require(job["executingNode"]?.string)
            #expect(one.process.output.contains("works as \(name)"))
            let ops = try await stores.user("ops", of: "operations", at: api, "system")
            let nodes = try await ops.get("/nodes?size=10").json()
            #expect(nodes["total"]?.integer == 2)
            let listed = try #require(nodes["nodes"]?.array?.first { $0["id"]?.string == name })
            #expect(listed["role"]?.string == "worker" && listed["state"]?.string == "alive")
            #expect(listed["runningJobs"]?.integer == 1 && listed["version"]?.string?.isEmpty == false)
            #expect(try await ada.get("/nodes").status == 403)

            // The stream is of the node that runs nothing.
            let seen = try await ada.stream("/content/export/\(waiting)/monitor") { stream in
                while let event = try await stream.next(), event.name == "job.progress" {
                    if (event.data["progress"]?.number ?? 0) > 0 { break }
                }
                #expect(try await ada.post("/jobs/\(waiting)/pause").status == 202)
                _ = try await ada.wait(waiting, for: ["paused"])
                #expect(try await ada.post("/jobs/\(waiting)/resume").status == 202)
                _ = try await ada.wait(waiting, for: ["running"])
                #expect(try await ada.post("/jobs/\(waiting)/cancel").status == 202)
                return try await stream.rest().last?.name
            }
            #expect(seen == "job.cancelled")
            #expect(try await ada.wait(waiting)["state"]?.string == "cancelled")
            #expect(await one.terminate() == 0)
            #expect(try await ops.get("/nodes").json()["total"]?.integer == 1, "an orderly end takes the node off the list")
        }
    }

    @Test("after kill -9 of a node its job goes on at another within lease and five seconds, and the bytes are the same")
    func killed() async throws {
        let stores = try await SharedStores()
        try await withNode("api", stores) { api in
            let ada = try await stores.user("ada", of: "acme", at: api, "editor")
            let ops = try await stores.user("ops", of: "operations", at: api, "system")
            try await SlowContent.store(ada)
            let one = try await worker("one", stores)
            let whole = try await ada.exportedFile(SlowContent.request).body
            let id = try await ada.slowExport()
            let job = try await poll("a checkpoint") { () -> JSON? in
                let job = try await ada.job(id)
                return (job["progress"]?.number ?? 0) > 0 ? job : nil
            }
            try #require(job["state"]?.string == "running", "the export was too quick for this test")
            let first = try #require(job["executingNode"]?.string)
            let two = try await worker("two", stores)
            await one.kill()
            let ended = try await ada.wait(id)
            #expect(ended["state"]?.string == "completed" && ended["deaths"]?.integer == 1 && ended["attempts"]?.integer == 0)
            let isEqual = try await ada.download(id).body == whole
            #expect(isEqual)

            // The list says when the dead node was heard of last, and the events when its job ran again.
            let nodes = try await ops.get("/nodes").json()["nodes"]?.array ?? []
            let dead = try #require(nodes.first { $0["id"]?.string == first })
            #expect(dead["state"]?.string == "silent" && dead["runningJobs"]?.integer == 0)
            let events = try await Self.events(ada, id)
            let names = events.compactMap { $0["type"]?.string }.filter { $0 != "job.progress" }
            #expect(names == ["job.created", "job.started", "job.died", "job.started", "job.completed"])
            let again = try #require(events.last { $0["type"]?.string == "job.started" }?["at"]?.string)
            let silence = try Self.seconds(again) - Self.seconds(try #require(dead["lastBeatAt"]?.string))
            #expect(silence <= 2 + 5, "it ran again \(silence) s after the last beat")
            let numbers = events.compactMap { $0["number"]?.integer }
            #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count)
            #expect(await two.terminate() == 0)
        }
    }

    private static func seconds(_ text: String) throws -> Double {
        try Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)).timeIntervalSince1970
    }

    @Test("a worker answers whether it lives, is ready, and its figures, and nothing else")
    func workerRoutes() async throws {
        let stores = try await SharedStores()
        let one = try await worker("one", stores, listens: true)
        let port = try #require(one.port)
        let token = try await stores.token("operations", "ops", "system")
        func status(_ path: String) async throws -> Int {
            let request = RawHTTP.Request(target: path, headers: [("Authorization", "Bearer \(token)")])
            return try await RawHTTP.exchange([request.head], port: port).status
        }
        for path in ["/livez", "/readyz", "/metrics"] { #expect(try await status(path) == 200, "\(path)") }
        for path in ["/jobs", "/nodes", "/content/types", "/", "/openapi.json"] {
            #expect(try await status(path) == 404, "\(path)")
        }
        #expect(!one.process.output.contains("#signin="))
        #expect(await one.terminate() == 0)
    }

    @Test("keys, links, rights and idempotency keys count at every node, whichever has made or ended them")
    func shared() async throws {
        let stores = try await SharedStores()
        try await withNode("all", stores) { left in
            try await withNode("all", stores, isIdle: true) { right in
                let ada = try await stores.user("ada", of: "acme", at: left, "admin")
                var adaRight = ada
                adaRight.server = right
                try await ada.makeArticles(20)

                // A request with a key is done once, also if both nodes get it in the same moment.
                let body = #"{"contentType": "article", "format": "csv"}"#
                for round in 0..<8 {
                    let header = [(name: "Idempotency-Key", value: "order-\(round)")]
                    async let here = ada.post(User.exports, body, headers: header)
                    async let there = adaRight.post(User.exports, body, headers: header)
                    let answers = try await [here, there]
                    #expect(answers.allSatisfy { $0.status == 202 || $0.status == 409 })
                    let later = try await adaRight.post(User.exports, body, headers: header)
                    let made = Set((answers + [later]).filter { $0.status == 202 }.compactMap { $0["Location"] })
                    #expect(made.count == 1 && later.status == 202 && later["Idempotent-Replayed"] == "true")
                }
                #expect(try await ada.get("/jobs").json()["total"]?.integer == 8)

                // A link that one signs is good at the other.
                let id = try #require(try await ada.exported()["jobId"]?.string)
                let link = try #require(try await ada.job(id)["downloadUrl"]?.string)
                #expect(try await User.nobody(right).get(link).status == 200)

                // A key that is ended at one is refused at the other at once.
                let key = try await ada.post("/apikeys", #"{"user": "bot", "roles": ["reader"]}"#).json()
                var bot = User.nobody(right)
                bot.apiSecret = try #require(key["secret"]?.string)
                #expect(try await bot.get("/jobs").status == 200)
                #expect(try await ada.delete("/apikeys/\(try #require(key["id"]?.string))").status == 204)
                #expect(try await bot.get("/jobs").status == 401)
            }
        }
    }

    @Test("a node that only takes requests is refused where no other could run jobs")
    func lonely() async throws {
        let (status, output) = try await ServerProcess.run(
            ["serve", "--data", NSTemporaryDirectory() + "waybill-e2e-never", "--role", "api"])
        #expect(status == 2 && output.contains("node.role") && output.contains("database.url"), "\(output)")
        #expect(!FileManager.default.fileExists(atPath: NSTemporaryDirectory() + "waybill-e2e-never"))
    }
}
