import Testing

@Suite(.server())
struct ExportFormatTests {
    private func articles(_ count: Int = 3) async throws -> User {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(count)
        return ada
    }

    private static func csv(_ numbers: ClosedRange<Int>) -> String {
        numbers.reduce("id,title,body,year,price,tags\r\n") { text, number in
            let line = User.articleLine(number).dropLast()
            return text + line + "\r\n"
        }
    }

    @Test("CSV holds every field of every item, ordered by id")
    func csv() async throws {
        let answer = try await articles().exportedFile(#"{"contentType": "article", "format": "csv"}"#)
        #expect(answer.text == Self.csv(1...3))
        #expect(answer["Content-Type"]?.hasPrefix("text/csv") == true)
        #expect(answer["Content-Disposition"]?.contains("article.csv") == true)
    }

    @Test("NDJSON and JSON hold the same items")
    func json() async throws {
        let ada = try await articles()
        let lines = try await ada.exportedFile(#"{"contentType": "article", "format": "ndjson"}"#)
        let array = try await ada.exportedFile(#"{"contentType": "article", "format": "json"}"#)
        #expect(lines["Content-Type"] == "application/x-ndjson" && array["Content-Type"] == "application/json")
        let items = try lines.text.split(separator: "\n").map { try JSON(Array($0.utf8)) }
        #expect(items.count == 3)
        #expect(JSON.array(items) == (try array.json()))
        #expect(items[1]["title"]?.string == "Title 2" && items[1]["year"]?.integer == 1902 && items[1]["price"]?.number == 2.5)
        #expect(items[1]["tags"] == .array([.string("red"), .string("blue")]))
    }

    @Test("a sheet opens with its rows in it")
    func sheet() async throws {
        let answer = try await articles().exportedFile(
            #"{"contentType": "article", "format": "xlsx", "fields": ["id", "title", "year"]}"#)
        #expect(answer["Content-Type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
        let rows = try await Tool.sheet(answer.body)
        #expect(rows.array?.count == 4)
        #expect(rows[0] == .array([.string("id"), .string("title"), .string("year")]))
        #expect(rows[2] == .array([.string("a0000002"), .string("Title 2"), .string("1902")]))
    }

    @Test("compressed files unpack to the plain one", arguments: ["gzip", "zip", "zstd"], ["csv", "ndjson", "json"])
    func compression(compression: String, format: String) async throws {
        let ada = try await articles(2000)
        let plain = try await ada.exportedFile(#"{"contentType": "article", "format": "\#(format)"}"#)
        let packed = try await ada.exportedFile(
            #"{"contentType": "article", "format": "\#(format)", "compression": "\#(compression)"}"#)
        #expect(packed.body.count < plain.body.count)
        switch compression {
        case "gzip":
            #expect(packed["Content-Type"] == "application/gzip")
            #expect(try await Tool.gunzipped(packed.body) == plain.text)
        case "zip":
            #expect(packed["Content-Type"] == "application/zip")
            #expect(try await Tool.unzipped(packed.body) == "article.\(format):" + plain.text)
        default:
            #expect(packed["Content-Type"] == "application/zstd")
            #expect(try await Tool.unpackedZstd(packed.body) == plain.text)
        }
        #expect(packed["Content-Encoding"] == nil, "a file that is compressed is not an encoding of the transfer")
    }

    @Test("parts roll at the asked number of rows, come one by one, or as a ZIP of known length")
    func parts() async throws {
        let ada = try await articles(25)
        let job = try await ada.exported(#"{"contentType": "article", "format": "csv", "partRows": 10}"#)
        let id = try #require(job["jobId"]?.string)
        #expect(job["parts"]?.integer == 3)
        var texts: [String] = []
        for part in 1...3 { texts.append(try await ada.download(id, query: "?part=\(part)").text) }
        #expect(texts == [Self.csv(1...10), Self.csv(11...20), Self.csv(21...25)])
        let zip = try await ada.download(id)
        #expect(zip["Content-Length"] == "\(zip.body.count)" && zip["Content-Disposition"]?.contains("article.zip") == true)
        let expected = zip["Content-Type"] == "application/zip" ? try await Tool.unzipped(zip.body) : ""
        #expect(expected == (1...3).map { "article-0000\($0).csv:" + texts[$0 - 1] }.joined())
        #expect(try await ada.get("/content/export/\(id)/download?part=4").status == 404)
        for bad in ["0", "-1", "x", "99999999999999999999", "1.5", ""] {
            #expect(try await ada.get("/content/export/\(id)/download?part=\(bad)").status == 400)
        }
    }

    @Test("compressed parts come in a ZIP whose sums are right", arguments: ["gzip", "zstd", "zip"], ["csv", "json", "xlsx"])
    func compressedParts(compression: String, format: String) async throws {
        let ada = try await articles(25)
        let zip = try await ada.exportedFile(
            #"{"contentType": "article", "format": "\#(format)", "compression": "\#(compression)", "partRows": 10}"#)
        let names = try await Tool.python(
            """
            import sys, zipfile
            z = zipfile.ZipFile(sys.argv[1]); print(z.testzip(), " ".join(z.namelist()))
            """, zip.body)
        let suffix = ["gzip": ".gz", "zstd": ".zst"][compression] ?? ""
        let expected = (1...3).map { "article-0000\($0).\(format)\(suffix)" }.joined(separator: " ")
        #expect(names == "None \(expected)\n")
    }

    @Test("several types make one part each, with the fields that all have")
    func types() async throws {
        let ada = try await articles(2)
        try await ada.define("note", #"{"name": "title", "type": "text"}"#)
        try await ada.store("note", [#"{"id": "n1", "title": "Only note"}"#])
        let zip = try await ada.exportedFile(
            #"{"contentTypes": ["article", "note"], "fields": ["id", "title"], "format": "csv"}"#)
        let text = try await Tool.unzipped(zip.body)
        #expect(
            text == "content-article.csv:id,title\r\na0000001,Title 1\r\na0000002,Title 2\r\n"
                + "content-note.csv:id,title\r\nn1,Only note\r\n")
        let refused = try await ada.post(
            User.exports, #"{"contentTypes": ["article", "note"], "fields": ["id", "year"], "format": "csv"}"#)
        #expect(refused.status == 400 && refused.text.contains("year"))
    }

    @Test("fields, query and sort hold for each of several types, and must exist in each")
    func choosingOfTypes() async throws {
        let ada = try await articles(4)
        try await ada.define("note", #"{"name": "title", "type": "text", "indexed": true}, {"name": "year", "type": "integer"}"#)
        try await ada.store("note", (1...4).map { #"{"id": "n\#($0)", "title": "Title \#($0)", "year": \#(1900 + $0)}"# })
        let zip = try await ada.exportedFile(
            #"""
            {"contentTypes": ["note", "article"], "fields": ["year", "id"], "sort": ["-title"],
             "query": "year:[1902 TO 1904] AND NOT title:\"Title 3\"", "format": "csv"}
            """#)
        #expect(
            try await Tool.unzipped(zip.body) == "content-note.csv:year,id\r\n1904,n4\r\n1902,n2\r\n"
                + "content-article.csv:year,id\r\n1904,a0000004\r\n1902,a0000002\r\n")
        for (member, name) in [
            (#""query": "price:>1""#, "price"), (#""sort": "year""#, "year"), (#""fields": ["body"]"#, "body"),
        ] {
            let refused = try await ada.post(User.exports, #"{"contentTypes": ["note", "article"], \#(member)}"#)
            #expect(refused.status == 400 && refused.text.contains(name), "\(member): \(refused.text)")
        }
    }

    @Test("fields, sort and query choose columns, order and rows")
    func choosing() async throws {
        let answer = try await articles(9).exportedFile(
            #"""
            {"contentType": "article", "format": "csv", "fields": ["year", "id"], "sort": ["-title"],
             "query": "year:[1903 TO 1906] AND NOT title:\"Title 4\" OR id:a0000009"}
            """#)
        #expect(answer.text == "year,id\r\n1909,a0000009\r\n1906,a0000006\r\n1905,a0000005\r\n1903,a0000003\r\n")
    }

    @Test("a language of choice leaves the others out, and is a column")
    func languages() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.define("page", #"{"name": "title", "type": "text"}"#)
        try await ada.store(
            "page",
            [
                #"{"id": "1", "title": "Hello", "language": "en"}"#, #"{"id": "2", "title": "Servus", "language": "de-AT"}"#,
                #"{"id": "3", "title": "..."}"#, #"{"id": "4", "title": "Salut", "language": "fr"}"#,
            ])
        let all = try await ada.exportedFile(#"{"contentType": "page", "format": "csv"}"#)
        #expect(all.text == "id,title,language\r\n1,Hello,en\r\n2,Servus,de-AT\r\n3,...,\r\n4,Salut,fr\r\n")
        let some = try await ada.exportedFile(#"{"contentType": "page", "format": "csv", "languages": ["fr", "de-AT"]}"#)
        #expect(some.text == "id,title,language\r\n2,Servus,de-AT\r\n4,Salut,fr\r\n")
    }

    @Test("references and tags are exported as their keys, lists joined")
    func references() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.define("author", #"{"name": "name", "type": "text"}"#)
        try await ada.define(
            "page",
            #"""
            {"name": "author", "type": "reference", "target": "author"}, {"name": "see", "type": "reference", "list": true},
            {"name": "tags", "type": "tags"}
            """#)
        try await ada.store("author", [#"{"id": "ada", "name": "Ada"}"#])
        try await ada.store(
            "page",
            [
                #"{"id": "1", "author": "ada", "see": ["page/2", "author/ada"], "tags": ["x", "a|b", "c\\d"]}"#,
                #"{"id": "2", "author": "ada"}"#,
            ])
        let answer = try await ada.exportedFile(#"{"contentType": "page", "format": "csv"}"#)
        #expect(answer.text == "id,author,see,tags\r\n1,ada,page/2|author/ada,x|a\\|b|c\\\\d\r\n2,ada,,\r\n")
    }

    @Test("texts with commas, quotes, line breaks and any script come back from another CSV reader as they were")
    func nasty() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.define("page", #"{"name": "title", "type": "text"}"#)
        let titles = [
            "a,b", "say \"x\"", "line\nbreak", "cr\r\nlf", "naïve 漢字 😀 e\u{301}", " spaces ", "\"", "", "=1+1", "tab\tend",
            "\u{FEFF}bom",
            "\u{200F}rtl", "semi;colon",
        ]
        let escapes: [Unicode.Scalar: String] = ["\"": "\\\"", "\n": "\\n", "\r": "\\r", "\t": "\\t"]
        for (index, title) in titles.enumerated() {
            // A carriage return and a line feed are one character, so scalars are looked at.
            let json = title.unicodeScalars.map { escapes[$0] ?? String($0) }.joined()
            #expect(try await ada.put("/content/types/page/items/\(100 + index)", #"{"title": "\#(json)"}"#).status == 201)
        }
        let answer = try await ada.exportedFile(#"{"contentType": "page", "format": "csv"}"#)
        let rows = try await Tool.csv(answer.body)
        #expect(rows.dropFirst().map { Array(($0.last ?? "?").unicodeScalars) } == titles.map { Array($0.unicodeScalars) })
    }

    @Test("the profile for spreadsheets takes no text for a formula; mark and delimiter are as asked")
    func profile() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.define("page", #"{"name": "title", "type": "text"}"#)
        try await ada.store("page", [#"{"id": "1", "title": "=HYPERLINK(1)"}"#, #"{"id": "2", "title": "a;b"}"#])
        let answer = try await ada.exportedFile(
            #"{"contentType": "page", "format": "csv", "csv": {"profile": "spreadsheet", "bom": true, "delimiter": ";"}}"#)
        #expect(Array(answer.body.prefix(3)) == [0xEF, 0xBB, 0xBF])
        let rows = try await Tool.csv(Array(answer.body.dropFirst(3)), delimiter: ";")
        #expect(rows.count == 3 && rows[1].last?.hasPrefix("=") == false && rows[2].last == "a;b", "\(rows)")
        let plain = try await ada.exportedFile(#"{"contentType": "page", "format": "csv"}"#)
        #expect(plain.text.contains("1,=HYPERLINK(1)"))
    }

    @Test("nothing that matches is a success with an empty file", arguments: ["csv", "ndjson", "json", "xlsx"])
    func zero(format: String) async throws {
        let ada = try await articles(2)
        let job = try await ada.exported(#"{"contentType": "article", "format": "\#(format)", "query": "year:1800"}"#)
        #expect(job["state"]?.string == "completed")
        #expect(
            job["result"]?["total"]?.integer == 0 && job["result"]?["exported"]?.integer == 0 && job["progress"]?.number == 100)
        let file = try await ada.download(try #require(job["jobId"]?.string))
        switch format {
        case "csv": #expect(file.text == "id,title,body,year,price,tags\r\n")
        case "ndjson": #expect(file.text == "")
        case "json": #expect(try file.json() == .array([]))
        default: #expect(try await Tool.sheet(file.body).array?.count == 1)
        }
    }

    @Test("10,001 items are all exported")
    func tenThousandAndOne() async throws {
        let ada = try await articles(10_001)
        let job = try await ada.exported()
        #expect(job["result"]?["total"]?.integer == 10_001 && job["result"]?["exported"]?.integer == 10_001)
        let file = try await ada.download(try #require(job["jobId"]?.string))
        #expect(file.text == Self.csv(1...10_001))
    }

    @Test(
        "a file name is made safe, also where it is hostile",
        arguments: ["../../etc/passwd", "a\\\"b\\r\\nX-Evil: 1", "Bericht für März", "con.csv"])
    func fileName(name: String) async throws {
        let answer = try await articles(1).exportedFile(#"{"contentType": "article", "format": "csv", "filename": "\#(name)"}"#)
        let field = try #require(answer["Content-Disposition"])
        #expect(field.hasPrefix("attachment"))
        #expect(answer["X-Evil"] == nil)
        let name = field.components(by: "filename=\"").last?.components(by: "\"").first ?? ""
        #expect(name.hasSuffix(".csv") && !name.contains("/") && !name.hasSuffix(".csv.csv"), "\(field)")
    }
}
