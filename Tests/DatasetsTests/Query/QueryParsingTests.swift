import Testing

@testable import Datasets

let querySchema = QuerySchema(fields: [
    QueryField(name: "title", kind: .text), QueryField(name: "words", kind: .text, isList: true),
    QueryField(name: "size", kind: .integer), QueryField(name: "ratio", kind: .number),
    QueryField(name: "live", kind: .boolean), QueryField(name: "at", kind: .datetime),
    QueryField(name: "extra", kind: .json), QueryField(name: "tags", kind: .tags),
    QueryField(name: "owner", kind: .reference), QueryField(name: "sizes", kind: .integer, isList: true),
])

@Suite struct QueryParsingTests {
    private func parse(_ text: String) throws -> QueryExpression { try Query.parse(text, schema: querySchema) }

    private func test(_ name: String, _ condition: QueryCondition) throws -> QueryExpression {
        .test(QueryTest(field: try #require(querySchema.field(name)), condition: condition))
    }

    private func equals(_ name: String, _ text: String) throws -> QueryExpression { try test(name, .equals(.text(text))) }

    @Test("a word, a quoted text and escapes are whole values")
    func values() throws {
        #expect(try parse("title:Hello") == equals("title", "Hello"))
        #expect(try parse(#"title:"say \"hi\" * \\""#) == equals("title", #"say "hi" * \"#))
        #expect(try parse(#"title:a\ b\*c\:d"#) == equals("title", "a b*c:d"))
        #expect(try parse("title:10:30") == equals("title", "10:30"))
        #expect(try parse("title: spaced") == equals("title", "spaced"))
        #expect(try parse("id:x AND language:de") == .all([equals("id", "x"), equals("language", "de")]))
        #expect(try parse("title:/a/b") == equals("title", "/a/b"))
        #expect(try parse(#"title:"""#) == equals("title", ""))
    }

    @Test("AND binds closer than OR, and terms side by side are joined by AND")
    func precedence() throws {
        let (a, b, c) = (try equals("title", "a"), try equals("title", "b"), try equals("title", "c"))
        #expect(try parse("title:a title:b") == .all([a, b]))
        #expect(try parse("title:a OR title:b title:c") == .any([a, .all([b, c])]))
        #expect(try parse("title:a && title:b || title:c") == .any([.all([a, b]), c]))
        #expect(try parse("(title:a OR title:b) AND title:c") == .all([.any([a, b]), c]))
        #expect(try parse("(title:a)(title:b)") == .all([a, b]))
        #expect(try parse("NOT title:a") == .not(a))
        #expect(try parse("title:a AND NOT title:b") == .all([a, .not(b)]))
        #expect(try parse("+title:a -title:b !title:c") == .all([a, .not(b), .not(c)]))
        #expect(try parse("NOT -title:a") == a)
        #expect(try parse("NOT (title:a title:b)") == .not(.all([a, b])))
        #expect(try parse("title:ORchard") == equals("title", "ORchard"))
    }

    @Test("a group after a field is about that field")
    func groups() throws {
        let (a, b) = (try equals("title", "a"), try equals("title", "b b"))
        #expect(try parse(#"title:(a OR "b b")"#) == .any([a, b]))
        #expect(try parse(#"title:(a (-"b b"))"#) == .all([a, .not(b)]))
        #expect(
            try parse("size:(1 OR [5 TO *])")
                == .any([
                    test("size", .equals(.integer(1))),
                    test("size", .range(lower: QueryBound(.integer(5), isIncluded: true), upper: nil)),
                ]))
        #expect(throws: QueryError.self) { try parse("title:(size:5)").self }
    }

    @Test("ranges have ends that are in, out or open")
    func ranges() throws {
        func bound(_ value: Int64, _ isIncluded: Bool) -> QueryBound { QueryBound(.integer(value), isIncluded: isIncluded) }
        #expect(try parse("size:[1 TO 5]") == test("size", .range(lower: bound(1, true), upper: bound(5, true))))
        #expect(try parse("size:{-1 TO 5]") == test("size", .range(lower: bound(-1, false), upper: bound(5, true))))
        #expect(try parse("size:[* TO 5}") == test("size", .range(lower: nil, upper: bound(5, false))))
        #expect(try parse("size:[* TO *]") == test("size", .exists))
        #expect(try parse("size:>=-5") == test("size", .range(lower: bound(-5, true), upper: nil)))
        #expect(try parse("size:<5") == test("size", .range(lower: nil, upper: bound(5, false))))
        #expect(
            try parse(#"title:["a b" TO c}"#)
                == test(
                    "title",
                    .range(
                        lower: QueryBound(.text("a b"), isIncluded: true), upper: QueryBound(.text("c"), isIncluded: false))))
    }

    @Test("a date is a whole day in UTC, an instant is a point")
    func dates() throws {
        let day: Int64 = 86_400_000_000
        let start = 15_706 * day  // 2013-01-01
        func bound(_ value: Int64, _ isIncluded: Bool) -> QueryBound { QueryBound(.instant(value), isIncluded: isIncluded) }
        #expect(try parse("at:2013-01-01") == test("at", .range(lower: bound(start, true), upper: bound(start + day, false))))
        #expect(
            try parse("at:[2013-01-01 TO 2013-01-02]")
                == test(
                    "at", .range(lower: bound(start, true), upper: bound(start + 2 * day, false))))
        #expect(
            try parse("at:{2013-01-01 TO 2013-01-03}")
                == test(
                    "at", .range(lower: bound(start + day, true), upper: bound(start + 2 * day, false))))
        #expect(try parse("at:>2013-01-01") == test("at", .range(lower: bound(start + day, true), upper: nil)))
        #expect(try parse("at:2013-01-01T02:00:00.5+02:00") == test("at", .equals(.instant(start + 500_000))))
        #expect(try parse("at:<=2013-01-01T00:00:00Z") == test("at", .range(lower: nil, upper: bound(start, true))))
    }

    @Test("wildcards, existence and everything")
    func wildcards() throws {
        #expect(try parse("title:a*b?") == test("title", .matches(QueryPattern([.literal("a"), .any, .literal("b"), .one]))))
        #expect(try parse("title:*") == test("title", .exists))
        #expect(try parse("_exists_:extra") == test("extra", .exists))
        #expect(try parse("extra:*") == test("extra", .exists))
        #expect(try parse("*:*") == .everything)
        #expect(try parse("*:* AND NOT live:true") == .all([.everything, .not(test("live", .equals(.boolean(true))))]))
        #expect(try parse(#"tags:"a*""#) == equals("tags", "a*"))
    }

    @Test(
        "what is wrong is told with its place",
        arguments: [
            ("", QueryError.Code.syntax, 1), ("   ", .syntax, 1), ("title", .missingField, 1), ("title:", .syntax, 7),
            ("title:a and title:b", .missingField, 9), ("nope:1", .unknownField, 1), ("title:a size:x", .wrongType, 14),
            ("size:5.5", .wrongType, 6), ("size:9223372036854775808", .wrongType, 6), ("ratio:nan", .wrongType, 7),
            ("ratio:0x10", .wrongType, 7), ("live:yes", .wrongType, 6), ("at:2013-02-30", .wrongType, 4),
            ("at:today", .wrongType, 4),
            ("extra:5", .notSearchable, 1), ("size:5*", .wrongType, 6), ("(title:a", .unbalanced, 1),
            ("title:a)", .unbalanced, 8),
            ("title:\"a", .unbalanced, 7), ("title:[a TO b", .unbalanced, 7), ("title:[a b]", .syntax, 10),
            ("title:[a* TO b]", .syntax, 8),
            ("title:a~2", .unsupported, 8), ("title:\"a b\"~2", .unsupported, 12), ("title:a^3", .unsupported, 8),
            ("title:/a.*/", .unsupported, 7), ("+title:a OR title:b", .unsupported, 1), ("ti*:a", .unsupported, 1),
            ("title:a OR", .syntax, 11), ("AND title:a", .syntax, 1), ("title:>", .syntax, 8), ("title:>*", .syntax, 8),
            ("title:a\\", .syntax, 8),
            ("()", .syntax, 2), ("title:()", .syntax, 8), ("*:a", .unsupported, 1), ("_exists_:", .syntax, 10),
            (":a", .missingField, 1),
            ("title:\"a\u{0}b\"", .wrongType, 7), ("title:(size:5)", .syntax, 8),
        ] as [(String, QueryError.Code, Int)])
    func errors(text: String, code: QueryError.Code, position: Int) {
        let error = #expect(throws: QueryError.self) { try parse(text) }
        #expect(error?.code == code, "\(String(describing: error))")
        #expect(error?.position == position, "\(String(describing: error))")
    }

    @Test("length, depth and terms have limits, and at the limit a query is taken")
    func limits() throws {
        func code(_ text: String) -> QueryError.Code? { #expect(throws: QueryError.self) { try parse(text) }?.code }
        #expect(code("title:" + String(repeating: "a", count: Query.bytesMax)) == .tooLong)
        let nested = { (depth: Int) in String(repeating: "(", count: depth) + "title:a" + String(repeating: ")", count: depth) }
        _ = try parse(nested(64))
        #expect(code(nested(65)) == .tooDeep)
        #expect(code(String(repeating: "(", count: 5000)) == .tooDeep)
        let terms = { (count: Int) in Array(repeating: "size:1", count: count).joined(separator: " ") }
        _ = try parse(terms(256))
        #expect(code(terms(257)) == .tooManyTerms)
        #expect(code("title:" + String(repeating: "*a", count: 17)) == .tooManyTerms)
    }

    @Test("only what stands at the top under AND is required of every row")
    func required() throws {
        let query = try parse("title:a (size:1 ratio:2) (live:true OR live:false) -tags:x")
        #expect(query.requiredTests.map(\.field.name) == ["title", "size", "ratio"])
        #expect(query.fieldNames == ["title", "size", "ratio", "live", "tags"])
    }

    @Test("garbage is refused, never a crash")
    func garbage() {
        var state: UInt64 = 42
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let pieces = [
            "title", ":", "(", ")", "[", "]", "{", "}", " ", "TO", "AND", "OR", "NOT", "\"", "\\", "*", "?", "-", "+", "!", ">",
            "<", "=", "a", "5", "é", "&&", "||", "~", "/",
        ]
        for _ in 0..<20_000 {
            let text = (0..<random(12)).map { _ in pieces[random(pieces.count)] }.joined()
            do { _ = try parse(text) } catch { #expect((error as? QueryError)?.position ?? 0 >= 1) }
        }
    }
}
