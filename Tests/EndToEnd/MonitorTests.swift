import Testing

@Suite(
    .server(["engine.checkpointSeconds": "100ms", "streams.perJob": "2", "engine.workers": "8", "limits.exportsPerTenant": "8"]))
struct MonitorTests {
    @Test("a stream tells progress, then the end, and closes; every event carries the job")
    func untilEnd() async throws {
        let ada = try await sharedServer().slowUser()
        let id = try await ada.export(SlowContent.request)
        let (response, events, retry) = try await ada.stream("/content/export/\(id)/monitor") { stream in
            let events = try await stream.rest()
            return (stream.response, events, stream.retryMillis)
        }
        #expect(response.status == 200 && response["Content-Type"] == "text/event-stream")
        #expect(response["Cache-Control"]?.contains("no-cache") == true)
        #expect((retry ?? 0) >= 500)
        let end = try #require(events.last)
        #expect(end.name == "job.completed" && end.id != nil && end.data["state"]?.string == "completed")
        #expect(end.data["downloadUrl"]?.string != nil && end.data["result"]?["exported"]?.integer == SlowContent.rows)
        #expect(events.count > 3 && events.dropLast().allSatisfy { $0.name == "job.progress" })
        #expect(events.allSatisfy { $0.data["jobId"]?.string == id })
        let progress = events.compactMap { $0.data["progress"]?.number }
        #expect(progress == progress.sorted() && progress.last == 100)
        let ids = events.compactMap(\.id)
        #expect(ids == Array(Set(ids)).sorted() && ids.count > 2)
        #expect(events.filter { $0.name != "job.progress" }.count == 1)
    }

    @Test("what is only shown live has no number, so that nobody goes on behind something that is not kept")
    func liveProgress() async throws {
        try await withOneWorker { server in
            let ada = try await server.newUser("editor")
            try await ada.makeArticles(10)
            let worker = try await server.holdWorker()
            let id = try await ada.export()
            let told = try await ada.get("/jobs/\(id)/events").json()["events"]?.array ?? []
            let last = try #require(told.last?["number"]?.integer)
            let events = try await ada.stream("/content/export/\(id)/monitor", lastEventID: last) { stream in
                // All that has happened is known: the first thing is how it stands.
                let first = try #require(try await stream.next())
                #expect(first.name == "job.progress" && first.id == nil && first.data["state"]?.string == "pending")
                try await worker.release()
                return try await stream.rest()
            }
            #expect(events.last?.name == "job.completed" && events.last?.id != nil)
            let kept = try await ada.get("/jobs/\(id)/events?after=\(last)").json()["events"]?.array ?? []
            #expect(events.compactMap(\.id) == kept.compactMap { $0["number"]?.integer }, "what has a number is what is kept")
        }
    }

    @Test("who comes back with the last number misses nothing and hears nothing twice, also after a restart")
    func lastEventID() async throws {
        try await withServer { server in
            let ada = try await server.newUser("editor")
            try await ada.makeArticles(500)
            let id = try #require(try await ada.exported()["jobId"]?.string)
            let all = try await ada.stream("/content/export/\(id)/monitor", lastEventID: 0) { try await $0.rest() }
            let ids = all.compactMap(\.id)
            #expect(ids.count >= 2)
            for last in ids.dropLast() {
                let rest = try await ada.stream("/content/export/\(id)/monitor", lastEventID: last) { try await $0.rest() }
                #expect(rest.compactMap(\.id) == ids.filter { $0 > last })
            }
            await server.kill()
            try await server.start()
            let rest = try await ada.stream("/content/export/\(id)/monitor", lastEventID: ids[0]) { try await $0.rest() }
            #expect(rest.compactMap(\.id) == Array(ids.dropFirst()) && rest.last?.name == "job.completed")
        }
    }

    @Test("the stream of an ended export tells its end at once and closes", arguments: ["monitor", "events"])
    func ended(door: String) async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(1)
        let id = try #require(try await ada.exported()["jobId"]?.string)
        let path = door == "monitor" ? "/content/export/\(id)/monitor" : "/jobs/\(id)/events"
        let events = try await ada.stream(path) { try await $0.rest() }
        #expect(events.last?.name == "job.completed" && events.last?.data["state"]?.string == "completed")
        let last = try #require(events.last?.id)
        let again = try await ada.stream(path, lastEventID: last) { try await $0.rest() }
        #expect(again.last?.name == "job.completed", "also for who has heard it already: nothing hangs")
    }

    @Test("the connection of a stream ends with it and says so, so that nobody sends another request over it")
    func connection() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(1)
        let id = try #require(try await ada.exported()["jobId"]?.string)
        let head = """
            GET /content/export/\(id)/monitor HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \(ada.token ?? "")\r\n\r\n
            """
        let answer = try await RawHTTP.exchange([Array(head.utf8)], port: ada.server.port)
        #expect(answer.status == 200 && answer["Connection"]?.lowercased() == "close")
        #expect(answer.text.contains("event: job.completed"))
    }

    @Test("a cancelled export ends its stream with job.cancelled, a failed one with job.failed")
    func otherEnds() async throws {
        let ada = try await sharedServer().slowUser()
        let id = try await ada.slowExport()
        let last = try await ada.stream("/content/export/\(id)/monitor") { stream in
            let first = try await stream.next()
            #expect(first?.name == "job.progress")
            _ = try await ada.post("/content/export/\(id)/cancel")
            return try await stream.rest().last
        }
        #expect(last?.name == "job.cancelled" && last?.data["state"]?.string == "cancelled")

        let bob = try await sharedServer().newUser("editor")
        try await bob.define("broken", #"{"name": "see", "type": "reference", "target": "none"}"#)
        try await bob.store("broken", [#"{"id": "1", "see": "nothing"}"#])
        let failed = try await bob.export(#"{"contentType": "broken", "format": "csv"}"#)
        let end = try await bob.stream("/content/export/\(failed)/monitor") { try await $0.rest().last }
        #expect(end?.name == "job.failed" && end?.data["error"]?["code"]?.string == "REFERENCE_NOT_FOUND")
    }

    @Test("an unknown job, a stranger's job and a bad number are refused before the stream begins")
    func refused() async throws {
        let server = try sharedServer()
        let ada = try await server.newUser("editor")
        try await ada.makeArticles(1)
        let id = try #require(try await ada.exported()["jobId"]?.string)
        for unknown in ["01890a5d-ac96-774b-bcce-b302099a8057", "nothing", "%2E%2E", "1"] {
            let answer = try await ada.get("/content/export/\(unknown)/monitor")
            #expect(answer.status == 404)
        }
        let eve = try await server.newUser("admin")
        #expect(try await eve.get("/content/export/\(id)/monitor").status == 404)
        for number in ["x", "-1", "99999999999999999999999", "1.0", "0x10"] {
            #expect(try await ada.get("/content/export/\(id)/monitor", headers: [("Last-Event-ID", number)]).status == 400)
        }
        let huge = try await ada.get("/content/export/\(id)/monitor", headers: [("Last-Event-ID", "9223372036854775807")])
        #expect(huge.status == 200)
    }

    @Test("one stream too many gets 429; when a client goes, its place is given again and the job goes on")
    func limit() async throws {
        let ada = try await sharedServer().user("ada", of: "limit", "editor")
        try await SlowContent.store(ada)
        let id = try await ada.slowExport()
        let path = "/content/export/\(id)/monitor"
        try await ada.stream(path) { first in
            _ = try await first.next()
            try await ada.stream(path) { second in
                _ = try await second.next()
                let third = try await ada.get(path)
                let hasEnded = try await ada.job(id)["state"]?.string == "completed"
                #expect(third.status == 429 || hasEnded)
                if third.status == 429 { #expect(try third.json()["code"]?.string == "TOO_MANY_STREAMS") }
            }
            // The second client has gone without a word.
            let again = try await poll("the free place") { () -> Int? in
                let status = try await ada.stream(path) { $0.response.status }
                return status == 429 ? nil : status
            }
            #expect(again == 200)
        }
        #expect(try await ada.wait(id)["state"]?.string == "completed")
    }

    @Test("the events of a job can be had as JSON, page by page")
    func eventsAsJSON() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(1)
        let id = try #require(try await ada.exported()["jobId"]?.string)
        let all = try await ada.get("/jobs/\(id)/events").json()["events"]?.array ?? []
        #expect(all.first?["type"]?.string == "job.created" && all.last?["type"]?.string == "job.completed")
        var collected: [JSON] = []
        var after = 0
        while true {
            let page = try await ada.get("/jobs/\(id)/events?after=\(after)&limit=1").json()
            collected += page["events"]?.array ?? []
            guard let next = page["next"]?.integer else { break }
            after = next
        }
        #expect(collected == all)
        for bad in ["after=-1", "after=x", "limit=0", "limit=1001", "after=9223372036854775808"] {
            #expect(try await ada.get("/jobs/\(id)/events?\(bad)").status == 400)
        }
    }
}
