import Testing

@Suite(.server(["limits.exportsPerTenant": "1", "engine.workers": "2"]))
struct ExportListTests {
    @Test("45 exports make three pages of 20, newest first, with the true total; a page past the end is empty")
    func pages() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(1)
        var ids: [String] = []
        for _ in 0..<45 { ids.append(try await ada.export()) }
        var listed: [String] = []
        for (page, count) in [(1, 20), (2, 20), (3, 5), (4, 0), (1_000_000, 0)] {
            let answer = try await ada.get("/content/export?page=\(page)&size=20")
            #expect(answer.status == 200)
            let list = try answer.json()
            #expect(list["jobs"]?.array?.count == count && list["total"]?.integer == 45)
            #expect(list["page"]?.integer == page && list["size"]?.integer == 20)
            #expect(answer["X-Total"] == "45")
            listed += list["jobs"]?.array?.compactMap { $0["jobId"]?.string } ?? []
        }
        #expect(listed == ids.reversed())
        #expect(try await ada.get("/content/export").json()["size"]?.integer == 20)
        #expect(try await ada.get("/content/export?size=200").json()["jobs"]?.array?.count == 45)
        #expect(try await ada.get("/jobs?size=200").json()["total"]?.integer == 45)
    }

    @Test("a job that was taken on says where it is, and is there", arguments: [User.exports, User.imports])
    func accepted(door: String) async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(1)
        let answer =
            door == User.exports
            ? try await ada.post(door, #"{"contentType": "article"}"#)
            : try await ada.send("POST", "\(door)?contentType=article", Array("id,title\n1,One\n".utf8), type: "text/csv")
        #expect(answer.status == 202 && answer["Retry-After"] != nil)
        let job = try answer.json()
        let id = try #require(job["jobId"]?.string)
        #expect(job["statusUrl"]?.string == "\(door)/\(id)" && answer["Location"] == "\(door)/\(id)")
        let shown = try await ada.get(try #require(job["statusUrl"]?.string))
        #expect(shown.status == 200)
        #expect(try shown.json()["jobId"]?.string == id && shown.json()["statusUrl"] == job["statusUrl"])
        #expect(try await ada.get("/jobs/\(id)").json()["statusUrl"]?.string == "/jobs/\(id)", "each door names its own")
    }

    @Test(
        "a page, size or status that can't be is refused and named",
        arguments: [
            ("page=0", "page"), ("page=-1", "page"), ("page=x", "page"), ("page=", "page"), ("page=99999999999999999999", "page"),
            ("page=9223372036854775807&size=200", "page"), ("size=0", "size"), ("size=-1", "size"), ("size=201", "size"),
            ("size=abc", "size"),
            ("size=1.5", "size"), ("status=done", "status"), ("status=", "status"), ("status=COMPLETED", "status"),
            ("order=asc", "order"),
            ("page=1&page=2", "page"), ("size=%FF", "query"),
        ])
    func badPages(query: String, name: String) async throws {
        let ada = try await sharedServer().newUser("reader")
        for path in ["/content/export", "/jobs"] {
            let answer = try await ada.get("\(path)?\(query)")
            #expect(answer.status == 400, "\(path)?\(query)")
            #expect(answer.text.contains(name))
        }
    }

    @Test("the list holds only jobs in the state that was asked for")
    func status() async throws {
        try await withOneWorker { try await status($0) }
    }

    private func status(_ server: ServerFixture) async throws {
        let ada = try await server.user("holder", of: "holders", "editor")
        try await ada.makeArticles(1)
        let completed = try #require(try await ada.exported()["jobId"]?.string)
        let failed = try await failing(ada)
        let running = try await server.holdWorker().job
        let cancelled = try await ada.export()
        _ = try await ada.post("/content/export/\(cancelled)/cancel")
        let paused = try await ada.export()
        _ = try await ada.post("/jobs/\(paused)/pause")
        let pending = try await ada.export()
        let expected = [
            "completed": completed, "failed": failed, "running": running, "cancelled": cancelled, "paused": paused,
            "pending": pending,
        ]
        for (status, id) in expected {
            let list = try await ada.get("/content/export?status=\(status)").json()
            #expect(list["jobs"]?.array?.compactMap { $0["jobId"]?.string } == [id], "\(status)")
            #expect(list["total"]?.integer == 1)
        }
        #expect(try await ada.get("/content/export?status=expired").json()["total"]?.integer == 0)
        let waiting = try await ada.job(pending)
        #expect(waiting["waitingFor"]?.string?.isEmpty == false)
        #expect(waiting["downloadUrl"] == nil && waiting["progress"]?.number == 0)
        // The one that holds the worker last: else what waits for it could be done before it is cancelled.
        for id in [pending, paused, running] { _ = try await ada.post("/content/export/\(id)/cancel") }
        for id in [running, pending, paused] { #expect(try await ada.wait(id)["state"]?.string == "cancelled") }
    }

    private func failing(_ ada: User) async throws -> String {
        try await ada.define("broken", #"{"name": "see", "type": "reference", "target": "article"}"#)
        try await ada.store("broken", [#"{"id": "1", "see": "nothing"}"#])
        let job = try await ada.exported(#"{"contentType": "broken", "format": "csv", "onError": "stop"}"#)
        #expect(job["state"]?.string == "failed")
        return try #require(job["jobId"]?.string)
    }

    @Test("one sees one's own exports, an admin all of the tenant")
    func visibility() async throws {
        let server = try sharedServer()
        let tenant = server.newTenant()
        let ada = try await server.user("ada", of: tenant, "editor")
        let bob = try await server.user("bob", of: tenant, "editor")
        let root = try await server.user("root", of: tenant, "admin")
        try await ada.makeArticles(1)
        let adas = try #require(try await ada.exported()["jobId"]?.string)
        let bobs = try #require(try await bob.exported()["jobId"]?.string)
        for path in ["/content/export", "/jobs"] {
            #expect(try await ada.get(path).json()["jobs"]?.array?.compactMap { $0["jobId"]?.string } == [adas])
            #expect(try await bob.get(path).json()["total"]?.integer == 1)
            #expect(try await root.get(path).json()["total"]?.integer == 2)
        }
        #expect(try await root.get("/content/export/\(bobs)").status == 200)
        #expect(try await root.download(bobs).status == 200)
        for path in ["/content/export/\(bobs)", "/content/export/\(bobs)/download", "/jobs/\(bobs)", "/jobs/\(bobs)/events"] {
            #expect(try await ada.get(path).status == 404)
        }
        for verb in ["cancel", "pause", "resume", "retry"] { #expect(try await ada.post("/jobs/\(bobs)/\(verb)").status == 404) }
        #expect(try await ada.delete("/content/export/\(bobs)").status == 404)
    }
}
