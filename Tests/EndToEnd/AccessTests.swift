import Testing

@Suite(.server())
struct AccessTests {
    /// Every route of the doors, with an id where one goes.
    static func routes(job: String, importJob: String, type: String = "article", item: String = "a0000001") -> [(
        method: String, path: String
    )] {
        [
            ("POST", "/content/export"), ("GET", "/content/export"), ("GET", "/content/export/\(job)"),
            ("DELETE", "/content/export/\(job)"),
            ("POST", "/content/export/\(job)/cancel"), ("GET", "/content/export/\(job)/monitor"),
            ("GET", "/content/export/\(job)/download"),
            ("POST", "/content/import"), ("GET", "/content/import"), ("GET", "/content/import/\(importJob)"),
            ("POST", "/content/import/\(importJob)/cancel"), ("GET", "/content/import/\(importJob)/monitor"),
            ("GET", "/content/import/\(importJob)/failed"), ("GET", "/content/import/\(importJob)/ledger"),
            ("GET", "/content/types"), ("GET", "/content/types/\(type)"), ("PUT", "/content/types/\(type)"),
            ("DELETE", "/content/types/\(type)"),
            ("POST", "/content/types/\(type)/items"), ("GET", "/content/types/\(type)/items/\(item)"),
            ("PUT", "/content/types/\(type)/items/\(item)"), ("DELETE", "/content/types/\(type)/items/\(item)"),
            ("GET", "/jobs"), ("GET", "/jobs/\(job)"), ("POST", "/jobs/\(job)/cancel"), ("POST", "/jobs/\(job)/pause"),
            ("POST", "/jobs/\(job)/resume"), ("POST", "/jobs/\(job)/retry"), ("GET", "/jobs/\(job)/events"),
            ("GET", "/notifications"), ("POST", "/notifications/1/read"), ("GET", "/apikeys"), ("POST", "/apikeys"),
            ("DELETE", "/apikeys/\(job)"), ("GET", "/tenants"), ("DELETE", "/tenants/acme"), ("GET", "/metrics"),
            ("GET", "/nodes"), ("POST", "/audit-log/events"), ("GET", "/audit-log/events"), ("POST", auditExports),
            ("GET", auditExports), ("GET", "\(auditExports)/\(job)"), ("DELETE", "\(auditExports)/\(job)"),
            ("POST", "\(auditExports)/\(job)/cancel"), ("GET", "\(auditExports)/\(job)/monitor"),
            ("GET", "\(auditExports)/\(job)/download"),
            ("POST", "/backup/schedule"), ("GET", "/backup/jobs"), ("GET", "/backup/jobs/\(job)"),
            ("POST", "/backup/jobs/\(job)/cancel"), ("DELETE", "/backup/jobs/\(job)"), ("GET", "/backup/schedules"),
            ("GET", "/backup/jobs/\(job)/archives/\(job)"), ("GET", "/backup/jobs/\(job)/download"),
            ("DELETE", "/backup/schedules/\(job)"), ("POST", "/backup/restores"), ("GET", "/backup/restores"),
            ("GET", "/backup/restores/\(job)"), ("PUT", "/backup/restores/\(job)/documents/\(job)"),
            ("POST", "/backup/restores/\(job)/start"), ("POST", "/backup/restores/\(job)/undo"),
            ("DELETE", "/backup/restores/\(job)"), ("POST", "/backup/drills"), ("GET", "/backup/drills"),
            ("GET", "/backup/drills/\(job)"), ("GET", "/backup/jobs/\(job)/archives/blobs/\(job)"),
            ("PUT", "/backup/restores/\(job)/documents/blobs/\(job)"),
        ] + uploads("/api/files/upload", job) + uploads("/drive/files/upload", job) + files(job)
            + resumable("/api/files/resumable", job) + resumable("/drive/files/resumable", job)
    }

    private static func resumable(_ path: String, _ id: String) -> [(method: String, path: String)] {
        [("POST", path), ("GET", "\(path)/\(id)"), ("PATCH", "\(path)/\(id)"), ("DELETE", "\(path)/\(id)")]
    }

    private static func uploads(_ path: String, _ id: String) -> [(method: String, path: String)] {
        [
            ("POST", "\(path)/create"), ("POST", "\(path)/chunk/\(id)/\(id)"), ("POST", "\(path)/complete/\(id)"),
            ("GET", "\(path)/tasks"), ("GET", "\(path)/progress/\(id)"), ("GET", "\(path)/resume/\(id)"),
            ("DELETE", "\(path)/task/\(id)"), ("GET", "\(path)/tasks/\(id)/details"), ("GET", "\(path)/stats"),
            ("DELETE", "\(path)/tasks/cleanup"), ("GET", "\(path)/tasks/recent"),
        ]
    }

    private static func files(_ id: String) -> [(method: String, path: String)] {
        [
            ("GET", "/api/files"), ("POST", "/api/files"), ("GET", "/api/files/\(id)"), ("PATCH", "/api/files/\(id)"),
            ("DELETE", "/api/files/\(id)"), ("GET", "/api/files/\(id)/content"), ("GET", "/api/files/\(id)/link"),
            ("GET", "/api/bundles"), ("POST", "/api/bundles"), ("GET", "/api/bundles/\(id)"),
            ("GET", "/api/bundles/\(id)/link"), ("DELETE", "/api/bundles/\(id)"),
            ("GET", "/api/pools"), ("POST", "/api/pools"), ("GET", "/api/pools/\(id)"), ("PUT", "/api/pools/\(id)"),
            ("DELETE", "/api/pools/\(id)"), ("GET", "/api/quota"), ("PUT", "/api/quota"), ("POST", "/api/files/tus"),
            ("HEAD", "/api/files/tus/\(id)"), ("PATCH", "/api/files/tus/\(id)"), ("DELETE", "/api/files/tus/\(id)"),
            ("POST", "/api/files/tus/\(id)"),
        ]
    }

    private static let auditExports = "/_api/v3/audit-log-bulk-export"

    private func send(_ user: User, _ method: String, _ path: String) async throws -> RawResponse {
        switch (method, path) {
        case ("PATCH", _) where path.contains("/files/resumable/"):
            try await user.send(
                method, path, [1], type: "application/partial-upload",
                headers: [("Upload-Offset", "0"), ("Upload-Complete", "?1")])
        case (_, _) where path.hasPrefix("/api/files/tus"):
            try await user.send(
                method, path, method == "PATCH" ? [1] : nil, type: method == "PATCH" ? "application/offset+octet-stream" : nil,
                headers: [("Tus-Resumable", "1.0.0"), ("Upload-Offset", "0"), ("X-HTTP-Method-Override", "HEAD")])
        case ("POST", "/content/export"): try await user.post(path, #"{"contentType": "article", "format": "csv"}"#)
        case ("POST", "/content/import"):
            try await user.send(method, path + "?contentType=article&onError=continue", Array("id\n1\n".utf8), type: "text/csv")
        case ("POST", _) where path.hasSuffix("/items"):
            try await user.send(method, path, Array("id\n1\n".utf8), type: "text/csv")
        case ("POST", Self.auditExports): try await user.post(path, #"{"filters": {}}"#)
        case ("POST", "/audit-log/events"): try await user.post(path, "[]")
        case ("POST", "/apikeys"): try await user.post(path, #"{"user": "robot", "roles": ["reader"]}"#)
        case ("PUT", _) where path.contains("/documents/blobs/"):
            try await user.send(method, path, Array("id\n1\n".utf8), type: "application/octet-stream")
        case ("PUT", _) where path.contains("/documents/"):
            try await user.send(method, path, Array("id\n1\n".utf8), type: "text/csv")
        case ("PUT", _) where path.contains("/items/"): try await user.put(path, #"{"title": "x"}"#)
        case ("PUT", _) where path.hasPrefix("/api/"): try await user.put(path, #"{"name": "x"}"#)
        case ("PATCH", _):
            try await user.send(method, path, Array(#"{"name": "x"}"#.utf8), type: "application/json")
        case ("PUT", _): try await user.put(path, #"{"fields": [{"name": "title", "type": "text"}]}"#)
        case ("POST", _): try await user.post(path)
        default: try await user.send(method, path)
        }
    }

    /// Somebody with a finished export and a finished import that has failed rows.
    private func owner() async throws -> (ada: User, job: String, importJob: String) {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(2)
        let job = try #require(try await ada.exported()["jobId"]?.string)
        let importJob = try await ada.importing("contentType=article&onError=continue", "id,year\nx,1\ny,no\n")
        _ = try await ada.wait(importJob, in: User.imports)
        return (ada, job, importJob)
    }

    @Test(
        "an API key that makes no sense is refused, names what is wrong, and is not made",
        arguments: [
            (#"{"user": "r", "roles": ["reader"], "ttlSeconds": 0}"#, "ttlSeconds"),
            (#"{"user": "r", "roles": ["reader"], "ttlSeconds": -5}"#, "ttlSeconds"),
            (#"{"user": "r", "roles": ["reader"], "ttlSeconds": 1000000000000000000}"#, "ttlSeconds"),
            (#"{"user": "r", "roles": ["reader"], "ttlSeconds": 1e300}"#, "ttlSeconds"),
            (#"{"user": "r\nforged", "roles": ["reader"]}"#, "user"), (#"{"user": "", "roles": ["reader"]}"#, "user"),
            (#"{"user": "r", "roles": ["reader"], "name": "a\u001b[2J"}"#, "name"), (#"{"user": "r", "roles": []}"#, "roles"),
            (#"{"user": "r", "roles": ["system"]}"#, "roles"), (#"{"user": "r", "roles": ["a b"]}"#, "roles"),
            (#"{"user": "r", "roles": ["reader"], "tenant": "Bad!"}"#, "tenant"),
        ])
    func badKeys(body: String, field: String) async throws {
        let ada = try await sharedServer().newUser("admin")
        let answer = try await ada.post("/apikeys", body)
        #expect(answer.status == 400)
        #expect(try answer.json()["details"]?[0]?["field"]?.string == field, "\(answer.text)")
        #expect(try await ada.get("/apikeys").json()["keys"]?.array?.isEmpty == true)
    }

    @Test("without credentials, or with wrong ones, every route answers 401 and tells nothing of the job")
    func anonymous() async throws {
        let (ada, job, importJob) = try await owner()
        let server = ada.server
        var forged = ada
        forged.token = ada.token.map { String($0.dropLast(4)) + "AAAA" }
        // The same claims with the algorithm that needs no key.
        var unsigned = ada
        let claims = ada.token?.components(by: ".")[1] ?? ""
        unsigned.token = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.\(claims)."
        var key = User.nobody(server)
        key.apiSecret = "wb_not-a-key"
        for (method, path) in Self.routes(job: job, importJob: importJob) {
            for user in [User.nobody(server), forged, unsigned, key] {
                let answer = try await send(user, method, path)
                #expect(answer.status == 401, "\(method) \(path)")
                #expect(!answer.text.contains("completed") && !answer.text.contains("Title"))
            }
        }
        #expect(try await ada.job(job)["state"]?.string == "completed")
        #expect(try await ada.download(job).status == 200)
    }

    @Test("another tenant's admin sees, changes and learns nothing: each id is as unknown as one that never was")
    func otherTenant() async throws {
        let (ada, job, importJob) = try await owner()
        let eve = try await ada.server.newUser("admin")
        let unknown = "01890a5d-ac96-774b-bcce-b302099a8057"
        let theirs = Self.routes(job: job, importJob: importJob)
        let none = Self.routes(job: unknown, importJob: unknown)
        for (index, (method, path)) in theirs.enumerated() {
            let answer = try await send(eve, method, path)
            switch path {
            case _ where path.contains(job) || path.contains(importJob):
                #expect(answer.status == 404, "\(method) \(path)")
                let other = try await send(eve, method, none[index].path)
                #expect(other.status == 404)
                if method == "HEAD" { continue }
                #expect(try answer.json()["code"] == (try other.json()["code"]))
                #expect(try answer.json()["title"] == (try other.json()["title"]))
                #expect(answer.text.count == other.text.count, "the two must not be told apart: \(answer.text) \(other.text)")
            case "/content/export" where method == "POST", "/content/import" where method == "POST": #expect(answer.status == 400)
            case "/content/export", "/content/import", "/jobs", "/notifications":
                #expect(try answer.json()["total"]?.integer == 0)
            case "/tenants", "/metrics", "/tenants/acme", "/nodes": #expect(answer.status == 403)
            case "/content/types": #expect(try answer.json()["types"]?.array?.isEmpty == true)
            case "/content/types/article" where method == "PUT":
                #expect(answer.status == 201)
                #expect(try await eve.delete(path).status == 204)
            case "/apikeys", "/audit-log/events", "/backup/schedule", "/backup/restores": #expect(answer.status < 300)
            case "/backup/drills": #expect(answer.status < 300)
            case "/api/files", "/api/files/tus", "/api/files/resumable", "/drive/files/resumable", "/api/bundles", "/api/pools",
                "/api/quota",
                _ where path.contains("/files/upload/"):
                // What begins something needs a body.
                #expect(answer.status == (method == "POST" || method == "PUT" ? 400 : 200), "\(method) \(path)")
            case "/backup/jobs": #expect(try answer.json().array?.count == 1, "his own of a moment ago")
            case "/backup/schedules": #expect(answer.text == "[]")
            case Self.auditExports where method == "POST": #expect(answer.status == 201)
            case Self.auditExports: #expect(try answer.json()["total"]?.integer == 1, "her own")
            default: #expect(answer.status == 404, "\(method) \(path)")
            }
        }
        #expect(try await ada.get("/content/types/article").json()["items"]?.integer == 3)
        #expect(try await ada.download(job).status == 200)
    }

    @Test("each role may do what it is for and gets 403 for the rest")
    func roles() async throws {
        let server = try sharedServer()
        let tenant = server.newTenant()
        let editor = try await server.user("ed", of: tenant, "editor")
        try await editor.makeArticles(1)
        let id = "01890a5d-ac96-774b-bcce-b302099a8057"
        func allowed(_ role: String) async throws -> Set<String> {
            let user = try await server.user("u-\(role)", of: tenant, role)
            var may: Set<String> = []
            for (method, path) in Self.routes(job: id, importJob: id, type: "other", item: "none") {
                let answer = try await send(user, method, path)
                #expect(answer.status != 401)
                if answer.status != 403 { may.insert("\(method) \(path)") }
            }
            return may
        }
        let own: Set<String> = ["GET /notifications", "POST /notifications/1/read"]
        let jobs = own.union(["GET /jobs", "GET /jobs/\(id)", "GET /jobs/\(id)/events"])
            .union(["cancel", "pause", "resume", "retry"].map { "POST /jobs/\(id)/\($0)" })
        let all = Set(Self.routes(job: id, importJob: id, type: "other", item: "none").map { "\($0.method) \($0.path)" })
        let admins: Set<String> = ["GET /apikeys", "POST /apikeys", "DELETE /apikeys/\(id)"]
        let systems: Set<String> = ["GET /tenants", "DELETE /tenants/acme", "GET /metrics", "GET /nodes"]
        let reads: Set<String> = ["GET /content/types", "GET /content/types/other", "GET /content/types/other/items/none"]
        let exports = all.filter { $0.contains("/content/export") }
        let backups = all.filter { $0.contains("/backup/") }
        let drives = all.filter { $0.contains(" /api/") || $0.contains(" /drive/") }
        let rules = drives.filter { $0.contains("/pools") && !$0.hasPrefix("GET") }.union(["PUT /api/quota"])
        #expect(try await allowed("nobody-in-particular") == own)
        #expect(try await allowed("worker") == own, "it may claim jobs, for which no door is open yet")
        let audits = all.filter { $0.contains("audit-log") }
        #expect(try await allowed("auditor") == jobs.union(audits.subtracting(["POST /audit-log/events"])))
        #expect(try await allowed("uploader") == jobs.union(drives).subtracting(rules))
        #expect(try await allowed("reader") == jobs.union(reads).union(exports))
        let exported = all.subtracting(admins).subtracting(systems)
        #expect(try await allowed("editor") == exported.subtracting(audits).subtracting(backups).subtracting(drives))
        #expect(try await allowed("operator") == jobs.union(backups))
        #expect(try await allowed("admin") == all.subtracting(systems))
        #expect(try await allowed("system") == all)
    }

    @Test("a visitor without a right to export makes no job")
    func forbiddenMakesNothing() async throws {
        let server = try sharedServer()
        let tenant = server.newTenant()
        let root = try await server.user("root", of: tenant, "admin")
        try await root.makeArticles(1)
        let visitor = try await server.user("eve", of: tenant, "auditor")
        #expect(try await visitor.post(User.exports, #"{"contentType": "article", "format": "csv"}"#).status == 403)
        #expect(try await root.get("/jobs").json()["total"]?.integer == 0)
    }

    @Test("an API key does what its roles and scopes say, until it is revoked")
    func apiKey() async throws {
        let server = try sharedServer()
        let root = try await server.newUser("admin")
        try await root.makeArticles(1)
        let made = try await root.post("/apikeys", #"{"user": "robot", "name": "nightly", "scopes": ["content:export"]}"#)
        #expect(made.status == 201)
        let key = try made.json()
        var robot = User(server: server, tenant: root.tenant, name: "robot", token: nil)
        robot.apiSecret = try #require(key["secret"]?.string)
        #expect(try await robot.exported()["state"]?.string == "completed")
        #expect(try await robot.get("/content/types").status == 403)
        #expect(try await robot.get("/apikeys").status == 403)
        let listed = try await root.get("/apikeys")
        #expect(!listed.text.contains(try #require(robot.apiSecret)))
        #expect(try await root.post("/apikeys", #"{"user": "robot", "roles": ["system"]}"#).status >= 400)
        #expect(try await root.post("/apikeys", #"{"user": "robot"}"#).status == 400)
        #expect(try await root.post("/apikeys", #"{"user": "robot", "tenant": "other", "roles": ["reader"]}"#).status == 403)
        let id = try #require(key["id"]?.string)
        #expect(try await root.delete("/apikeys/\(id)").status == 204)
        #expect(try await robot.get("/content/export").status == 401)
        var both = robot
        both.token = root.token
        #expect(try await both.get("/content/export").status >= 400, "two credentials, one of them bad")
    }

    @Test("a token that has ended is refused, and says so")
    func endedToken() async throws {
        let server = try sharedServer()
        let short = try await server.user("ada", of: server.newTenant(), "reader", ttl: "1s")
        let answer = try await poll("the end of the token") {
            let answer = try await short.get("/jobs")
            return answer.status == 200 ? nil : answer
        }
        #expect(answer.status == 401)
        #expect(answer["WWW-Authenticate"]?.contains("invalid_token") == true)
    }
}
