import Foundation
import Testing

@Suite struct TenantTests {
    @Test("an erased tenant leaves nothing behind, and its neighbour keeps everything")
    func erase() async throws {
        try await withServer(filesAreOnDisk: true) { server in
            let system = try await server.user("ops", of: "operations", "system")
            let ada = try await server.user("ada", of: "acme", "admin")
            let bob = try await server.user("bob", of: "globex", "editor")
            for user in [ada, bob] { try await user.makeArticles(50) }
            let export = try await ada.exported()
            let id = try #require(export["jobId"]?.string)
            let link = try #require(export["downloadUrl"]?.string)
            let kept = try #require(try await bob.exported()["jobId"]?.string)
            let importID = try await ada.importing("contentType=article&onError=continue", "id,year\nx,bad\n")
            _ = try await ada.wait(importID, in: User.imports)
            #expect(try await ada.send("POST", "/api/files?name=a", Array("a file".utf8), type: "text/plain").status == 201)
            let backup = try #require(try await ada.post("/backup/schedule").json()["jobId"]?.string)
            #expect(try await ada.wait(backup, in: "/jobs")["state"]?.string == "completed")
            let restored = try await ada.post("/backup/restores", #"{"from": "\#(backup)", "mode": "replace"}"#)
            #expect(restored.status == 201, "\(restored.text)")
            #expect(try await ada.delete("/tenants/acme").status == 403)

            let answer = try await system.delete("/tenants/acme")
            #expect(answer.status == 202)
            let job = try #require(try answer.json()["jobId"]?.string)
            #expect(try await system.wait(job, in: "/jobs")["state"]?.string == "completed")
            #expect(try await ada.get("/content/types").json()["code"]?.string == "TENANT_ERASED", "an old token stays refused")
            try await server.restart()
            #expect(try await ada.get("/content/types").status == 410, "also after a restart")
            try await expectNothingLeft(of: "acme", on: server)
            server.forgetTokens()
            let anew = try await server.user("ada", of: "acme", "admin")
            #expect(try await anew.get("/content/types").json()["types"]?.array?.isEmpty == true)
            for path in ["/jobs", "/content/export", "/content/import", "/notifications", "/_api/v3/audit-log-bulk-export"] {
                #expect(try await anew.get(path).json()["total"]?.integer == 0, "\(path)")
            }
            for path in ["/backup/jobs", "/backup/restores"] { #expect(try await anew.get(path).text == "[]", "\(path)") }
            #expect(try await anew.get("/backup/jobs/\(backup)/archives/manifest.json").status == 404)
            #expect(try await anew.get("/content/export/\(id)/download").status == 404)
            #expect(try await User.nobody(server).get(link).status == 404)
            let left = try await poll("the end of the files") { () -> [String]? in
                let files = try BlobFolder(server).files().keys.filter { $0.contains("acme") }
                return files.isEmpty ? Array(files) : nil
            }
            #expect(left.isEmpty)
            #expect(try await bob.download(kept).status == 200)
            #expect(try await bob.get("/content/types/article").json()["items"]?.integer == 50)
        }
    }

    /// Looks into every table and at every file. Only the erasure itself, which is the operators', names whom it erased, and so
    /// does their audit log.
    private func expectNothingLeft(of tenant: String, on server: ServerFixture) async throws {
        await server.terminate()
        #expect(try await server.rows(with: tenant) == ["engine_jobs": 1, "audit_events": 1])
        let names = FileManager.default.enumerator(atPath: server.data)?.compactMap { $0 as? String } ?? []
        #expect(!names.isEmpty && names.filter { $0.contains(tenant) }.isEmpty)
        try await server.start()
    }

    @Test("while a tenant is being erased it is let in nowhere, and what was under way brings it not back")
    func closed() async throws {
        try await withOneWorker { server in
            let system = try await server.user("ops", of: "operations", "system")
            let ada = try await server.user("ada", of: "acme", "admin")
            try await ada.makeArticles(20)
            let made = try await ada.post("/apikeys", #"{"user": "robot", "roles": ["editor"]}"#).json()
            var robot = User(server: server, tenant: "acme", name: "robot", token: nil)
            robot.apiSecret = try #require(made["secret"]?.string)
            // The erasure waits for its turn.
            let worker = try await server.holdWorker()
            let pending = try await ada.export()
            let job = try await withThrowingTaskGroup(of: Void.self) { group in
                let (begun, feed) = AsyncStream<Void>.makeStream()
                group.addTask {
                    try await ada.stream("/content/export/\(pending)/monitor") { stream in
                        _ = try await stream.next()
                        feed.finish()
                        _ = try await stream.rest()
                    }
                }
                for await _ in begun {}
                let job = try #require(try await system.delete("/tenants/acme").json()["jobId"]?.string)
                try await group.waitForAll()
                return job
            }
            #expect(try await system.delete("/tenants/acme").status == 409)
            server.forgetTokens()
            let again = try await server.user("ada", of: "acme", "admin")
            for user in [ada, again, robot] {
                for answer in [
                    try await user.get("/content/types"), try await user.put("/content/types/x", #"{"fields": []}"#),
                    try await user.post("/content/export", #"{"contentType": "article", "format": "csv"}"#),
                ] {
                    #expect(answer.status == 410)
                    #expect(try answer.json()["code"]?.string == "TENANT_ERASED")
                }
            }
            #expect(
                try await system.get("/tenants").json()["tenants"]?.array?.contains { $0["state"]?.string == "erasing" } == true)
            try await worker.release()
            #expect(try await system.wait(job, in: "/jobs")["state"]?.string == "completed")
            for user in [ada, again] { #expect(try await user.get("/content/types").status == 410) }
            #expect(try await robot.get("/content/types").status == 401, "its key is gone")
            #expect(try await system.get("/tenants").json()["tenants"]?.array?.contains { $0["name"]?.string == "acme" } == false)
            server.forgetTokens()
            let new = try await server.user("ada", of: "acme", "admin")
            #expect(try await new.get("/content/types").json()["types"]?.array?.isEmpty == true)
            try await new.makeArticles(2)
            #expect(try await new.exported()["result"]?["exported"]?.integer == 2)
        }
    }

    @Test("a tenant that is erased while it works leaves nothing behind either")
    func busy() async throws {
        try await withServer { server in
            let system = try await server.user("ops", of: "operations", "system")
            let ada = try await server.user("ada", of: "acme", "admin")
            try await ada.makeArticles(20_000)
            for format in ["csv", "ndjson", "xlsx"] {
                _ = try await ada.export(#"{"contentType": "article", "format": "\#(format)", "sort": "-id"}"#)
            }
            let lines = (0..<20_000).map { "m\($0),New\n" }.joined()
            _ = try await ada.importing("contentType=article&commitEvery=100", "id,title\n" + lines)
            let job = try await withThrowingTaskGroup(of: Void.self) { group in
                let (begun, feed) = AsyncStream<Void>.makeStream()
                for writer in 0..<4 {
                    group.addTask {
                        for number in 0... {
                            let put = try await ada.put("/content/types/article/items/w\(writer)-\(number)", #"{"title": "x"}"#)
                            if put.status == 410 { return }
                            #expect(put.status == 201)
                            feed.yield()
                        }
                    }
                    group.addTask {
                        let text = (0..<200_000).map { "u\(writer)-\($0),New\n" }.joined()
                        let answer = try await ada.send(
                            "POST", "/content/types/article/items", Array(("id,title\n" + text).utf8), type: "text/csv",
                            headers: [("Idempotency-Key", "upload-\(writer)")])
                        #expect([200, 410].contains(answer.status))
                    }
                }
                var starts = begun.makeAsyncIterator()
                for _ in 0..<8 { _ = await starts.next() }
                let job = try #require(try await system.delete("/tenants/acme").json()["jobId"]?.string)
                try await group.waitForAll()
                return job
            }
            #expect(try await system.wait(job, in: "/jobs")["state"]?.string == "completed")
            try await expectNothingLeft(of: "acme", on: server)
        }
    }

    @Test("a flood of one tenant does not hold up another's first export")
    func fairness() async throws {
        try await withOneWorker { server in
            let ada = try await server.newUser("editor")
            let bob = try await server.newUser("editor")
            for user in [ada, bob] { try await user.makeArticles(5) }
            let worker = try await server.holdWorker()
            for _ in 0..<40 { _ = try await ada.export() }
            let id = try await bob.export()
            #expect(try await bob.job(id)["state"]?.string == "pending", "the test came too late")
            try await worker.release()
            let started = try #require(try await bob.wait(id)["startedAt"]?.string)
            let flood = try await poll("the end of the flood") { () -> [JSON]? in
                let list = try await ada.get("/content/export?status=completed&size=200").json()
                return list["total"]?.integer == 40 ? list["jobs"]?.array : nil
            }
            let before = flood.compactMap { $0["startedAt"]?.string }.count { $0 < started }
            #expect(before <= 2, "\(before) of the flood came first")
        }
    }
}
