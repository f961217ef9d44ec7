import Formats
import PostgresFixture
import Testing
import WaybillDatabases

@testable import Datasets

/// Where a field's value stands in a body.
private func place(_ name: String) -> Int { querySchema.fields.firstIndex { $0.name == name } ?? -1 }

/// Bodies in a column `body`, keys in `id`.
struct BodyResolver: QueryColumnResolver {
    var dialect: SQLDialect

    func source(of field: QueryField) -> QuerySource {
        let pieces = QueryDialect(dialect)
        if field.name == "id" { return .value(QueryColumn(sql: "id")) }
        if field.name == "language" { return .absent }
        if field.isList {
            let (from, value) = pieces.elements(place(field.name), of: "body", kind: field.kind)
            return .elements(from: from, QueryColumn(sql: value))
        }
        return .value(
            QueryColumn(
                sql: pieces.element(place(field.name), of: "body", kind: field.kind),
                encoding: field.kind == .datetime ? .instantText : .native,
                numberText: field.kind == .number ? pieces.numberText(place(field.name), of: "body") : nil))
    }
}

/// A row that is kept as values, and written as a body.
struct SampleRow: QueryRow {
    var id: String
    var values: [String: [QueryValue]]

    func values(of field: QueryField) -> [QueryValue] { field.name == "id" ? [.text(id)] : values[field.name] ?? [] }

    var body: String {
        let all = querySchema.fields.map { field -> String in
            let values = values[field.name] ?? []
            if field.isList { return "[" + values.map(Self.json).joined(separator: ",") + "]" }
            return values.first.map(Self.json) ?? "null"
        }
        return "[" + all.joined(separator: ",") + "]"
    }

    private static func json(_ value: QueryValue) -> String {
        switch value {
        case .text(let text): "\"\(text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
        case .integer(let integer): "\(integer)"
        case .number(let number):
            String(
                decoding: {
                    let out = OutputBuffer(); _ = out.appendDecimal(number); return out.takeBytes()
                }(), as: UTF8.self)
        case .boolean(let boolean): "\(boolean)"
        case .instant(let instant): "\"\(InstantText.string(instant))\""
        }
    }
}

struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

@Suite struct QueryCompilingTests {
    private let texts = [
        "a", "A", "b", "ab", "aB", "a*b", "a?b", "a[b", "[a]", "é", "e\u{301}", "z\"q", "back\\slash", "", "a%b", "a_b", "10",
        "😀x",
    ]
    private let instants: [Int64] = [
        0, 1_357_000_000_000_000, 1_357_000_000_500_000, 1_357_000_000_500_001, 1_357_000_001_000_000, -1, 1_356_998_400_000_000,
    ]
    private let numbers: [Double] = [
        0, 1, -1, 0.1, 0.30000000000000004, 0.3, 1e21, 1e-7, Double.leastNonzeroMagnitude, 12345.678, 3,
    ]

    private func value(_ kind: QueryField.Kind, _ random: inout SeededGenerator) -> QueryValue {
        switch kind {
        case .integer: .integer([0, 1, 5, -5, .max, .min][Int.random(in: 0..<6, using: &random)])
        case .number: .number(numbers[Int.random(in: 0..<numbers.count, using: &random)])
        case .boolean: .boolean(Bool.random(using: &random))
        case .datetime: .instant(instants[Int.random(in: 0..<instants.count, using: &random)])
        default: .text(texts[Int.random(in: 0..<texts.count, using: &random)])
        }
    }

    private func row(_ id: Int, _ random: inout SeededGenerator) -> SampleRow {
        var values: [String: [QueryValue]] = [:]
        for field in querySchema.fields where field.name != "id" && field.name != "language" {
            guard Int.random(in: 0..<3, using: &random) > 0 else { continue }
            let count = field.isList ? Int.random(in: 0..<4, using: &random) : 1
            values[field.name] = (0..<count).map { _ in value(field.kind, &random) }
        }
        return SampleRow(id: "r\(id)", values: values)
    }

    private func pattern(_ random: inout SeededGenerator) -> QueryPattern {
        var parts: [QueryPattern.Part] = []
        for _ in 0...Int.random(in: 0..<4, using: &random) {
            switch Int.random(in: 0..<3, using: &random) {
            case 0 where parts.last != .any: parts.append(.any)
            case 1: parts.append(.one)
            default: parts.append(.literal(texts[Int.random(in: 0..<texts.count, using: &random)]))
            }
        }
        return QueryPattern(parts)
    }

    private func expression(_ depth: Int, _ random: inout SeededGenerator) -> QueryExpression {
        if depth > 0, Int.random(in: 0..<3, using: &random) > 0 {
            let parts = (0...Int.random(in: 1..<3, using: &random)).map { _ in expression(depth - 1, &random) }
            switch Int.random(in: 0..<3, using: &random) {
            case 0: return .all(parts)
            case 1: return .any(parts)
            default: return .not(parts[0])
            }
        }
        let field = querySchema.fields[Int.random(in: 0..<querySchema.fields.count, using: &random)]
        let isText = [.text, .tags, .reference].contains(field.kind)
        let condition: QueryCondition
        switch Int.random(in: 0..<4, using: &random) {
        case 0: condition = .exists
        case 1 where isText: condition = .matches(pattern(&random))
        case 2:
            condition = .range(
                lower: QueryBound(value(field.kind, &random), isIncluded: Bool.random(using: &random)),
                upper: Bool.random(using: &random)
                    ? nil : QueryBound(value(field.kind, &random), isIncluded: Bool.random(using: &random)))
        default: condition = .equals(value(field.kind, &random))
        }
        return .test(QueryTest(field: field, condition: field.kind == .json ? .exists : condition))
    }

    @Test("the database judges as the evaluation does", arguments: [1, 2, 3, 4, 5] as [UInt64])
    func agreement(seed: UInt64) async throws {
        var random = SeededGenerator(state: seed)
        let rows = (0..<120).map { row($0, &random) }
        let database = try await TestDatabase.open()
        let dialect = database.dialect
        try await database.write { session in
            try session.execute("CREATE TABLE sample (id \(dialect.text) PRIMARY KEY, body \(dialect.text) NOT NULL)")
            for row in rows { try session.execute("INSERT INTO sample (id, body) VALUES ($1, $2)", row.id, row.body) }
        }
        var matched = 0
        for _ in 0..<200 {
            let expression = expression(3, &random)
            let sql = expression.compiled(for: dialect, by: BodyResolver(dialect: dialect), from: 2)
            let found = try await database.read { session in
                try session.all(
                    "SELECT id FROM sample WHERE id <> $1 AND \(sql.text) ORDER BY id", arguments: [.text("")] + sql.arguments
                ) { $0.string(0) }
            }
            let expected = rows.filter { expression.matches($0) }.map(\.id).sorted()
            #expect(found == expected, "\(expression)\n\(sql.text)")
            matched += found.count
        }
        #expect(matched > 0)
    }

    @Test("values are bound, numbered on from where the caller is, and first used in rising order")
    func parameters() throws {
        let query = try Query.parse(#"title:"x'; DROP" OR (size:[1 TO 5] AND NOT title:a*) OR tags:t"#, schema: querySchema)
        let sql = query.compiled(for: .sqlite, by: BodyResolver(dialect: .sqlite), from: 7)
        #expect(sql.arguments == [.text("x'; DROP"), .integer(1), .integer(5), .text("a*"), .text("t")])
        #expect(!sql.text.contains("DROP"))
        let places = (7...11).compactMap { sql.text.firstRange(of: "$\($0)")?.lowerBound }
        #expect(places.count == 5 && places == places.sorted())
    }

    @Test("NOT is true for rows without the field")
    func twoValued() throws {
        let query = try Query.parse("NOT size:5", schema: querySchema)
        #expect(query.matches(SampleRow(id: "a", values: [:])))
        #expect(
            query.compiled(for: .sqlite, by: BodyResolver(dialect: .sqlite)).text
                == "(json_extract(body, '$[\(place("size"))]') = $1) IS NOT TRUE")
    }

    @Test("text is compared bytewise, without regard to canonical equivalence")
    func bytewise() throws {
        let query = try Query.parse("title:é", schema: querySchema)
        #expect(query.matches(SampleRow(id: "a", values: ["title": [.text("é")]])))
        #expect(!query.matches(SampleRow(id: "a", values: ["title": [.text("e\u{301}")]])))
    }

    @Test("wildcards become the pattern of each database, literal signs escaped")
    func patterns() {
        let pattern = QueryPattern([.literal("a*%["), .any, .one])
        #expect(QueryDialect(.sqlite).text(of: pattern) == "a[*]%[[]*?")
        var postgres = SQLDialect.sqlite
        postgres.name = .postgres
        #expect(QueryDialect(postgres).text(of: pattern) == #"a*\%[%_"#)
        #expect(QueryDialect(postgres).matches("x", "$1") == #"x LIKE $1 ESCAPE '\'"#)
    }

    @Test("instants in coarser units keep what lies between two units", arguments: [true, false])
    func units(isIncluded: Bool) {
        struct Seconds: QueryColumnResolver {
            func source(of field: QueryField) -> QuerySource {
                .value(QueryColumn(sql: "t", encoding: .instantUnits(perSecond: 1)))
            }
        }
        func sql(_ lower: Int64?, _ upper: Int64?) -> QuerySQL {
            let at = QueryField(name: "at", kind: .datetime)
            return QueryExpression.test(
                QueryTest(
                    field: at,
                    condition: .range(
                        lower: lower.map { QueryBound(.instant($0), isIncluded: isIncluded) },
                        upper: upper.map { QueryBound(.instant($0), isIncluded: isIncluded) }))
            ).compiled(for: .sqlite, by: Seconds())
        }
        let equal = isIncluded ? "=" : ""
        #expect(sql(2_000_000, nil) == QuerySQL(text: "(t >\(equal) $1)", arguments: [.integer(2)]))
        #expect(sql(2_500_000, nil) == QuerySQL(text: "(t > $1)", arguments: [.integer(2)]))
        #expect(sql(nil, 2_500_000) == QuerySQL(text: "(t <= $1)", arguments: [.integer(2)]))
        #expect(sql(nil, -500_000) == QuerySQL(text: "(t <= $1)", arguments: [.integer(-1)]))
    }
}

@Suite struct ListTextTests {
    @Test(
        "a list comes back as it was",
        arguments: [[], ["a"], ["a", "b"], ["a|b", "c\\d"], ["\\", "|", "||"], ["é", " x "], ["\\|"]])
    func roundTrip(elements: [String]) {
        #expect(ListText.elements(ListText.string(elements)) == elements)
    }

    @Test("the rule is a bar between elements and a backslash before bars and backslashes")
    func rule() {
        #expect(ListText.string(["a|b", "c\\d", "e"]) == #"a\|b|c\\d|e"#)
        #expect(ListText.elements("a||b") == ["a", "", "b"])
        #expect(ListText.elements(#"a\nb"#) == nil)
        #expect(ListText.elements(#"a\"#) == nil)
        #expect(ListText.elements("") == [])
    }
}

@Suite struct InstantTextTests {
    @Test(
        "an instant has one text",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999999Z"),
            (1_357_016_400_500_000, "2013-01-01T05:00:00.500Z"), (951_782_400_000_001, "2000-02-29T00:00:00.000001Z"),
        ] as [(Int64, String)])
    func texts(microseconds: Int64, text: String) {
        #expect(InstantText.string(microseconds) == text)
    }
}
