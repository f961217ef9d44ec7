import Testing

@Suite(.server(filesAreOnDisk: true))
struct IdempotencyTests {
    private static let body = #"{"contentType": "article", "format": "csv"}"#

    private func articles() async throws -> User {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(5)
        return ada
    }

    @Test("the same key with the same request gives the same job, bare or in quotes; with another request it is refused")
    func replay() async throws {
        let ada = try await articles()
        let first = try await ada.post(User.exports, Self.body, headers: [("Idempotency-Key", "order-1")])
        #expect(first.status == 202)
        for key in ["order-1", "\"order-1\""] {
            let again = try await ada.post(User.exports, Self.body, headers: [("Idempotency-Key", key)])
            #expect(again.status == 202 && again.body == first.body && again["Location"] == first["Location"])
        }
        let other = try await ada.post(
            User.exports, #"{"contentType": "article", "format": "json"}"#, headers: [("Idempotency-Key", "order-1")])
        #expect(other.status == 422)
        #expect(try await ada.get("/jobs").json()["total"]?.integer == 1)
        let bob = try await ada.server.user("bob", of: ada.tenant, "editor")
        let bobs = try await bob.post(User.exports, Self.body, headers: [("Idempotency-Key", "order-1")])
        #expect(bobs.status == 202 && bobs["Location"] != first["Location"], "another user's keys are his own")
    }

    @Test("of many requests at once with one key, one makes the job, and the others hear of it or of the conflict")
    func concurrent() async throws {
        let ada = try await articles()
        let answers = try await withThrowingTaskGroup(of: RawResponse.self) { group in
            for _ in 0..<12 {
                group.addTask { try await ada.post(User.exports, Self.body, headers: [("Idempotency-Key", "race")]) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.allSatisfy { $0.status == 202 || $0.status == 409 })
        #expect(Set(answers.filter { $0.status == 202 }.compactMap { $0["Location"] }).count == 1)
        #expect(try await ada.get("/jobs").json()["total"]?.integer == 1)
    }

    @Test("a refused request leaves its key free")
    func refused() async throws {
        let ada = try await articles()
        let bad = try await ada.post(
            User.exports, #"{"contentType": "none", "format": "csv"}"#, headers: [("Idempotency-Key", "k")])
        #expect(bad.status == 400)
        #expect(try await ada.post(User.exports, Self.body, headers: [("Idempotency-Key", "k")]).status == 202)
    }

    @Test("an answer is remembered over a kill")
    func restart() async throws {
        try await withServer { server in
            let ada = try await server.newUser("editor")
            try await ada.makeArticles(5)
            let first = try await ada.post(User.exports, Self.body, headers: [("Idempotency-Key", "k")])
            await server.kill()
            try await server.start()
            let again = try await ada.post(User.exports, Self.body, headers: [("Idempotency-Key", "k")])
            #expect(again.status == 202 && again["Location"] == first["Location"])
            #expect(try await ada.get("/jobs").json()["total"]?.integer == 1)
        }
    }

    @Test("requests with keys that are cut off by kills, and sent again, are each done once")
    func kills() async throws {
        try await withServer { server in
            let ada = try await server.newUser("editor")
            try await ada.makeArticles(5)
            var random = SeededRandom(seed: CrashTests.seed)
            for round in 0..<5 {
                @Sendable func send(_ number: Int) async throws -> RawResponse {
                    try await ada.post(User.exports, Self.body, headers: [("Idempotency-Key", "k-\(round)-\(number)")])
                }
                let told = await withTaskGroup(of: (Int, String?)?.self) { group in
                    for number in 0..<20 {
                        group.addTask { (try? await send(number)).map { (number, $0["Location"]) } }
                    }
                    try? await Task.sleep(for: .milliseconds(Int(random.next() % 40)))
                    await server.kill()
                    return await group.reduce(into: [Int: String]()) { told, answer in
                        if let answer { told[answer.0] = answer.1 }
                    }
                }
                try await server.start()
                for number in 0..<20 {
                    let again = try await send(number)
                    #expect(again.status == 202)
                    if let before = told[number] { #expect(again["Location"] == before) }
                }
            }
            #expect(try await ada.get("/content/export").json()["total"]?.integer == 100)
        }
    }

    @Test("who prefers to wait gets the finished job with 200, or 202 when the time is over")
    func wait() async throws {
        let ada = try await articles()
        let done = try await ada.post(User.exports, Self.body, headers: [("Prefer", "wait=60")])
        #expect(done.status == 200 && done["Preference-Applied"] == "wait=60" && done["Location"] != nil)
        #expect(try done.json()["state"]?.string == "completed")
        let slow = try await ada.server.slowUser()
        let answer = try await slow.post(User.exports, SlowContent.request, headers: [("Prefer", "wait=1")])
        let state = try answer.json()["state"]?.string
        #expect((answer.status == 202) == (state != "completed"))
        let id = try #require(try answer.json()["jobId"]?.string)
        if answer.status == 202 {
            #expect(answer["Location"] == "/content/export/\(id)" && answer["Retry-After"] != nil)
        }
        _ = try await slow.post("/content/export/\(id)/cancel")
        #expect(try await slow.get("/livez").status == 200)
    }

    @Test("an import with a key is done once")
    func importOnce() async throws {
        let ada = try await articles()
        let send = {
            try await ada.send(
                "POST", "/content/import?contentType=article", Array("id,title\nn1,New\n".utf8), type: "text/csv",
                headers: [("Idempotency-Key", "import-1")])
        }
        let (first, second) = (try await send(), try await send())
        #expect(first.status == 202 && second.status == 202 && first["Location"] == second["Location"])
        let uploads = try BlobFolder(ada.server).files(below: "uploads/\(ada.tenant)")
        #expect(uploads.count == 1, "the file that came the second time belongs to nobody, and stays nowhere")
        let other = try await ada.send(
            "POST", "/content/import?contentType=article", Array("id,title\nn1,Old\n".utf8), type: "text/csv",
            headers: [("Idempotency-Key", "import-1")])
        #expect(other.status == 422)
        #expect(try await ada.get("/content/import").json()["total"]?.integer == 1)
    }
}
