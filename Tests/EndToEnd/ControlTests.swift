import Testing

@Suite(.server(["engine.checkpointSeconds": "100ms", "engine.workers": "8", "limits.exportsPerTenant": "8"]))
struct ControlTests {
    @Test("a running export is cancelled: it stops, leaves no file, and says so again when asked again")
    func cancelRunning() async throws {
        let ada = try await sharedServer().slowUser()
        let id = try await ada.slowExport()
        let answer = try await ada.post("/content/export/\(id)/cancel")
        #expect(answer.status == 202)
        #expect(try answer.json()["cancelRequested"]?.bool == true)
        #expect(answer["Location"] == "/content/export/\(id)")
        let again = try await ada.post("/content/export/\(id)/cancel")
        // The same until it has stopped, and then that it has.
        let body = try again.json()
        if again.status == 202 {
            #expect(
                body["jobId"]?.string == id && body["cancelRequested"]?.bool == true && again["Location"] == answer["Location"])
        } else {
            #expect(again.status == 409 && body["code"]?.string == "JOB_ENDED")
        }
        let job = try await ada.wait(id)
        #expect(job["state"]?.string == "cancelled" && job["artifactState"]?.string == "none" && job["downloadUrl"] == nil)
        #expect((job["progress"]?.number ?? 100) < 100)
        let late = try await ada.post("/content/export/\(id)/cancel")
        #expect(late.status == 409)
        #expect(try late.json()["code"]?.string == "JOB_ENDED")
        #expect(try await ada.get("/content/export/\(id)/download").status == 409)
        let after = try await ada.job(id)
        #expect(after["counters"] == job["counters"] && after["endedAt"] == job["endedAt"])
    }

    @Test("an export that waits is cancelled at once and never starts")
    func cancelPending() async throws {
        try await withOneWorker { server in
            let ada = try await server.newUser("editor")
            try await ada.makeArticles(1)
            let worker = try await server.holdWorker()
            let waiting = try await ada.export()
            let answer = try await ada.post("/content/export/\(waiting)/cancel")
            #expect(answer.status == 202)
            let job = try await ada.job(waiting)
            #expect(job["state"]?.string == "cancelled" && job["startedAt"] == nil && job["attempts"]?.integer == 0)
            #expect(try await ada.post("/content/export/\(waiting)/cancel").status == 409)
            try await worker.release()
        }
    }

    @Test("an export that has ended can't be cancelled, paused, resumed or retried, and stays as it is")
    func ended() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(2)
        let job = try await ada.exported()
        let id = try #require(job["jobId"]?.string)
        #expect(try await ada.post("/content/export/\(id)/cancel").status == 409)
        for verb in ["cancel", "pause", "resume", "retry"] {
            #expect(try await ada.post("/jobs/\(id)/\(verb)").status == 409, "\(verb)")
        }
        let after = try await ada.job(id)
        #expect(after["state"]?.string == "completed" && after["updatedAt"] == job["updatedAt"])
        #expect(try await ada.download(id).status == 200)
    }

    @Test("a paused export stands still, goes on when resumed, and its file is the same as if it had never stopped")
    func pause() async throws {
        let ada = try await sharedServer().slowUser()
        let whole = try await ada.exportedFile(SlowContent.request)
        let id = try await ada.slowExport()
        let asked = try await ada.post("/jobs/\(id)/pause")
        #expect(asked.status == 202)
        let paused = try await ada.wait(id, for: ["paused"])
        #expect(paused["endedAt"] == nil && paused["executingNode"] == nil)
        #expect(try await ada.post("/jobs/\(id)/retry").status == 409)
        #expect(try await ada.get("/content/export/\(id)/download").status == 409)
        #expect(try await ada.delete("/content/export/\(id)").status == 409, "what has not ended can't be taken back")
        let resumed = try await ada.post("/jobs/\(id)/resume")
        #expect(resumed.status == 202)
        let job = try await ada.wait(id)
        #expect(job["state"]?.string == "completed" && job["attempts"]?.integer == 0)
        #expect((paused["progress"]?.number ?? 0) <= 100)
        let isEqual = try await ada.download(id).body == whole.body
        #expect(isEqual)
    }

    @Test("a cancelled export that is retried starts over and makes its file")
    func retry() async throws {
        let ada = try await sharedServer().slowUser()
        let id = try await ada.slowExport()
        _ = try await ada.post("/jobs/\(id)/cancel")
        #expect(try await ada.wait(id)["state"]?.string == "cancelled")
        #expect(try await ada.post("/jobs/\(id)/resume").status == 409)
        let answer = try await ada.post("/jobs/\(id)/retry")
        #expect(answer.status == 202)
        let job = try await poll("the end of the retried job") {
            let job = try await ada.job(id)
            return job["state"]?.string == "completed" ? job : nil
        }
        #expect(job["result"]?["exported"]?.integer == SlowContent.rows && job["error"] == nil)
        let lines = try await Tool.gunzipped(try await ada.download(id).body)
        #expect(lines.utf8.count { $0 == 10 } == SlowContent.rows)
    }

    @Test("the progress of an export never falls and stays between 0 and 100")
    func progress() async throws {
        let ada = try await sharedServer().slowUser()
        let id = try await ada.export(SlowContent.request)
        var last = -1.0
        while true {
            let job = try await ada.job(id)
            let progress = try #require(job["progress"]?.number)
            #expect(progress >= last && (0...100).contains(progress))
            last = progress
            if job["state"]?.string == "running" { #expect(job["executingNode"]?.string?.isEmpty == false) }
            if job["state"]?.string == "completed" { break }
            try #require(["pending", "running"].contains(job["state"]?.string))
        }
        #expect(last == 100)
    }

    @Test("what changes while an export runs is not in it, neither changed, deleted nor new")
    func consistentCut() async throws {
        let ada = try await sharedServer().user("ada", of: "cut", "editor")
        try await SlowContent.store(ada)
        try await ada.store("wide", [#"{"id": "x1", "field0": "before"}"#, #"{"id": "x2", "field0": "before"}"#])
        let request = #"{"contentType": "wide", "format": "csv", "compression": "gzip", "fields": ["id", "field0"]}"#
        let before = try await ada.exportedFile(request)
        // The slow one holds its cut, whatever its own form.
        let id = try await ada.export(SlowContent.request)
        _ = try await poll("the cut") { try await ada.job(id)["startedAt"] != nil ? true : nil }
        let state = try await poll("the first checkpoint") { () -> String? in
            let job = try await ada.job(id)
            return (job["progress"]?.number ?? 0) > 0 ? job["state"]?.string : nil
        }
        _ = try await ada.put("/content/types/wide/items/x1", #"{"field0": "after"}"#)
        _ = try await ada.put("/content/types/wide/items/w1000000", #"{"field0": "after"}"#)
        _ = try await ada.delete("/content/types/wide/items/x2")
        _ = try await ada.put("/content/types/wide/items/x3", #"{"field0": "new"}"#)
        #expect(state == "running", "the export was too quick for this test")
        let job = try await ada.wait(id)
        #expect(job["result"]?["exported"]?.integer == SlowContent.rows + 2 && job["result"]?["consistency"]?.string == "cut")
        let text = try await Tool.gunzipped(try await ada.download(id).body)
        #expect(!text.contains("after") && !text.contains("new"))
        #expect(text.components(by: "before").count == 3)
        let after = try await Tool.gunzipped(try await ada.exportedFile(request).body)
        #expect(
            after.contains("x1,after") && after.contains("w1000000,after") && after.contains("x3,new") && !after.contains("x2"))
        #expect(try await Tool.gunzipped(before.body).contains("x2,before"))
    }

    @Test("an export that ends in the same moment as its cancel has one end, and its notice and events agree")
    func cancelRace() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(400)
        var outcomes: [String: String] = [:]
        for _ in 0..<12 {
            let id = try await ada.export()
            let answer = try await ada.post("/content/export/\(id)/cancel")
            #expect(answer.status == 202 || answer.status == 409)
            let state = try #require(try await ada.wait(id)["state"]?.string)
            #expect(["completed", "cancelled"].contains(state))
            #expect(answer.status == 202 || state == "completed")
            let events = try await ada.get("/jobs/\(id)/events").json()["events"]?.array ?? []
            let ends = events.compactMap { $0["type"]?.string }.filter {
                ["job.completed", "job.cancelled", "job.failed"].contains($0)
            }
            #expect(ends == ["job.\(state)"])
            outcomes[id] = state
            #expect(try await ada.get("/content/export/\(id)/download").status == (state == "completed" ? 200 : 409))
        }
        let notices = try await poll("a notice for each") { () -> [JSON]? in
            let notices = try await ada.get("/notifications?size=50").json()["notifications"]?.array ?? []
            return notices.count >= 12 ? notices : nil
        }
        #expect(notices.count == outcomes.count, "each job is told of once")
        for notice in notices {
            #expect(notice["outcome"]?.string == notice["jobId"]?.string.flatMap { outcomes[$0] }, "\(notice)")
        }
    }
}
