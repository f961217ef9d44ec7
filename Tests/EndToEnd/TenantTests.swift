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
            let slow = try await server.slowUser()
            let ada = try await server.newUser("editor")
            let bob = try await server.newUser("editor")
            for user in [ada, bob] { try await user.makeArticles(5) }
            let blocker = try await slow.slowExport()
            for _ in 0..<40 { _ = try await ada.export() }
            let id = try await bob.export()
            #expect(try await bob.job(id)["state"]?.string == "pending", "the test came too late")
            _ = try await slow.post("/content/export/\(blocker)/cancel")
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
