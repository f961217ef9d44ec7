import Datasets
import Formats
import Testing
import WaybillDatabases
import WaybillEngine

@testable import ContentExport

@Suite struct ItemEncoderTests {
    private func type(_ fields: [ContentField]) -> ContentType {
        var fields = fields
        for index in fields.indices { fields[index].slot = index }
        return ContentType(
            id: 1, name: "news", fields: fields, readers: .everyone, revision: 1, createdAt: ContentFixture.at,
            updatedAt: ContentFixture.at)
    }

    private var all: ContentType {
        type([
            ContentField(name: "title", kind: .text, isRequired: true), ContentField(name: "size", kind: .integer),
            ContentField(name: "ratio", kind: .number), ContentField(name: "live", kind: .boolean),
            ContentField(name: "at", kind: .datetime),
            ContentField(name: "extra", kind: .json), ContentField(name: "tags", kind: .tags),
            ContentField(name: "owner", kind: .reference, target: "people"),
            ContentField(name: "sizes", kind: .integer, isList: true),
            ContentField(name: "any", kind: .reference),
        ])
    }

    @Test("a body is canonical: stored order, UTC, shortest numbers, nothing behind the last value")
    func canonical() throws {
        let item = try ItemEncoder(type: all).encode(
            #"{"sizes":[3, -1], "any":"people/x","owner":"p1", "tags":["a","b\"c"],"extra": {"a": [1, null]}, "#
                + #""at":"2013-01-01T07:00:00.5+02:00","live":true,"ratio":1.50e1,"size":-0,"title":"\u00e9\n","id":"x","#
                + #""language":"de","readers":["user:b","everyone","user:b"]}"#
        )
        #expect(item.id == "x" && item.language == "de")
        #expect(item.readers?.entries == ["everyone", "user:b"])
        #expect(
            item.body
                == #"["é\n",0,15,true,"2013-01-01T05:00:00.500Z",{"a":[1,null]},["a","b\"c"],"p1",[3,-1],"people/x"]"#
        )
        #expect(
            try StoredBody.object(item.body, of: all)
                == #"{"title":"é\n","size":0,"ratio":15,"live":true,"at":"2013-01-01T05:00:00.500Z","extra":{"a":[1,null]},"#
                + #""tags":["a","b\"c"],"owner":"p1","sizes":[3,-1],"any":"people/x"}"#
        )
        let bare = try ItemEncoder(type: all).encode(
            #"{"id":"y","title":"","size":null,"tags":[],"at":"2013-01-01","extra":null}"#)
        #expect(bare.body == #"["",null,null,null,"2013-01-01T00:00:00.000Z"]"#)
        #expect(try StoredBody.object(bare.body, of: all) == #"{"title":"","at":"2013-01-01T00:00:00.000Z"}"#)
        let gap = try ItemEncoder(type: all).encode(#"{"id":"g","title":"t","extra":[],"owner":"p2"}"#)
        #expect(gap.body == #"["t",null,null,null,null,[],[],"p2"]"#)
        #expect(try StoredBody.object(gap.body, of: all) == #"{"title":"t","extra":[],"owner":"p2"}"#)
        #expect(bare.language == nil && bare.readers == nil)
        let optional = type([ContentField(name: "a", kind: .text)])
        #expect(try ItemEncoder(type: optional).encode(#"{"id":"z"}"#).body == "[]")
        #expect(try StoredBody.object("[]", of: optional) == "{}")
        #expect(throws: ContentError.self) { try StoredBody.object("{}", of: optional) }
    }

    @Test(
        "what is wrong is named",
        arguments: [
            (#"{"title":"a"}"#, ItemError.Code.badID, "id"), (#"{"id":"","title":"a"}"#, .badID, "id"),
            (#"{"id":5,"title":"a"}"#, .badID, "id"),
            (#"{"id":"a\u0000","title":"a"}"#, .badJSON, nil), (#"{"id":"x"}"#, .missingField, "title"),
            (#"{"id":"x","title":null}"#, .missingField, "title"),
            (#"{"id":"x","title":5}"#, .wrongType, "title"), (#"{"id":"x","title":["a"]}"#, .listNotAllowed, "title"),
            (#"{"id":"x","title":"a","nope":1}"#, .unknownField, "nope"),
            (#"{"id":"x","title":"a","title":"b"}"#, .duplicateField, "title"),
            (#"{"id":"x","title":"a","size":1.0}"#, .wrongType, "size"),
            (#"{"id":"x","title":"a","size":9223372036854775808}"#, .outOfRange, "size"),
            (#"{"id":"x","title":"a","ratio":1e999}"#, .outOfRange, "ratio"),
            (#"{"id":"x","title":"a","live":1}"#, .wrongType, "live"),
            (#"{"id":"x","title":"a","at":"yesterday"}"#, .wrongType, "at"),
            (#"{"id":"x","title":"a","tags":"t"}"#, .wrongType, "tags"),
            (#"{"id":"x","title":"a","tags":["t",""]}"#, .badListElement, "tags"),
            (#"{"id":"x","title":"a","tags":[null]}"#, .wrongType, "tags"),
            (#"{"id":"x","title":"a\u0000"}"#, .badJSON, nil), (#"{"id":"x","title":"a","extra":{"a":"\u0000"}}"#, .badJSON, nil),
            (#"{"id":"x","title":"a","any":"noslash"}"#, .badReference, "any"),
            (#"{"id":"x","title":"a","owner":""}"#, .badReference, "owner"),
            (#"{"id":"x","title":"a","language":"d e"}"#, .badLanguage, "language"),
            (#"{"id":"x","title":"a","readers":["me"]}"#, .badReaders, "readers"),
            (#"{"id":"x","title":"a","readers":[]}"#, .badReaders, "readers"), (#"[1]"#, .badJSON, nil),
            (#"{"id":"x""#, .badJSON, nil), ("", .badJSON, nil),
        ] as [(String, ItemError.Code, String?)])
    func errors(json: String, code: ItemError.Code, field: String?) {
        let error = #expect(throws: ItemError.self) { try ItemEncoder(type: all).encode(json) }
        #expect(error?.code == code)
        #expect(error?.field == field)
    }

    @Test("an escaped backslash before u0000 is no U+0000")
    func escapedBackslash() throws {
        #expect(try ItemEncoder(type: all).encode(#"{"id":"x","title":"a","extra":"\\u0000"}"#).body.contains(#"\\u0000"#))
    }

    @Test("the id of the address is taken, and must be the item's own")
    func address() throws {
        #expect(try ItemEncoder(type: all).encode(#"{"title":"a"}"#, id: "k").id == "k")
        #expect(throws: ItemError.self) { try ItemEncoder(type: all).encode(#"{"id":"x","title":"a"}"#, id: "k") }
        #expect(throws: ItemError.self) {
            try ItemEncoder(type: all).encode(#"{"title":"a"}"#, id: String(repeating: "k", count: 256))
        }
    }

    @Test("after a bad item the next good one is whole")
    func afterError() throws {
        let encoder = ItemEncoder(type: all)
        #expect(throws: ItemError.self) { try encoder.encode(#"{"id":"x","size":5,"title":5}"#) }
        #expect(try encoder.encode(#"{"id":"x","title":"a"}"#).body == #"["a"]"#)
        #expect(try encoder.encode(#"{"title":"b","id":"y"}"#).body == #"["b"]"#)
    }

    private func records(_ csv: String, _ type: ContentType) throws -> [Result<EncodedItem, ItemError>] {
        let parser = CSVParser()
        parser.push(Array(csv.utf8))
        parser.finish()
        let encoder = ItemEncoder(type: type)
        guard case .record(let header)? = parser.next() else { return [] }
        let columns = try encoder.columns(header: header)
        var items: [Result<EncodedItem, ItemError>] = []
        while case .record(let record)? = parser.next() {
            do throws(ItemError) { items.append(.success(try encoder.encode(record, columns: columns))) } catch {
                items.append(.failure(error))
            }
        }
        return items
    }

    @Test("CSV gives the same body as JSON")
    func csv() throws {
        let items = try records(
            #"""
            title,id,tags,size,ratio,live,at,extra,sizes,language,readers,owner
            "a ""b""",x,p\|q|r\\s,-5,1.50,true,2013-01-01T05:00:00Z,"{""a"": 1}",1|2,en,user:a|everyone,p
            "",y,,,,,,,,,,
            z,z,"","","","","",null,"","","",""
            """#, all)
        #expect(
            try items[0].get().body
                == #"["a \"b\"",-5,1.5,true,"2013-01-01T05:00:00.000Z",{"a":1},["p|q","r\\s"],"p",[1,2]]"#
        )
        #expect(try items[0].get().readers?.entries == ["everyone", "user:a"])
        #expect(try items[0].get().language == "en")
        #expect(try items[1].get().body == #"[""]"#)
        #expect(try items[2].get().body == #"["z"]"#)
    }

    @Test(
        "integers of CSV are stored in one form, however they are written",
        arguments: [
            ("0", "0"), ("-0", "0"), ("+0", "0"), ("007", "7"), ("+5", "5"), ("-05", "-5"), ("-5", "-5"), ("10", "10"),
            ("999999999999999999", "999999999999999999"), ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"), ("9223372036854775808", nil), ("-", nil), ("1a", nil), ("-1-", nil),
        ] as [(String, String?)])
    func integers(_ text: String, _ stored: String?) throws {
        let items = try records("id,title,size\nx,t,\(text)\n", all)
        #expect(items.map { try? $0.get().body } == [stored.map { #"["t",\#($0)]"# }])
    }

    @Test("a time that is like the last one is stored like it, and another is not")
    func repeatedInstants() throws {
        let (noon, other) = ("2013-01-01T12:00:00Z", "2013-01-01T14:00:00+02:00")
        let times = [noon, noon, other, "2013-01-02", "2013", noon]
        let items = try records("id,title,at\n" + times.enumerated().map { "\($0),t,\($1)\n" }.joined(), all)
        let bodies = items.map { try? $0.get().body.split(separator: ",").last.map(String.init) }
        let stored = #""2013-01-01T12:00:00.000Z"]"#
        #expect(bodies == [stored, stored, stored, #""2013-01-02T00:00:00.000Z"]"#, nil, stored])
    }

    @Test("CSV records that are wrong are refused one by one")
    func csvErrors() throws {
        let items = try records(
            "id,title,size,tags\nx,,1,\n,a,,\nx,a,1.5,\nx,a,,a||b\nx,a,,a\\b\nx,a\nx,a,99999999999999999999,\nok,a,1,t\n", all)
        let codes = items.map { result -> String in
            switch result {
            case .success: "ok"
            case .failure(let error): error.code.description
            }
        }
        #expect(
            codes == [
                "MISSING_FIELD", "BAD_ID", "WRONG_TYPE", "BAD_LIST_ELEMENT", "BAD_LIST_ELEMENT", "WRONG_COLUMN_COUNT",
                "OUT_OF_RANGE", "ok",
            ])
        for header in ["title", "id,nope", "id,id"] {
            #expect(throws: ContentError.self) { try records(header + "\n", all) }
        }
    }

    @Test("a batch is sorted bytewise, and of equal ids the last stays")
    func batches() throws {
        let encoder = ItemEncoder(type: type([ContentField(name: "n", kind: .integer)]))
        let items = try ["b", "é", "a", "e\u{301}", "b", "Z"].enumerated().map {
            try encoder.encode(#"{"id":"\#($1)","n":\#($0)}"#)
        }
        let batch = ItemBatch(items, of: encoder.type)
        #expect(batch.items.map { Array($0.id.utf8) } == ["Z", "a", "b", "e\u{301}", "é"].map { Array($0.utf8) })
        #expect(batch.items[2].body == #"[4]"#)
        #expect(batch.replaced == 1)
    }
}

@Suite struct ItemEntriesTests {
    private var type: ContentType {
        var fields = [
            ContentField(name: "b", kind: .text, isIndexed: true), ContentField(name: "n", kind: .integer),
            ContentField(name: "r", kind: .number, isIndexed: true), ContentField(name: "t", kind: .tags, isIndexed: true),
            ContentField(name: "a", kind: .datetime, isIndexed: true), ContentField(name: "l", kind: .boolean, isIndexed: true),
        ]
        for index in fields.indices {
            fields[index].slot = fields.count - index
            if fields[index].isIndexed { fields[index].indexID = Int64(10 + index * 3 % 7) }
        }
        return ContentType(
            id: 1, name: "t", fields: fields, readers: .everyone, revision: 1, createdAt: ContentFixture.at,
            updatedAt: ContentFixture.at)
    }

    private let documents = [
        #"{"id":"1"}"#, #"{"id":"2","n":7}"#, #"{"id":"3","b":""}"#, #"{"id":"4","b":"a\"b\n","r":-1.5,"l":true}"#,
        #"{"id":"5","t":["z","a","z",","],"a":"2013-01-01"}"#, #"{"id":"6","t":[],"l":false,"b":"","n":0,"r":0}"#,
        #"{"id":"7","b":"abcdefgh"}"#, #"{"id":"8","b":"abcdefghi"}"#, #"{"id":"9","b":"abcdefg","t":["abcdefghijk"]}"#,
        #"{"id":"91","b":"abcdefghh"}"#, #"{"id":"92","b":"é","t":["é","e"]}"#,
    ]

    @Test("the index rows that are made while an item is encoded are those that its body gives")
    func sameAsOfBody() throws {
        let (encoder, indexer) = (ItemEncoder(type: type), ItemIndexer(type, fields: type.indexedFields))
        for document in documents {
            let item = try encoder.encode(document)
            #expect(try item.entries == indexer.entries(of: item.body), "\(document)")
            #expect(item.entries.count >= 5)
        }
    }

    @Test("the index rows of a batch are in the order of their table, each once")
    func order() throws {
        let encoder = ItemEncoder(type: type)
        let batch = ItemBatch(try (documents + documents.reversed()).map { try encoder.encode($0) }, of: type)
        let rows = EntryPlace.sorted(batch.items).map { place in
            (batch.items[place.item].entries[place.entry], batch.items[place.item].id)
        }
        #expect(rows.count == batch.items.reduce(0) { $0 + $1.entries.count })
        let values = rows.flatMap { [SQLValue.integer($0.0.index), .text($0.0.value), .text($0.1)] }
        #expect(batch.rows.entries.flatMap(\.self) == values)
        for (left, right) in zip(rows, rows.dropFirst()) {
            #expect(left.0.precedes(right.0) || (left.0 == right.0 && left.1.precedesBytewise(right.1)))
        }
    }
}

@Suite struct IndexKeyTests {
    @Test("keys have the order of the values")
    func order() {
        func isRising(_ keys: [String]) -> Bool {
            zip(keys, keys.dropFirst()).allSatisfy { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        }
        #expect(isRising([Int64.min, -5, -1, 0, 1, 7, .max].map(IndexKey.integer) + [IndexKey.missing]))
        #expect(isRising([-Double.greatestFiniteMagnitude, -1.5, -1e-300, 0, 1e-300, 1, 1.5, 1e300].map(IndexKey.number)))
        #expect(isRising(["", "A", "a", "aa", "b", "é", "😀", "\u{10FFFF}"].map { IndexKey.text($0) } + [IndexKey.missing]))
        #expect(isRising([false, true].map(IndexKey.boolean)))
        #expect(IndexKey.number(-0.0) == IndexKey.number(0))
    }

    @Test("long text is cut at the end of a character")
    func cut() {
        #expect(IndexKey.text(String(repeating: "a", count: 1023) + "éb") == "v" + String(repeating: "a", count: 1023))
        #expect(IndexKey.text(String(repeating: "a", count: 1022) + "éb") == "v" + String(repeating: "a", count: 1022) + "é")
    }

    @Test("a prefix spans all texts that begin with it and no others")
    func prefixes() {
        func span(_ prefix: String) -> IndexKey.Span? { IndexKey.span(of: .matches(QueryPattern([.literal(prefix), .any]))) }
        #expect(span("ab") == .between("vab", "vac", includesEnd: false))
        #expect(span("a\u{10FFFF}") == .between("va\u{10FFFF}", "vb", includesEnd: false))
        #expect(span("\u{D7FF}") == .between("v\u{D7FF}", "v\u{E000}", includesEnd: false))
        #expect(IndexKey.span(of: .matches(QueryPattern([.any, .literal("a")]))) == nil)
    }
}
