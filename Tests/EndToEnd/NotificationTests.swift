import Testing

@Suite(.server())
struct NotificationTests {
    private func notices(_ user: User, _ count: Int) async throws -> JSON {
        try await poll("\(count) notices") {
            let page = try await user.get("/notifications").json()
            return page["total"]?.integer == count ? page : nil
        }
    }

    @Test("the requester gets one notice for each ended job, with outcome and link, and nobody else gets any")
    func ends() async throws {
        let server = try sharedServer()
        let tenant = server.newTenant()
        let ada = try await server.user("ada", of: tenant, "editor")
        let root = try await server.user("root", of: tenant, "admin")
        try await ada.makeArticles(3)
        let completed = try #require(try await ada.exported()["jobId"]?.string)
        try await ada.define("broken", #"{"name": "see", "type": "reference", "target": "none"}"#)
        try await ada.store("broken", [#"{"id": "1", "see": "x"}"#])
        let failed = try #require(try await ada.exported(#"{"contentType": "broken", "format": "csv"}"#)["jobId"]?.string)
        let imported = try await ada.importing("contentType=article", "id,title\nn,New\n")
        _ = try await ada.wait(imported, in: User.imports)
        let page = try await notices(ada, 3)
        #expect(page["unread"]?.integer == 3)
        let all = page["notifications"]?.array ?? []
        #expect(all.compactMap { $0["jobId"]?.string } == [imported, failed, completed])
        #expect(all.compactMap { $0["outcome"]?.string } == ["completed", "failed", "completed"])
        #expect(all.last?["link"]?.string?.contains(completed) == true && all.last?["message"]?.string?.contains("3") == true)
        #expect(try await root.get("/notifications").json()["total"]?.integer == 0)

        let id = try #require(all[0]["id"]?.string)
        #expect(try await root.post("/notifications/\(id)/read").status == 404)
        let read = try await ada.post("/notifications/\(id)/read")
        #expect(read.status == 200)
        #expect(try read.json()["readAt"]?.string != nil)
        #expect(try await ada.post("/notifications/\(id)/read").status == 200)
        let after = try await ada.get("/notifications?size=1&page=3").json()
        #expect(after["unread"]?.integer == 2 && after["total"]?.integer == 3 && after["notifications"]?.array?.count == 1)
        for bad in ["0", "x", "-1", "99999999999999999999", "%2e%2e"] {
            #expect(try await ada.post("/notifications/\(bad)/read").status == 404)
        }
    }

    @Test("a job that was told of is not told of again after a kill")
    func once() async throws {
        try await withServer { server in
            let ada = try await server.newUser("editor")
            try await ada.makeArticles(1)
            _ = try await ada.exported()
            let before = try await notices(ada, 1)
            await server.kill()
            try await server.start()
            _ = try await ada.exported()
            let after = try await notices(ada, 2)
            #expect(after["notifications"]?[1] == before["notifications"]?[0])
        }
    }
}
