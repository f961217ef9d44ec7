import Testing

@Suite(.server())
struct ContentTests {
    @Test("a type is made, changed, listed, shown and deleted with its items")
    func types() async throws {
        let ada = try await sharedServer().newUser("editor")
        let body = #"{"fields": [{"name": "title", "type": "text", "required": true}], "readers": ["role:editor"]}"#
        #expect(try await ada.put("/content/types/page", body).status == 201)
        #expect(try await ada.put("/content/types/page", body).status == 200)
        try await ada.store("page", [#"{"id": "1", "title": "One"}"#])
        let shown = try await ada.get("/content/types/page").json()
        #expect(
            shown["name"]?.string == "page" && shown["items"]?.integer == 1
                && shown["readers"] == .array([.string("role:editor")]))
        #expect(shown["fields"]?[0]?["required"]?.bool == true)
        #expect(try await ada.get("/content/types").json()["types"]?.array?.count == 1)
        #expect(try await ada.delete("/content/types/page").status == 204)
        #expect(try await ada.get("/content/types/page").status == 404)
        #expect(try await ada.delete("/content/types/page").status == 404)
        #expect(try await ada.get("/content/types/page/items/1").status == 404)
        #expect(try await ada.put("/content/types/page", body).status == 201)
        #expect(try await ada.get("/content/types/page/items/1").status == 404, "a new type has none of the old one's items")
    }

    @Test(
        "a wrong definition is refused with the field's name and changes nothing",
        arguments: [
            (#"{"fields": [{"name": "id", "type": "text"}]}"#, "id"),
            (#"{"fields": [{"name": "a", "type": "string"}]}"#, "fields[0].type"),
            (#"{"fields": [{"name": "a", "type": "text"}, {"name": "a", "type": "text"}]}"#, "a"),
            (#"{"fields": [{"name": "a", "type": "text", "size": 3}]}"#, "size"),
            (#"{"fields": [{"name": "9a", "type": "text"}]}"#, "9a"),
            (#"{"fields": [{"name": "a", "type": "json", "indexed": true}]}"#, "a"),
            (#"{"fields": [], "readers": []}"#, "readers"), (#"{"fields": [], "readers": ["nobody"]}"#, "readers"),
            (#"{"readers": ["everyone"]}"#, "fields"), (#"{"fields": "all"}"#, "fields"), (#"[1]"#, ""), (#"{"fields": ["#, ""),
        ])
    func badType(body: String, names: String) async throws {
        let ada = try await sharedServer().newUser("editor")
        let answer = try await ada.put("/content/types/page", body)
        #expect(answer.status == 400)
        #expect(answer.text.contains(names))
        #expect(try await ada.get("/content/types").json()["types"]?.array?.isEmpty == true)
    }

    @Test("a field that items use can't change its type, but one can be added")
    func fieldInUse() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.define("page", #"{"name": "title", "type": "text"}"#)
        try await ada.store("page", [#"{"id": "1", "title": "One"}"#])
        #expect(try await ada.put("/content/types/page", #"{"fields": [{"name": "title", "type": "integer"}]}"#).status == 409)
        let more = #"{"fields": [{"name": "title", "type": "text"}, {"name": "year", "type": "integer"}]}"#
        #expect(try await ada.put("/content/types/page", more).status == 200)
        #expect(try await ada.get("/content/types/page/items/1").json()["title"]?.string == "One")
    }

    @Test("an item is stored, changed, shown and deleted, under any id that can be written")
    func items() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.define("page", #"{"name": "title", "type": "text"}, {"name": "size", "type": "integer"}"#)
        for id in ["1", "a%20b", "%C3%A9%F0%9F%98%80", "x%2Fy", "...", "%25"] {
            let path = "/content/types/page/items/\(id)"
            #expect(try await ada.put(path, #"{"title": "One"}"#).status == 201)
            #expect(try await ada.put(path, #"{"title": "Two", "size": -9223372036854775808}"#).status == 200)
            let item = try await ada.get(path)
            #expect(item.status == 200 && item.text.contains("-9223372036854775808"))
            #expect(try await ada.delete(path).status == 204)
            #expect(try await ada.get(path).status == 404)
            #expect(try await ada.delete(path).status == 404)
        }
    }

    @Test(
        "an item that does not fit its type is refused with the field's name",
        arguments: [
            (#"{"size": 1.5}"#, "size"), (#"{"size": 9223372036854775808}"#, "size"), (#"{"size": "1"}"#, "size"),
            (#"{"colour": "red"}"#, "colour"), (#"{"title": ["a"]}"#, "title"), (#"{"tags": ["a", ""]}"#, "tags"),
            (#"{"at": "yesterday"}"#, "at"), (#"{"at": "2023-02-29"}"#, "at"), (#"{"ref": "nothing"}"#, "ref"),
            (#"{"id": "2"}"#, "id"), (#"{"readers": "everyone"}"#, "readers"), (#"{"language": "not a tag"}"#, "language"),
            (#"{"title": "a", "title": "b"}"#, "title"), (#"{"price": 1e999}"#, "out of range"), (#"{"title": "a"#, ""),
            ("[]", ""),
        ])
    func badItem(body: String, field: String) async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.define(
            "page",
            """
            {"name": "title", "type": "text"}, {"name": "size", "type": "integer"}, {"name": "tags", "type": "tags"},
            {"name": "at", "type": "datetime"}, {"name": "ref", "type": "reference"}, {"name": "price", "type": "number"}
            """)
        let answer = try await ada.put("/content/types/page/items/1", body)
        #expect(answer.status == 400)
        #expect(answer.text.contains(field))
        #expect(try await ada.get("/content/types/page/items/1").status == 404)
    }

    @Test("a stream of NDJSON inserts and updates, also without a length and in small pieces")
    func lines() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.define("page", #"{"name": "title", "type": "text"}"#)
        let lines = (0..<5000).map { #"{"id": "\#($0)", "title": "Nö \#($0)"}"# }.joined(separator: "\r\n") + "\n"
        for (bytes, expected) in [(nil, #"{"inserted":5000,"updated":0}"#), (4093, #"{"inserted":0,"updated":5000}"#)] {
            let answer = try await ada.send(
                "POST", "/content/types/page/items", Array(lines.utf8), type: "application/x-ndjson", chunkBytes: bytes)
            #expect(answer.status == 200)
            #expect(answer.text == expected)
        }
        #expect(try await ada.get("/content/types/page/items/4999").json()["title"]?.string == "Nö 4999")
    }

    @Test("a stream of CSV is stored, with lists, quotes and line breaks inside")
    func csv() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.define(
            "page", #"{"name": "title", "type": "text"}, {"name": "tags", "type": "tags"}, {"name": "n", "type": "integer"}"#)
        let text = "n;id;tags;title\r\n1;a;red|bl\\|ue;\"x;\"\"y\"\"\nz\"\r\n;b;;\r\n"
        let answer = try await ada.send(
            "POST", "/content/types/page/items?delimiter=%3B", Array(text.utf8), type: "text/csv; charset=utf-8", chunkBytes: 7)
        #expect(answer.status == 200)
        let item = try await ada.get("/content/types/page/items/a").json()
        #expect(item["title"]?.string == "x;\"y\"\nz")
        #expect(item["tags"] == .array([.string("red"), .string("bl|ue")]))
        #expect(item["n"]?.integer == 1)
    }

    static let badStreams: [(type: String, text: [UInt8], line: Int, stored: Int)] = [
        ("application/x-ndjson", Array("{\"id\":\"1\"}\n{\"id\":\"2\"}\n{\"id\":\n{\"id\":\"4\"}\n".utf8), 3, 2),
        ("application/x-ndjson", Array("{\"id\":\"1\"}\n{\"title\":\"no id\"}\n".utf8), 2, 1),
        ("application/x-ndjson", Array("{\"id\":\"1\",\"title\":\"".utf8) + [0xFF, 0xFE] + Array("\"}\n".utf8), 1, 0),
        ("text/csv", Array("id,title\n1,a\n2,b,c\n3,d\n".utf8), 3, 1),
        ("text/csv", Array("id,title\n1,a\n2,\"broken off\n3,d\n".utf8), 3, 1),
        ("text/csv", Array("id,title\n1,a\n2,".utf8) + [0xC3, 0x28] + Array("\n".utf8), 3, 1),
        ("text/csv", Array("id,colour\n1,a\n".utf8), 1, 0), ("text/csv", Array("title\na\n".utf8), 1, 0),
        ("text/csv", Array("id,id\n1,2\n".utf8), 1, 0),
    ]

    @Test(
        "a stream stops at its first bad line, which the answer names, and what came before stays", arguments: badStreams.indices)
    func badStream(index: Int) async throws {
        let (type, text, line, stored) = Self.badStreams[index]
        let ada = try await sharedServer().newUser("editor")
        try await ada.define("page", #"{"name": "title", "type": "text"}"#)
        let answer = try await ada.send("POST", "/content/types/page/items", text, type: type)
        #expect(answer.status == 400)
        let problem = try answer.json()
        #expect(problem["line"]?.integer == line && problem["stored"]?.integer == stored, "\(problem)")
        #expect(try await ada.get("/content/types/page").json()["items"]?.integer == stored)
    }

    @Test("an empty stream stores nothing and is fine; one for an unknown type is not")
    func emptyStream() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.define("page", #"{"name": "title", "type": "text"}"#)
        let empty = try await ada.send("POST", "/content/types/page/items", [], type: "application/x-ndjson")
        #expect(empty.status == 200 && empty.text == #"{"inserted":0,"updated":0}"#)
        #expect(try await ada.send("POST", "/content/types/none/items", [], type: "application/x-ndjson").status == 404)
    }
}
