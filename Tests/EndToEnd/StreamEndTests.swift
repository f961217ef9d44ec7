import Testing

@Suite struct StreamEndTests {
    @Test("a stream ends soon after its token does, or its API key is revoked, before its job has", .timeLimit(.minutes(10)))
    func ends() async throws {
        try await withOneWorker { server in
            let worker = try await server.holdWorker()
            let admin = try await server.user("boss", of: "acme", "admin")
            try await admin.makeArticles(1)
            let made = try await admin.post("/apikeys", #"{"user": "ada", "roles": ["editor"]}"#).json()
            var robot = User(server: server, tenant: "acme", name: "ada", token: nil)
            robot.apiSecret = try #require(made["secret"]?.string)
            let id = try await robot.export()
            #expect(try await robot.post("/jobs/\(id)/pause").status == 202)
            _ = try await robot.wait(id, for: ["paused"])
            let clock = ContinuousClock()
            let path = "/content/export/\(id)/monitor"
            let ada = try await server.user("ada", of: "acme", "editor", ttl: "10s")
            let taken = try await clock.measure {
                try await ada.stream(path) { stream in
                    #expect(stream.response.status == 200)
                    let events = try await stream.rest()
                    #expect(!events.contains { $0.name != "job.progress" })
                }
            }
            #expect(taken < .seconds(40), "\(taken)")
            #expect(try await ada.get(path).status == 401)

            let key = try #require(made["id"]?.string)
            let open = robot
            try await withThrowingTaskGroup(of: Void.self) { group in
                let (begun, feed) = AsyncStream<Void>.makeStream()
                group.addTask {
                    try await open.stream(path) { stream in
                        _ = try await stream.next()
                        feed.finish()
                        _ = try await stream.rest()
                    }
                }
                for await _ in begun {}
                let taken = try await clock.measure {
                    #expect(try await admin.delete("/apikeys/\(key)").status == 204)
                    try await group.waitForAll()
                }
                #expect(taken < .seconds(30), "\(taken)")
            }
            #expect(try await admin.job(id)["state"]?.string == "paused", "the job stays as it was")
            try await worker.release()
        }
    }
}
