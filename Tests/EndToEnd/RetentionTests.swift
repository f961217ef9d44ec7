import Testing

@Suite struct RetentionTests {
    @Test("when its time has passed, a file is gone for good and its job says so, though it stays completed")
    func expiry() async throws {
        // A minute is the shortest time that may be configured.
        try await withServer(["exports.retention": "1m", "exports.linkTTL": "1h"], isIdle: true, filesAreOnDisk: true) { server in
            let ada = try await server.newUser("editor")
            try await ada.makeArticles(3)
            let job = try await ada.exported()
            let id = try #require(job["jobId"]?.string)
            let link = try #require(job["downloadUrl"]?.string)
            #expect(job["artifactState"]?.string == "ready")
            let expired = try await poll("the end of the file's time", every: .milliseconds(500), atMost: .seconds(100)) {
                let job = try await ada.job(id)
                return job["artifactState"]?.string == "expired" ? job : nil
            }
            #expect(expired["state"]?.string == "completed" && expired["downloadUrl"] == nil)
            #expect(expired["result"]?["exported"]?.integer == 3)
            let gone = try await ada.get("/content/export/\(id)/download")
            #expect(gone.status == 410)
            #expect(try gone.json()["code"]?.string == "ARTIFACT_EXPIRED")
            #expect(try await User.nobody(server).get(link).status == 410)
            #expect(try await ada.get("/content/export?status=completed").json()["total"]?.integer == 1)
            #expect(try await ada.get("/content/export?status=expired").json()["total"]?.integer == 0)
            _ = try await poll("the file's removal") { () -> Bool? in
                try BlobFolder(server).files(below: "jobs").isEmpty ? true : nil
            }
        }
    }

    @Test("an export whose deadline passes is expired: the list, its stream and its notice say so, and there is no file")
    func deadline() async throws {
        // A minute is the shortest deadline that may be configured.
        try await withServer(["engine.jobDeadline": "1m", "engine.workers": "1"], isIdle: true) { server in
            let ada = try await server.slowUser()
            let id = try await ada.slowExport()
            #expect(try await ada.post("/jobs/\(id)/pause").status == 202)
            // It may have been done before it heard of that; what waits is not.
            _ = try await ada.wait(id, for: ["paused"])
            let path = "/content/export/\(id)/monitor"
            let events = try await within(.seconds(100), "the end of the stream") {
                try await ada.stream(path) { try await $0.rest() }
            }
            let last = try #require(events.last)
            #expect(last.name == "job.failed" && last.data["state"]?.string == "expired")
            #expect(last.data["error"]?["code"]?.string == "DEADLINE_PASSED")
            let job = try await ada.job(id)
            #expect(job["state"]?.string == "expired" && job["endedAt"] != nil && job["artifactState"]?.string == "none")
            let list = try await ada.get("/content/export?status=expired").json()
            #expect(list["total"]?.integer == 1 && list["jobs"]?[0]?["jobId"]?.string == id)
            #expect(try await ada.get("/content/export/\(id)/download").status == 409)
            #expect(try await ada.post("/content/export/\(id)/cancel").status == 409)
            let late = try await ada.stream(path) { try await $0.rest() }
            #expect(late.last?.name == "job.failed" && late.dropLast().allSatisfy { $0.name == "job.progress" })
            let notice = try await poll("the notice") {
                try await ada.get("/notifications").json()["notifications"]?.array?.first { $0["jobId"]?.string == id }
            }
            #expect(notice["outcome"]?.string == "expired")
        }
    }
}
