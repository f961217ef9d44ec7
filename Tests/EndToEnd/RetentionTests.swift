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
}
