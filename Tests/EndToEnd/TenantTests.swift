import Foundation
import Testing

@Suite struct TenantTests {
    @Test("an erased tenant leaves nothing behind, and its neighbour keeps everything")
    func erase() async throws {
        try await withServer { server in
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
            #expect(try await ada.delete("/tenants/acme").status == 403)

            let answer = try await system.delete("/tenants/acme")
            #expect(answer.status == 202)
            let job = try #require(try answer.json()["jobId"]?.string)
            #expect(try await system.wait(job, in: "/jobs")["state"]?.string == "completed")
            #expect(try await ada.get("/content/types").json()["types"]?.array?.isEmpty == true)
            for path in ["/jobs", "/content/export", "/content/import", "/notifications"] {
                #expect(try await ada.get(path).json()["total"]?.integer == 0, "\(path)")
            }
            #expect(try await ada.get("/content/export/\(id)/download").status == 404)
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

    @Test("a flood of one tenant does not hold up another's first export")
    func fairness() async throws {
        try await withServer(["engine.workers": "1"]) { server in
            let ada = try await server.newUser("editor")
            let bob = try await server.newUser("editor")
            for user in [ada, bob] { try await user.makeArticles(500) }
            var floods: [String] = []
            for _ in 0..<60 { floods.append(try await ada.export()) }
            let id = try await bob.export()
            let job = try await bob.wait(id)
            let done = try await ada.get("/content/export?status=completed").json()["total"]?.integer ?? 60
            #expect(job["state"]?.string == "completed" && done < 60, "all of the flood came first")
            for id in floods { _ = try await ada.post("/content/export/\(id)/cancel") }
        }
    }
}
