import Testing

@Suite(.server())
struct BadInputTests {
    @Test(
        "a wrong export request is refused, names what is wrong and makes no job",
        arguments: [
            (#"{"contentType": "nothing", "format": "csv"}"#, "nothing"),
            (#"{"contentType": "article", "format": "pdf"}"#, "pdf"),
            (#"{"contentType": "article", "format": "csv", "compression": "rar"}"#, "rar"),
            (#"{"contentType": "article", "format": "csv", "onError": "ignore"}"#, "ignore"),
            (#"{"contentType": "article", "format": "csv", "fields": ["title", "colour"]}"#, "colour"),
            (#"{"contentType": "article", "format": "csv", "fields": []}"#, "fields"),
            (#"{"contentType": "article", "format": "csv", "fields": ["title", "title"]}"#, "fields"),
            (#"{"contentType": "article", "format": "csv", "sort": ["body"]}"#, "sort"),
            (#"{"contentType": "article", "format": "csv", "sort": ["colour"]}"#, "colour"),
            (#"{"contentType": "article", "format": "csv", "languages": []}"#, "languages"),
            (#"{"contentType": "article", "format": "csv", "languages": ["klingon!"]}"#, "klingon!"),
            (#"{"contentType": "article", "format": "csv", "query": "year:[1 TO"}"#, "query"),
            (#"{"contentType": "article", "format": "csv", "query": "colour:red"}"#, "colour"),
            (#"{"contentType": "article", "format": "csv", "query": "year:abc"}"#, "year"),
            (#"{"contentType": "article", "format": "csv", "partRows": 0}"#, "partRows"),
            (#"{"contentType": "article", "format": "csv", "partRows": 1.5}"#, "partRows"),
            (#"{"contentType": "article", "format": "csv", "partRows": 99999999999999999999}"#, "partRows"),
            (#"{"contentType": "article", "format": "csv", "partRows": 9223372036854775807}"#, "partRows"),
            (#"{"contentType": "article", "format": "csv", "partBytes": 3}"#, "partBytes"),
            (#"{"contentType": "article", "format": "csv", "partBytes": -9223372036854775808}"#, "partBytes"),
            (#"{"contentType": "article", "format": "xlsx", "partBytes": 4096}"#, "partBytes"),
            (#"{"contentType": "article", "format": "csv", "filename": ""}"#, "filename"),
            (#"{"contentType": "article", "format": "csv", "csv": {"delimiter": "ab"}}"#, "csv.delimiter"),
            (#"{"contentType": "article", "format": "csv", "csv": {"delimiter": "\""}}"#, "csv.delimiter"),
            (#"{"contentType": "article", "format": "csv", "csv": {"profile": "word"}}"#, "csv.profile"),
            (#"{"contentType": "article", "format": "csv", "csv": {"quote": "'"}}"#, "quote"),
            (#"{"contentType": "article", "format": "json", "csv": {"bom": true}}"#, "csv"),
            (#"{"contentType": "article", "contentTypes": ["article"], "format": "csv"}"#, "contentType"),
            (#"{"contentTypes": [], "format": "csv"}"#, "contentTypes"),
            (#"{"contentTypes": ["article", "article"], "format": "csv"}"#, "contentTypes"),
            (#"{"dataset": "flights", "format": "csv"}"#, "dataset"), (#"{"format": "csv"}"#, "contentType"),
            (#"{"contentType": 7, "format": "csv"}"#, "contentType"), (#"{"contentType": null, "format": "csv"}"#, "contentType"),
            (#"{"contentType": "article", "format": "csv", "limit": 10}"#, "limit"),
            (#"{"contentType": "article", "contentType": "article", "format": "csv"}"#, "contentType"),
            (#"{"contentType": "article", "format": ["csv"]}"#, "format"), ("[]", ""), ("", ""), ("null", ""), (#""csv""#, ""),
            (#"{"contentType": "article", "format": "csv""#, ""), (#"{"contentType": "article", "format": "csv"} x"#, ""),
            ("{\"contentType\": \"art\u{0}icle\", \"format\": \"csv\"}", ""),
            (#"{"contentType": "\ud800", "format": "csv"}"#, ""),
        ])
    func export(body: String, names: String) async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(1)
        let answer = try await ada.post(User.exports, body)
        #expect(answer.status == 400, "\(body)")
        #expect(answer.text.contains(names), "\(answer.text)")
        #expect(try await ada.get("/content/export").json()["total"]?.integer == 0)
    }

    @Test("a body over 1 MiB is 413, whether it says its length or not; one that is nested too deep is 400")
    func tooLarge() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(1)
        let body = Array(
            #"{"contentType": "article", "format": "csv", "query": "\#(String(repeating: "x", count: 1 << 20))"}"#.utf8)
        for chunk in [nil, 65_536] {
            let answer = try await ada.send("POST", User.exports, body, type: "application/json", chunkBytes: chunk)
            #expect(answer.status == 413)
        }
        let item = Array(#"{"title": "\#(String(repeating: "x", count: 1 << 20))"}"#.utf8)
        #expect(try await ada.send("PUT", "/content/types/article/items/big", item, type: "application/json").status == 413)
        let deep = String(repeating: "[", count: 100_000)
        #expect(try await ada.post(User.exports, deep).status == 400)
        #expect(try await ada.put("/content/types/article/items/deep", #"{"title": "# + deep).status == 400)
        let line = #"{"id": "1", "title": "\#(String(repeating: "x", count: (1 << 20) + 1))"}"#
        let answer = try await ada.send("POST", "/content/types/article/items", Array(line.utf8), type: "application/x-ndjson")
        #expect(answer.status == 400)
        #expect(try answer.json()["line"]?.integer == 1)
        #expect(try await ada.get("/content/types/article").json()["items"]?.integer == 1)
    }

    @Test(
        "a wrong media type or a packed body is 415",
        arguments: [
            "text/plain", "application/xml", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "", "json",
            "*/*",
        ])
    func mediaType(type: String) async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(1)
        let body = Array(#"{"contentType": "article", "format": "csv"}"#.utf8)
        let types = ["/content/export", "/content/import?contentType=article"]
        for path in types {
            let answer = try await ada.send("POST", path, body, type: type.isEmpty ? nil : type)
            #expect(answer.status == 415, "\(path) \(type): \(answer.text)")
        }
        #expect(
            try await ada.send("POST", "/content/types/article/items", body, type: type.isEmpty ? "text/plain" : type).status
                == 415)
        let packed = try await ada.send("POST", types[0], body, type: "application/json", headers: [("Content-Encoding", "gzip")])
        #expect(packed.status == 415)
        #expect(try await ada.get("/jobs").json()["total"]?.integer == 0)
    }

    @Test("an id that is no UUID, or tries to climb, is simply unknown")
    func ids() async throws {
        let ada = try await sharedServer().newUser("admin")
        let ids = [
            "x", "1", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2f..%2fsigning.key", "%00", "'%20OR%201=1--",
            "01890a5d-ac96-774b-bcce-b302099a8057",
            "01890A5D-AC96-774B-BCCE-B302099A8057", "{id}", "%F0%9F%98%80", "%FF", "null", String(repeating: "a", count: 2000),
        ]
        for id in ids {
            for path in [
                "/content/export/\(id)", "/content/export/\(id)/download", "/content/import/\(id)", "/jobs/\(id)",
                "/jobs/\(id)/events",
            ] {
                let answer = try await ada.get(path)
                #expect(answer.status == 404, "\(path): \(answer.status)")
            }
            #expect(try await ada.post("/content/export/\(id)/cancel").status == 404)
        }
        let unknown = try await ada.get("/content/export/01890a5d-ac96-774b-bcce-b302099a8057")
        #expect(unknown.text.contains("01890a5d-ac96-774b-bcce-b302099a8057"), "the answer names the id")
        for path in [
            "/content/export/../../etc/passwd", "/content//export", "/content/export/./x", "/dashboard/..%2f..%2fsigning.key",
            "/%2e%2e/",
        ] {
            #expect(try await ada.get(path).status == 404, "\(path)")
        }
    }

    @Test("unknown and repeated parameters, unknown paths and methods are refused")
    func addresses() async throws {
        let ada = try await sharedServer().newUser("admin")
        #expect(try await ada.get("/content/export?verbose=1").status == 400)
        #expect(try await ada.get("/jobs?page=1&page=1").status == 400)
        #expect(try await ada.get("/content/types?x").status == 400)
        #expect(try await ada.get("/nothing").status == 404)
        #expect(try await ada.get("/jobs/").status == 404)
        for (method, path) in [("DELETE", "/content/export"), ("PATCH", "/jobs"), ("PUT", "/content/export"), ("TRACE", "/jobs")]
        {
            let answer = try await ada.send(method, path)
            #expect(answer.status == 405, "\(method) \(path)")
        }
        #expect(try await ada.get("/jobs?" + String(repeating: "a", count: 9000)).status >= 400)
    }

    @Test("fields of the head that stand twice, are too long or too many cost one request, and nobody else anything")
    func heads() async throws {
        let server = try sharedServer()
        let ada = try await server.newUser("editor")
        try await ada.makeArticles(1)
        let body = #"{"contentType": "article", "format": "csv"}"#
        let keys = try await ada.post(User.exports, body, headers: [("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
        #expect(keys.status == 400)
        let tokens = try await ada.get("/jobs", headers: [("Authorization", "Bearer x")])
        #expect(tokens.status == 400 || tokens.status == 401)
        #expect(try await ada.get("/jobs", headers: [("X-Large", String(repeating: "x", count: 40_000))]).status == 431)
        #expect(try await ada.get("/jobs", headers: (0..<400).map { ("X-Field-\($0)", "x") }).status == 431)
        let twice = Array("POST /content/export HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}".utf8)
        #expect(try await RawHTTP.exchange([twice], port: server.port).status == 400)
        let smuggled = Array(
            "POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".utf8)
        #expect(try await RawHTTP.exchange([smuggled], port: server.port).status >= 400)
        let brew = Array("BREW /jobs HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        #expect(try await RawHTTP.exchange([brew], port: server.port).status >= 400)
        let garbage = try? await RawHTTP.exchange([Array("\u{16}\u{3}\u{1} garbage\r\n\r\n".utf8)], port: server.port)
        #expect(garbage == nil || garbage?.status == 400)
        #expect(try await ada.get("/jobs").status == 200)
    }

    @Test("odd preferences and keys are ignored or refused, never a trap")
    func oddHeaders() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(1)
        let body = #"{"contentType": "article", "format": "csv"}"#
        for prefer in ["wait=-1", "wait=99999999999999999999", "wait=x", "wait", "respond-async", "=;,=", "wait=0"] {
            let answer = try await ada.post(User.exports, body, headers: [("Prefer", prefer)])
            #expect(answer.status == 202 || answer.status == 200, "\(prefer): \(answer.text)")
        }
        for key in ["", String(repeating: "k", count: 5000), "\"unfinished"] {
            let answer = try await ada.post(User.exports, body, headers: [("Idempotency-Key", key)])
            #expect([200, 202, 400, 431].contains(answer.status), "\(key.prefix(20)): \(answer.status)")
        }
    }

    @Test("a hostile query is refused or answered, and the server goes on")
    func queries() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(20)
        let queries = [
            String(repeating: "(", count: 8000), String(repeating: "NOT ", count: 2000) + "year:1",
            "title:'; DROP TABLE content_items; --",
            String(repeating: "year:1 OR ", count: 800) + "year:1", "year:[99999999999999999999 TO *]", "year:[* TO *]",
            "title:*", "title:****",
            "title:\\", "title:\"", "year:-9223372036854775808", "price:1e400", "price:NaN", "AND", "NOT", ":", "a:b:c",
            "title:\u{202E}",
            "title:" + String(repeating: "*a", count: 200), "title:[a TO", "title:{a TO b]", "year:[2 TO 1]",
            "tags:red AND tags:blue",
        ]
        for query in queries {
            let text = query.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            let answer = try await ada.post(User.exports, #"{"contentType": "article", "format": "csv", "query": "\#(text)"}"#)
            #expect(
                answer.status == 202 || answer.status == 400, "\(query.prefix(60)): \(answer.status) \(answer.text.prefix(200))")
            guard answer.status == 202, let id = try answer.json()["jobId"]?.string else { continue }
            #expect(try await ada.wait(id)["state"]?.string == "completed", "\(query.prefix(60))")
        }
        #expect(try await ada.get("/content/types/article").json()["items"]?.integer == 20)
    }
}
