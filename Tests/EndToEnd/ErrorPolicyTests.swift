import Testing

@Suite(.server())
struct ErrorPolicyTests {
    /// Ten pages, of which the 3rd, 4th and 8th refer to nothing.
    private func pages() async throws -> User {
        let ada = try await sharedServer().newUser("editor")
        try await ada.define("author", "")
        try await ada.store("author", [#"{"id": "ada"}"#])
        try await ada.define("page", #"{"name": "author", "type": "reference", "target": "author"}"#)
        try await ada.store(
            "page", (0..<10).map { #"{"id": "p\#($0)", "author": "\#([3, 4, 8].contains($0) ? "gone" : "ada")"}"# })
        return ada
    }

    @Test("continue exports seven of ten and lists three with id, code and message, in the result and in a file")
    func proceed() async throws {
        let ada = try await pages()
        let job = try await ada.exported(#"{"contentType": "page", "format": "csv", "onError": "continue"}"#)
        #expect(job["state"]?.string == "completed" && job["error"] == nil)
        let result = try #require(job["result"])
        #expect(result["total"]?.integer == 10 && result["exported"]?.integer == 7 && result["failed"]?.integer == 3)
        let errors = result["errors"]?.array ?? []
        #expect(errors.compactMap { $0["id"]?.string } == ["p3", "p4", "p8"])
        #expect(
            errors.allSatisfy {
                $0["code"]?.string == "REFERENCE_NOT_FOUND" && $0["message"]?.string?.contains("author/gone") == true
            })
        let id = try #require(job["jobId"]?.string)
        let file = try await ada.download(id)
        #expect(file.text == "id,author\r\n" + [0, 1, 2, 5, 6, 7, 9].map { "p\($0),ada\r\n" }.joined())
        let listed = try await Tool.csv(try await ada.download(id, query: "?part=errors").body)
        #expect(listed.count == 4 && listed.dropFirst().map(\.first) == ["p3", "p4", "p8"])
    }

    @Test("stop fails at the first bad item with its error, and leaves no file")
    func stop() async throws {
        let ada = try await pages()
        let job = try await ada.exported(#"{"contentType": "page", "format": "ndjson", "onError": "stop"}"#)
        #expect(job["state"]?.string == "failed")
        #expect(job["error"]?["code"]?.string == "REFERENCE_NOT_FOUND")
        #expect(job["error"]?["message"]?.string?.contains("p3") == true)
        #expect(job["downloadUrl"] == nil && job["artifactState"]?.string == "none")
        let id = try #require(job["jobId"]?.string)
        #expect(try await ada.get("/content/export/\(id)/download").status == 409)
        // The bad items are mended, and the same job is tried again.
        try await ada.store("author", [#"{"id": "gone"}"#])
        #expect(try await ada.post("/jobs/\(id)/retry").status == 202)
        let again = try await poll("the end of the retry") {
            let job = try await ada.job(id)
            return job["state"]?.string == "completed" ? job : nil
        }
        #expect(again["error"] == nil && again["result"]?["exported"]?.integer == 10)
    }

    @Test("what a sheet can't hold is an error of the item, and of no other format")
    func sheet() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.define("page", #"{"name": "title", "type": "text"}"#)
        let long = String(repeating: "x", count: 32_768)
        try await ada.store(
            "page",
            [
                #"{"id": "1", "title": "fine"}"#, #"{"id": "2", "title": "\#(long)"}"#, #"{"id": "3", "title": "bell\u0007"}"#,
                #"{"id": "4", "title": "\#(long.dropLast())"}"#,
            ])
        let job = try await ada.exported(#"{"contentType": "page", "format": "xlsx", "onError": "continue"}"#)
        #expect(job["state"]?.string == "completed")
        #expect(job["result"]?["errors"]?.array?.compactMap { $0["id"]?.string } == ["2", "3"])
        let rows = try await Tool.sheet(try await ada.download(try #require(job["jobId"]?.string)).body)
        #expect(rows.array?.count == 3 && rows[2]?[1]?.string?.count == 32_767)
        let csv = try await ada.exported(#"{"contentType": "page", "format": "csv"}"#)
        #expect(csv["result"]?["exported"]?.integer == 4)
    }

    @Test("a hundred errors are named, the rest is counted, and the file has them all")
    func manyErrors() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.define("page", #"{"name": "see", "type": "reference", "target": "none"}"#)
        try await ada.store("page", (0..<250).map { #"{"id": "p\#($0 + 100)", "see": "x"}"# })
        let job = try await ada.exported(#"{"contentType": "page", "format": "csv", "onError": "continue"}"#)
        #expect(job["result"]?["failed"]?.integer == 250 && job["result"]?["errors"]?.array?.count == 100)
        let errors = try await ada.download(try #require(job["jobId"]?.string), query: "?part=errors")
        #expect(try await Tool.csv(errors.body).count == 251)
    }

    @Test("a type that is deleted while its export waits fails the job")
    func deletedType() async throws {
        try await withOneWorker { server in
            let ada = try await server.newUser("editor")
            try await ada.makeArticles(1)
            let worker = try await server.holdWorker()
            let id = try await ada.export()
            #expect(try await ada.delete("/content/types/article").status == 204)
            try await worker.release()
            let job = try await ada.wait(id)
            #expect(job["state"]?.string == "failed" && job["error"]?["code"]?.string == "UNKNOWN_CONTENT_TYPE")
        }
    }
}
