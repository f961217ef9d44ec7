import Testing

@Suite(.server())
struct RightsTests {
    /// Ten pages: six for all, two for a role, one for a user, one for nobody but the admin.
    private func pages(_ server: ServerFixture, _ tenant: String) async throws {
        let root = try await server.user("root", of: tenant, "admin")
        try await root.define("page", #"{"name": "title", "type": "text"}"#, readers: #"["everyone"]"#)
        var lines = (0..<6).map { #"{"id": "open\#($0)", "title": "secret"}"# }
        lines += (0..<2).map { #"{"id": "press\#($0)", "title": "secret", "readers": ["role:press"]}"# }
        lines += [
            #"{"id": "bobs", "title": "secret", "readers": ["user:bob"]}"#,
            #"{"id": "none", "title": "secret", "readers": ["role:x"]}"#,
        ]
        try await root.store("page", lines)
    }

    private static let request = #"{"contentType": "page", "format": "csv", "fields": ["id"]}"#

    private static func ids(_ file: RawResponse) -> [String] {
        Array(file.text.components(by: "\r\n").dropFirst().dropLast())
    }

    @Test("an export holds what its user may read, and its figures speak of nothing else")
    func readers() async throws {
        let server = try sharedServer()
        let tenant = server.newTenant()
        try await pages(server, tenant)
        let open = (0..<6).map { "open\($0)" }
        let expected: [(user: String, roles: [String], ids: [String])] = [
            ("ada", ["reader"], open), ("bob", ["reader"], ["bobs"] + open),
            ("cid", ["reader", "press"], open + ["press0", "press1"]),
            ("dan", ["editor"], open), ("root", ["admin"], ["bobs", "none"] + open + ["press0", "press1"]),
        ]
        for (name, roles, ids) in expected {
            let user = User(
                server: server, tenant: tenant, name: name, token: try await server.token(tenant, name, roles, ttl: nil))
            let job = try await user.exported(Self.request)
            let file = try await user.download(try #require(job["jobId"]?.string))
            #expect(Self.ids(file) == ids, "\(name)")
            let result = try #require(job["result"])
            #expect(result["total"]?.integer == ids.count && result["exported"]?.integer == ids.count, "\(name): \(result)")
            #expect(result["skipped"]?.integer == 0 && result["failed"]?.integer == 0)
            #expect(try await user.get("/content/types/page").json()["items"]?.integer == ids.count, "\(name)")
            #expect(try await user.get("/content/types/page/items/none").status == (name == "root" ? 200 : 404))
        }
    }

    @Test("a type that one may not read at all is exported as empty, whatever the query asks")
    func closedType() async throws {
        let server = try sharedServer()
        let tenant = server.newTenant()
        let root = try await server.user("root", of: tenant, "admin")
        try await root.define("page", #"{"name": "title", "type": "text", "indexed": true}"#, readers: #"["role:press"]"#)
        try await root.store(
            "page", [#"{"id": "1", "title": "secret"}"#, #"{"id": "2", "title": "told", "readers": ["everyone"]}"#])
        let ada = try await server.user("ada", of: tenant, "reader")
        let file = try await ada.exportedFile(#"{"contentType": "page", "format": "csv", "query": "title:secret OR id:*"}"#)
        #expect(!file.text.contains("secret") && file.text.contains("told"))
    }

    @Test("a file is its owner's and the admin's, though another may read the same items")
    func files() async throws {
        let server = try sharedServer()
        let tenant = server.newTenant()
        try await pages(server, tenant)
        let bob = try await server.user("bob", of: tenant, "reader")
        let id = try #require(try await bob.exported(Self.request)["jobId"]?.string)
        let ada = try await server.user("ada", of: tenant, "reader")
        #expect(try await ada.get("/content/export/\(id)/download").status == 404)
        #expect(try await server.user("root", of: tenant, "admin").download(id).status == 200)
    }

    @Test("the rights that count are those when the job begins, not those when it was asked for")
    func currentRights() async throws {
        try await withOneWorker { server in
            let tenant = server.newTenant()
            try await pages(server, tenant)
            let before = try await server.user("cid", of: tenant, "reader", "press")
            let worker = try await server.holdWorker()
            let id = try await before.export(Self.request)
            let after = try await server.user("cid", of: tenant, "reader")
            #expect(try await after.get("/jobs/\(id)").json()["state"]?.string == "pending", "the test came too late")
            try await worker.release()
            let job = try await after.wait(id)
            #expect(job["result"]?["exported"]?.integer == 6)
            #expect(try await !after.download(id).text.contains("press"))
        }
    }

    @Test("one who has lost the right to export meanwhile gets no file: the job fails and says why")
    func lostScope() async throws {
        try await withOneWorker { server in
            let tenant = server.newTenant()
            try await pages(server, tenant)
            let before = try await server.user("cid", of: tenant, "reader")
            let worker = try await server.holdWorker()
            let id = try await before.export(Self.request)
            let after = try await server.user("cid", of: tenant, "auditor")
            #expect(try await after.get("/jobs/\(id)").json()["state"]?.string == "pending", "the test came too late")
            try await worker.release()
            let root = try await server.user("root", of: tenant, "admin")
            let job = try await root.wait(id)
            #expect(job["state"]?.string == "failed" && job["error"]?["code"]?.string == "RIGHTS_LOST")
            #expect(job["artifactState"]?.string == "none" && job["downloadUrl"] == nil)
        }
    }

    @Test(
        "one who has lost the right to export by a later attempt gets no file, whether the job was resumed or retried",
        arguments: [("pause", "paused", "resume"), ("cancel", "cancelled", "retry")])
    func lostScopeLater(stop: String, stopped: String, goOn: String) async throws {
        try await withServer(["engine.checkpointSeconds": "100ms"]) { server in
            let before = try await server.slowUser()
            let root = try await server.user("root", of: before.tenant, "admin")
            let id = try await before.slowExport()
            #expect(try await root.post("/jobs/\(id)/\(stop)").status == 202)
            #expect(try await root.wait(id, for: [stopped])["startedAt"] != nil, "an attempt has run")
            let after = try await server.user(before.name, of: before.tenant, "auditor")
            #expect(try await after.get("/jobs/\(id)").status == 200)
            #expect(try await root.post("/jobs/\(id)/\(goOn)").status == 202)
            let job = try await root.wait(id)
            #expect(job["state"]?.string == "failed" && job["error"]?["code"]?.string == "RIGHTS_LOST")
            #expect(job["artifactState"]?.string == "none" && job["downloadUrl"] == nil)
            #expect(try await root.get("/content/export/\(id)/download").status == 409)
        }
    }
}
