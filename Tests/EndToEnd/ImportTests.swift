import Testing

@Suite(.server(["engine.checkpointSeconds": "100ms"]))
struct ImportTests {
    private func editor() async throws -> User {
        let ada = try await sharedServer().newUser("editor")
        try await ada.define("page", #"{"name": "title", "type": "text", "required": true}, {"name": "size", "type": "integer"}"#)
        return ada
    }

    /// The lines and codes that an import's ledger names.
    private func ledger(_ ada: User, _ job: JSON) async throws -> [[String]] {
        let answer = try await ada.get(try #require(job["ledgerUrl"]?.string, "\(job)"))
        #expect(answer.status == 200)
        return try await Tool.csv(answer.body).dropFirst().map { Array($0.prefix(2)) }
    }

    private func count(_ ada: User, _ type: String = "page") async throws -> Int? {
        try await ada.get("/content/types/\(type)").json()["items"]?.integer
    }

    @Test(
        "rows are inserted and updated, and the figures say how many", arguments: ["text/csv", "application/x-ndjson"])
    func rows(type: String) async throws {
        let ada = try await editor()
        try await ada.store("page", [#"{"id": "2", "title": "old"}"#])
        let text =
            type == "text/csv"
            ? "size,id,title\r\n1,1,One\r\n,2,Two\r\n"
            : "{\"id\": \"1\", \"title\": \"One\", \"size\": 1}\n{\"id\": \"2\", \"title\": \"Two\"}\n"
        let id = try await ada.importing("contentType=page", text, type: type)
        let job = try await ada.wait(id, in: User.imports)
        #expect(job["state"]?.string == "completed" && job["progress"]?.number == 100)
        let result = try #require(job["result"])
        #expect(result["total"]?.integer == 2 && result["inserted"]?.integer == 1 && result["updated"]?.integer == 1)
        #expect(result["failed"]?.integer == 0 && result["dryRun"]?.bool == false)
        #expect(try await ada.get("/content/types/page/items/2").json()["title"]?.string == "Two")
        #expect(try await ada.get("/content/import/\(id)/failed").status == 404, "no row has failed")
        #expect(try await ada.get("/content/export/\(id)").status == 404, "an import is no export")
        #expect(try await ada.get("/content/import").json()["total"]?.integer == 1)
        let events = try await ada.stream("/content/import/\(id)/monitor") { try await $0.rest() }
        #expect(events.last?.name == "job.completed")
    }

    private static func form(_ parts: [(head: String, body: String)]) -> (type: String, body: [UInt8]) {
        let text = parts.map { "--frontier\r\nContent-Disposition: form-data; \($0.head)\r\n\r\n\($0.body)\r\n" }.joined()
        return ("multipart/form-data; boundary=frontier", Array((text + "--frontier--\r\n").utf8))
    }

    @Test("a form with a file and its options does the same")
    func multipart() async throws {
        let ada = try await editor()
        let (type, body) = Self.form([
            (#"name="form""#, #"{"contentType": "page", "onError": "continue", "commitEvery": 1}"#),
            (
                "name=\"file\"; filename=\"pages.csv\"\r\nContent-Type: application/vnd.ms-excel",
                "id,title\r\n1,One\r\n2,\r\n3,Three\r\n"
            ),
        ])
        let answer = try await ada.send("POST", "/content/import", body, type: type)
        #expect(answer.status == 202)
        let job = try await ada.wait(try #require(try answer.json()["jobId"]?.string), in: User.imports)
        #expect(job["result"]?["inserted"]?.integer == 2 && job["result"]?["failed"]?.integer == 1)
    }

    @Test("a wrong import is refused, names what is wrong and makes no job")
    func refused() async throws {
        let ada = try await editor()
        let queries = [
            ("contentType=none", "none"), ("", "contentType"), ("contentType=page&onError=skip", "onError"),
            ("contentType=page&commitEvery=0", "commitEvery"),
            ("contentType=page&commitEvery=99999999999999999999", "commitEvery"),
            ("contentType=page&dryRun=perhaps", "dryRun"), ("contentType=page&delimiter=ab", "delimiter"),
            ("contentType=page&x=1", "x"),
        ]
        for (query, name) in queries {
            let answer = try await ada.send("POST", "/content/import?\(query)", Array("id,title\n".utf8), type: "text/csv")
            #expect(answer.status == 400 && answer.text.contains(name), "\(query): \(answer.text)")
        }
        let forms: [([(String, String)], String)] = [
            ([(#"name="form""#, #"{"contentType": "page"}"#)], "file"),
            ([(#"name="file"; filename="a.csv""#, "id,title\n")], "contentType"),
            (
                [(#"name="file"; filename="a.csv""#, "id,title\n"), (#"name="form""#, #"{"contentType": "page", "colour": 1}"#)],
                "colour"
            ),
            ([(#"name="file"; filename="a.csv""#, "id,title\n"), (#"name="form""#, #"{"contentType": "#)], ""),
            ([(#"name="extra""#, "x")], "extra"),
        ]
        for (parts, name) in forms {
            let (type, body) = Self.form(parts)
            let answer = try await ada.send("POST", "/content/import", body, type: type)
            #expect(answer.status == 400 && answer.text.contains(name), "\(parts): \(answer.text)")
        }
        let (type, body) = Self.form([(#"name="file"; filename="a.pdf""#, "x"), (#"name="form""#, #"{"contentType": "page"}"#)])
        #expect(try await ada.send("POST", "/content/import", body, type: type).status == 415)
        let broken = Array(Self.form([(#"name="file"; filename="a.csv""#, "id,title\n")]).body.dropLast(20))
        #expect(try await ada.send("POST", "/content/import?contentType=page", broken, type: type).status == 400)
        #expect(try await ada.send("POST", "/content/import", body, type: "multipart/form-data").status >= 400)
        #expect(try await ada.get("/content/import").json()["total"]?.integer == 0)
    }

    @Test("a dry run says what would come of it and stores nothing")
    func dryRun() async throws {
        let ada = try await editor()
        let id = try await ada.importing("contentType=page&dryRun=true&onError=continue", "id,title,size\n1,One,1\n2,Two,many\n")
        let job = try await ada.wait(id, in: User.imports)
        #expect(job["state"]?.string == "completed" && job["result"]?["dryRun"]?.bool == true)
        #expect(job["result"]?["failed"]?.integer == 1 && job["result"]?["total"]?.integer == 2)
        #expect(try await count(ada) == 0)
    }

    @Test(
        "rows that fail are listed with line and reason; downloaded, mended and sent again they are stored",
        arguments: ["csv", "ndjson"])
    func failedRows(format: String) async throws {
        let ada = try await editor()
        let isCSV = format == "csv"
        let type = isCSV ? "text/csv" : "application/x-ndjson"
        let text =
            isCSV
            ? "id,title,size\r\n1,One,1\r\n2,\"Two\nlines, and a \"\"quote\"\"\",many\r\n3,,3\r\n4,Four,4\r\n5,Five\r\n"
            : """
            {"id":"1","title":"One"}
            {"id":"2","title":"Two","size":"many"}
            {"id":"3","size":3}
            {"id":"4","title":"Four"}
            {"id":"5","title":
            """
        let id = try await ada.importing("contentType=page&onError=continue", text, type: type)
        let job = try await ada.wait(id, in: User.imports)
        #expect(job["result"]?["inserted"]?.integer == 2 && job["result"]?["failed"]?.integer == 3)
        let lines = (job["result"]?["errors"]?.array ?? []).compactMap { $0["line"]?.integer }
        #expect(lines == (isCSV ? [3, 5, 7] : [2, 3, 5]))
        let ledger = try await Tool.csv(try await ada.get(try #require(job["ledgerUrl"]?.string)).body)
        #expect(ledger.first == ["line", "code", "field", "message"] && ledger.dropFirst().map(\.first) == lines.map { "\($0)" })
        #expect(ledger[1][2] == "size")
        let failed = try await ada.get(try #require(job["failedRowsUrl"]?.string)).text
        let mended =
            isCSV
            ? failed.replacing("many", with: "2").replacing("3,,3", with: "3,Three,3").replacing("5,Five", with: "5,Five,5")
            : failed.replacing("\"many\"", with: "2").replacing("\"3\",", with: "\"3\",\"title\":\"Three\",")
                .replacing("{\"id\":\"5\",\"title\":", with: "{\"id\":\"5\",\"title\":\"Five\"}")
        let again = try await ada.wait(try await ada.importing("contentType=page", mended, type: type), in: User.imports)
        #expect(again["state"]?.string == "completed", "\(again) for \(mended)")
        #expect(again["result"]?["inserted"]?.integer == 3)
        #expect(try await count(ada) == 5)
        if isCSV {
            #expect(try await ada.get("/content/types/page/items/2").json()["title"]?.string == "Two\nlines, and a \"quote\"")
        }
    }

    @Test(
        "stop ends at the first bad line with its number and reason, wherever a commit falls; rows before it stay",
        arguments: 1...4)
    func stop(commitEvery: Int) async throws {
        let ada = try await editor()
        let id = try await ada.importing(
            "contentType=page&onError=stop&commitEvery=\(commitEvery)",
            "id,title,size\n1,One,1\n2,Two,2\n3,Three,many\n4,Four,4\n")
        let job = try await ada.wait(id, in: User.imports)
        #expect(job["state"]?.string == "failed")
        #expect(job["error"]?["message"]?.string?.contains("ine 4") == true, "\(job)")
        #expect(job["error"]?["line"]?.integer == 4 && job["result"]?["inserted"]?.integer == 2)
        #expect(try await ledger(ada, job) == [["4", "WRONG_TYPE"]])
        #expect(try await ada.get("/content/import/\(id)/failed").text == "id,title,size\r\n3,Three,many\r\n")
        #expect(job["attempts"]?.integer == 1, "a bad row is not better a second time")
        #expect(try await count(ada) == 2)
    }

    @Test("a file that breaks off, has a wrong header or no UTF-8 fails with its line")
    func broken() async throws {
        let ada = try await editor()
        let files: [([UInt8], String)] = [
            (Array("id,title\n1,One\n2,\"Two".utf8), "ine 3"), (Array("id,colour\n1,red\n".utf8), "ine 1"),
            (Array("title\nOne\n".utf8), "ine 1"),
            (Array("id,title\n1,".utf8) + [0xE2, 0x28, 0xA1, 0x0A], "ine 2"),
        ]
        for (bytes, line) in files {
            let answer = try await ada.send("POST", "/content/import?contentType=page", bytes, type: "text/csv")
            let job = try await ada.wait(try #require(try answer.json()["jobId"]?.string), in: User.imports)
            #expect(
                job["state"]?.string == "failed" && job["error"]?["message"]?.string?.contains(line) == true,
                "\(job["error"] ?? .null)")
            #expect(job["error"]?["line"]?.integer.map { "ine \($0)" } == line)
        }
        let empty = try await ada.importing("contentType=page", "")
        #expect(["completed", "failed"].contains(try await ada.wait(empty, in: User.imports)["state"]?.string))
    }

    @Test("an import that breaks off behind bad rows still tells of all of them")
    func brokenOffLater() async throws {
        let ada = try await editor()
        let id = try await ada.importing(
            "contentType=page&onError=continue&commitEvery=1", "id,title,size\n1,One,1\n2,Two,many\n3,Three,3\n4,\"Four")
        let early = try await ada.get("/content/import/\(id)/ledger")
        let job = try await ada.wait(id, in: User.imports)
        #expect(early.status == 200 || early.status == 409, "\(early.text)")
        #expect(job["state"]?.string == "failed" && job["error"]?["line"]?.integer == 5)
        #expect(try await ledger(ada, job) == [["3", "WRONG_TYPE"], ["5", "CSV_UNTERMINATED_QUOTE"]])
        let failed = try await ada.get(try #require(job["failedRowsUrl"]?.string))
        #expect(failed.text == "id,title,size\r\n2,Two,many\r\n4,\"Four\r\n")
        #expect(job["result"]?["inserted"]?.integer == 2)
        #expect(try await count(ada) == 2)
        let last = try await ada.stream("/content/import/\(id)/monitor") { try await $0.rest() }.last
        #expect(last?.name == "job.failed" && last?.data["ledgerUrl"] == job["ledgerUrl"])
    }

    @Test("a cancelled import ends, its rows so far stay, each once, and the bad ones among them are told")
    func cancel() async throws {
        let ada = try await editor()
        let rows = 40_000
        let text = "id,title,size\nbad,Bad,many\n" + (0..<rows).map { "r\($0),Row \($0),\($0)\n" }.joined()
        let id = try await ada.importing("contentType=page&commitEvery=100&onError=continue", text)
        _ = try await poll("some rows") {
            let job = try await ada.job(id, in: User.imports)
            return (job["counters"]?["inserted"]?.integer ?? 0) > 0 || job["state"]?.string == "completed" ? true : nil
        }
        let answer = try await ada.post("/content/import/\(id)/cancel")
        let job = try await ada.wait(id, in: User.imports)
        #expect(job["state"]?.string == (answer.status == 202 ? "cancelled" : "completed"))
        #expect(try await count(ada) == job["counters"]?["inserted"]?.integer)
        #expect(try await ledger(ada, job) == [["2", "WRONG_TYPE"]])
        #expect(try await ada.get("/content/import/\(id)/failed").text == "id,title,size\r\nbad,Bad,many\r\n")
        #expect(try await ada.post("/content/import/\(id)/cancel").status == 409)
    }

    @Test("an upload that a crash has left without a job goes after a while, and those of jobs stay")
    func orphan() async throws {
        try await withServer(["engine.orphanSeconds": "5s"], filesAreOnDisk: true) { server in
            let ada = try await server.newUser("editor")
            try await ada.define("page", #"{"name": "title", "type": "text"}"#)
            let id = try await ada.importing("contentType=page", "id,title\n1,One\n", type: "text/csv")
            _ = try await ada.wait(id, in: User.imports)
            let blobs = BlobFolder(server)
            try blobs.add("uploads/\(ada.tenant)/0123456789abcdef", "id\n")
            try blobs.age(by: 60)
            let left = try await poll("the sweep of uploads") { () -> [String]? in
                let names = try blobs.files(below: "uploads/\(ada.tenant)").keys.sorted()
                return names.contains("0123456789abcdef") ? nil : names
            }
            #expect(left.count == 1)
        }
    }
}
