import Datasets
import Foundation
import Testing
import WaybillDatabases
import WaybillEngine

@testable import ContentExport

/// An item of the model, with what the tests sort and filter by.
private struct ModelItem: Equatable, QueryRow {
    var id: String
    var text: String?
    var number: Int?
    var ratio: Double?
    var tags: [String]
    var acl: Int
    var language: String?

    var json: String {
        var members = ["\"id\":\"\(id)\""]
        if let text { members.append("\"text\":\"\(text)\"") }
        if let number { members.append("\"number\":\(number)") }
        if let ratio { members.append("\"ratio\":\(ratio)") }
        if !tags.isEmpty { members.append("\"tags\":[" + tags.map { "\"\($0)\"" }.joined(separator: ",") + "]") }
        if let language { members.append("\"language\":\"\(language)\"") }
        if acl > 0 { members.append("\"readers\":[\"user:u\(acl)\"]") }
        return "{" + members.joined(separator: ",") + "}"
    }

    func values(of field: QueryField) -> [QueryValue] {
        switch field.name {
        case "id": [.text(id)]
        case "language": language.map { [.text($0)] } ?? []
        case "text": text.map { [.text($0)] } ?? []
        case "number": number.map { [.integer(Int64($0))] } ?? []
        case "ratio": ratio.map { [.number($0)] } ?? []
        default: tags.map { .text($0) }
        }
    }
}

private struct HeldCut {
    var cut: ContentCut
    var items: [String: ModelItem]
    /// Ends of stretches by plan, found when the cut was taken.
    var boundaries: [[ScanPosition]]
    var plans: [ScanPlan]
}

/// Random histories of writes with several cuts held, against a model that keeps whole copies.
@Suite struct CutHistoryTests {
    private let fields = [
        ContentField(name: "text", kind: .text, isIndexed: true), ContentField(name: "number", kind: .integer, isIndexed: true),
        ContentField(name: "ratio", kind: .number, isIndexed: true), ContentField(name: "tags", kind: .tags, isIndexed: true),
    ]
    private let queries = [
        "text:b", "text:a*", "number:[2 TO 5]", "number:>3 AND text:c", "tags:x", "tags:(x OR y) -text:b", "NOT text:*",
        "ratio:0.5",
        "_exists_:tags number:<=4", "language:de", "text:{a TO c}",
    ]
    private let sorts = [
        [ItemSort(field: "text")], [ItemSort(field: "number", isDescending: true)],
        [ItemSort(field: "text", isDescending: true), ItemSort(field: "number")],
        [ItemSort(field: "number"), ItemSort(field: "ratio", isDescending: true), ItemSort(field: "text")],
        [ItemSort(field: "id", isDescending: true)], [ItemSort(field: "id")],
        [ItemSort(field: "number"), ItemSort(field: "id", isDescending: true)],
        [ItemSort(field: "text", isDescending: true), ItemSort(field: "id"), ItemSort(field: "number")],
    ]

    private func item(_ random: inout SeededGenerator) -> ModelItem {
        ModelItem(
            id: "i\(random.below(50))", text: [nil, "a", "aa", "b", "c", "B", "ab"][random.below(7)],
            number: random.below(4) == 0 ? nil : random.below(8), ratio: [nil, 0.5, -1.25, 3][random.below(4)],
            tags: ["x", "y", "z"].filter { _ in random.below(3) == 0 }, acl: random.below(3),
            language: [nil, "de", "en"][random.below(3)])
    }

    private func sorted(_ items: some Sequence<ModelItem>, by sort: [ItemSort]) -> [ModelItem] {
        func key(_ item: ModelItem, _ field: String) -> String {
            switch field {
            case "id": item.id
            case "text": item.text.map(IndexKey.text) ?? IndexKey.missing
            case "number": item.number.map { IndexKey.integer(Int64($0)) } ?? IndexKey.missing
            default: item.ratio.map(IndexKey.number) ?? IndexKey.missing
            }
        }
        return items.sorted { left, right in
            for part in sort {
                let (first, second) = (key(left, part.field), key(right, part.field))
                if first != second { return (first < second) != part.isDescending }
            }
            return left.id < right.id
        }
    }

    private func boundaries(_ scan: ItemScan, _ rows: Int, _ fixture: ContentFixture) async throws -> [ScanPosition] {
        try await fixture.read { session in
            var ends: [ScanPosition] = []
            while let next = try scan.boundary(after: ends.last, rows: rows, in: session) { ends.append(next) }
            return ends
        }
    }

    /// All rows, stretch by stretch.
    private func pieces(_ scan: ItemScan, _ ends: [ScanPosition], _ fixture: ContentFixture) async throws -> [String] {
        var ids: [String] = []
        var last: ScanPosition?
        for end in ends {
            ids += try await fixture.rows(scan, after: last, through: end).map { String($0.prefix { $0 != "=" }) }
            last = end
        }
        return ids
    }

    @Test("a cut reads the same for as long as it is held, whatever is written", arguments: 1...5)
    func histories(seed: Int) async throws {
        var random = SeededGenerator(state: UInt64(seed))
        let fixture = try await ContentFixture()
        let type = try await fixture.putType("news", fields)
        var live: [String: ModelItem] = [:]
        var held: [String: HeldCut] = [:]
        for step in 0..<60 {
            switch random.below(8) {
            case 0 where held.count < 4:
                let cut = try await fixture.takeCut("job\(step)")
                held["job\(step)"] = try await begin(cut, live, type, fixture)
            case 1:
                if let job = held.keys.sorted().randomElement(using: &random) {
                    try await fixture.release(job)
                    held[job] = nil
                }
            case 2:
                _ = try await fixture.database.write { try fixture.store.sweep(rows: 2, in: $0) }
            case 3:
                let id = "i\(random.below(50))"
                #expect(try await fixture.delete(id, type) == (live.removeValue(forKey: id) != nil))
            default:
                let items = (0..<1 + random.below(12)).map { _ in item(&random) }
                let before = Set(live.keys)
                for item in items { live[item.id] = item }
                let outcome = try await fixture.upsert(items.map(\.json), type)
                let inserted = Set(items.map(\.id)).subtracting(before).count
                #expect(outcome == UpsertOutcome(inserted: inserted, updated: items.count - inserted))
            }
            if step % 10 == 9 {
                for cut in held.values { try await check(cut, type, fixture, &random) }
                try await expectCountsAreRight(fixture, "seed \(seed) step \(step)")
                try await expectIndexIsRight(fixture, type, "seed \(seed) step \(step)")
            }
        }
        for job in held.keys { try await fixture.release(job) }
        #expect(try await fixture.sweep() == .idle)
        #expect(try await fixture.count("content_versions") == 0)
        #expect(try await fixture.count("content_version_index") == 0)
    }

    private func begin(_ cut: ContentCut, _ live: [String: ModelItem], _ type: ContentType, _ fixture: ContentFixture)
        async throws -> HeldCut
    {
        let expressions = try queries.map { try Query.parse($0, schema: type.querySchema) }
        let plans = try await fixture.read { session in
            try expressions.map { try ScanPlan.choose(for: $0, type: type, cut: cut, in: session) }
        }
        var ends: [[ScanPosition]] = [try await boundaries(ItemScan(cut: cut, type: type, readable: .all), 7, fixture)]
        for sort in sorts {
            ends.append(try await boundaries(ItemScan(cut: cut, type: type, plan: .sorted(sort), readable: .all), 5, fixture))
        }
        return HeldCut(cut: cut, items: live, boundaries: ends, plans: plans)
    }

    private func check(_ held: HeldCut, _ type: ContentType, _ fixture: ContentFixture, _ random: inout SeededGenerator)
        async throws
    {
        let all = held.items.values.sorted { $0.id < $1.id }
        let encoder = ItemEncoder(type: type)
        let bodies = try all.map { "\($0.id)=\(try encoder.encode($0.json).body)" }
        let scan = try ItemScan(cut: held.cut, type: type, readable: .all)
        #expect(try await fixture.rows(scan) == bodies)
        #expect(try await boundaries(scan, 7, fixture) == held.boundaries[0])
        #expect(try await pieces(scan, held.boundaries[0], fixture) == all.map(\.id))
        for (index, sort) in sorts.enumerated() {
            let scan = try ItemScan(cut: held.cut, type: type, plan: .sorted(sort), readable: .all)
            #expect(try await boundaries(scan, 5, fixture) == held.boundaries[index + 1])
            #expect(try await pieces(scan, held.boundaries[index + 1], fixture) == sorted(all, by: sort).map(\.id), "\(sort)")
        }
        for (index, text) in queries.enumerated() {
            let query = try Query.parse(text, schema: type.querySchema)
            let expected = all.filter { query.matches($0) && $0.acl == 0 && $0.language != nil }.map(\.id)
            for plan in [held.plans[index], .clustered, .sorted(sorts[0])] {
                let scan = try ItemScan(
                    cut: held.cut, type: type, plan: plan, query: query, readable: .only([0]), languages: ["de", "en"])
                let ends = try await boundaries(scan, 3, fixture)
                let found = try await pieces(scan, ends, fixture)
                #expect((plan == .sorted(sorts[0]) ? found.sorted() : found) == expected, "\(text) by \(plan)")
                if case .indexed = plan { #expect(ends.count == (expected.count + 2) / 3) }
            }
        }
        let ids = (0..<50).map { "i\($0)" } + ["é", "e\u{301}"]
        let missing = try await fixture.read { session in
            try fixture.store.missing(
                ids.map { ItemReference(type: "news", id: $0) } + [ItemReference(type: "gone", id: "i1")],
                types: ["news": type.id],
                at: held.cut, in: session)
        }
        #expect(missing == (0..<53).filter { $0 >= 50 || held.items["i\($0)"] == nil })
    }

    @Test("a selective query on an indexed field takes the index, others do not")
    func plans() async throws {
        let fixture = try await ContentFixture()
        let type = try await fixture.putType("news", fields)
        try await fixture.upsert(
            (100..<300).map { #"{"id":"i\#($0)","text":"t\#($0 % 50)","number":\#($0),"tags":["all"]}"# }, type)
        let cut = try await fixture.takeCut("job")
        func plan(_ text: String) async throws -> ScanPlan {
            let query = try Query.parse(text, schema: type.querySchema)
            return try await fixture.read { try ScanPlan.choose(for: query, type: type, cut: cut, in: $0) }
        }
        func index(_ name: String) -> Int64? { type.field(name)?.indexID }
        func isIndexed(_ plan: ScanPlan, by name: String) -> Bool {
            if case .indexed(let used, _) = plan { used == index(name) } else { false }
        }
        #expect(isIndexed(try await plan("text:t1"), by: "text"))
        #expect(isIndexed(try await plan("text:t1 number:105"), by: "number"))
        #expect(isIndexed(try await plan("tags:none"), by: "tags"))
        #expect(isIndexed(try await plan("number:[110 TO 120] NOT text:x"), by: "number"))
        #expect(try await plan("text:t?") == .clustered, "the prefix names all")
        for text in ["tags:all", "text:t1 OR number:5", "NOT text:t1", "text:*1", "*:*", "number:>100"] {
            #expect(try await plan(text) == .clustered, "\(text)")
        }
    }

    @Test("one can sort only by indexed fields with one value")
    func badSorts() async throws {
        let fixture = try await ContentFixture()
        let type = try await fixture.putType("news", fields + [ContentField(name: "plain", kind: .text)])
        let cut = try await fixture.takeCut("job")
        for name in ["plain", "tags", "nope"] {
            let error = #expect(throws: ContentError.self) {
                try ItemScan(cut: cut, type: type, plan: .sorted([ItemSort(field: name)]), readable: .all)
            }
            #expect(error?.code == .badSort && error?.field == name)
        }
    }

    @Test("long texts that are alike in their first KiB are told apart")
    func longTexts() async throws {
        let fixture = try await ContentFixture()
        let type = try await fixture.putType("news", fields)
        let long = String(repeating: "é", count: 600)
        try await fixture.upsert(
            ["x", "y", "z"].map { #"{"id":"\#($0)","text":"\#(long)\#($0)"}"# }
                + (0..<20).map { #"{"id":"i\#($0)","text":"s"}"# }, type)
        let cut = try await fixture.takeCut("job")
        for (text, expected) in [("text:\(long)y", ["y"]), ("text:\(long)*", ["x", "y", "z"]), ("text:>\(long)x", ["y", "z"])] {
            let query = try Query.parse(text, schema: type.querySchema)
            let plan = try await fixture.read { try ScanPlan.choose(for: query, type: type, cut: cut, in: $0) }
            #expect(plan != .clustered)
            let scan = try ItemScan(cut: cut, type: type, plan: plan, query: query, readable: .all)
            #expect(try await fixture.rows(scan).map { String($0.prefix(1)) } == expected)
        }
    }

    @Test("the same job gets its cut again, and a released one can't be read")
    func taking() async throws {
        let fixture = try await ContentFixture()
        let type = try await fixture.putType("news", fields)
        let first = try await fixture.takeCut("job")
        try await fixture.upsert([#"{"id":"x"}"#], type)
        #expect(try await fixture.takeCut("job") == first)
        #expect(try await fixture.takeCut("other").epoch == first.epoch + 1)
        #expect(try await fixture.read { try fixture.store.jobsWithCuts(in: $0) } == ["job", "other"])
        try await fixture.release("job")
        let error = await #expect(throws: ContentError.self) {
            try await fixture.rows(ItemScan(cut: first, type: type, readable: .all))
        }
        #expect(error?.code == .cutGone)
    }

    @Test("without a cut nothing is kept")
    func noVersions() async throws {
        let fixture = try await ContentFixture()
        let type = try await fixture.putType("news", fields)
        try await fixture.upsert([#"{"id":"x","text":"a"}"#], type)
        try await fixture.upsert([#"{"id":"x","text":"b"}"#], type)
        #expect(try await fixture.count("content_versions") == 0)
        _ = try await fixture.takeCut("job")
        try await fixture.upsert([#"{"id":"x","text":"c"}"#], type)
        try await fixture.upsert([#"{"id":"x","text":"d"}"#], type)
        #expect(try await fixture.count("content_versions") == 1, "the second change is not of the cut")
    }

    @Test("places of a scan come back from a checkpoint as they were")
    func positions() throws {
        let position = ScanPosition(keys: [.text("va"), .integer(-5), .double((0.1).bitPattern)], id: "é")
        let data = try JSONEncoder().encode(position)
        #expect(try JSONDecoder().decode(ScanPosition.self, from: data) == position)
        let plan = ScanPlan.indexed(index: 5, IndexSpan(span: .between("va", "vb", includesEnd: false)))
        #expect(try JSONDecoder().decode(ScanPlan.self, from: try JSONEncoder().encode(plan)) == plan)
    }
}
