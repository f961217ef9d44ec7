import Datasets
import Formats
import Testing
import WaybillDatabases
import WaybillEngine

@testable import ContentExport

@Suite struct UpsertTests {
    private let fields = [ContentField(name: "a", kind: .text, isIndexed: true), ContentField(name: "n", kind: .integer)]

    @Test("new items are inserted, known ones updated, and a repeated id counts as updated")
    func outcome() async throws {
        let fixture = try await ContentFixture()
        let type = try await fixture.putType("news", fields)
        #expect(try await fixture.upsert((100..<170).map { #"{"id":"i\#($0)","n":1}"# }, type) == UpsertOutcome(inserted: 70))
        #expect(
            try await fixture.upsert([#"{"id":"i100","n":1}"#, #"{"id":"z"}"#, #"{"id":"z","n":5}"#], type)
                == UpsertOutcome(inserted: 1, updated: 2))
        #expect(try await fixture.upsert([], type) == UpsertOutcome())
        let space = try await fixture.takeCut("j").space
        let item = try await fixture.read { try fixture.store.item("z", of: type, space: space, in: $0) }
        #expect(item?.body == #"{"n":5}"#)
        #expect(try await fixture.read { try fixture.store.itemCount(type: type.id, space: space, in: $0) } == 71)
    }

    @Test("items are listed page by page, and told as one object")
    func listing() async throws {
        let fixture = try await ContentFixture()
        let type = try await fixture.putType("news", fields)
        try await fixture.upsert(
            (0..<5).map { #"{"id":"i\#($0)","a":"\#($0)","language":"de","readers":["user:u\#($0)"]}"# }, type)
        let space = try await fixture.takeCut("j").space
        let pages = try await fixture.read { session in
            let first = try fixture.store.items(of: type, limit: 3, space: space, in: session)
            return (first, try fixture.store.items(of: type, after: first.last?.id, limit: 3, space: space, in: session))
        }
        #expect(pages.0.map(\.id) == ["i0", "i1", "i2"] && pages.1.map(\.id) == ["i3", "i4"])
        let out = OutputBufferText.text { pages.0[1].append(to: $0) }
        #expect(out == #"{"id":"i1","a":"1","language":"de","readers":["user:u1"]}"#)
        let hidden = try await fixture.read { try fixture.store.item("i1", of: type, readable: .only([0]), space: space, in: $0) }
        #expect(hidden == nil)
    }

    @Test("a type knows whether its items have languages")
    func languages() async throws {
        let fixture = try await ContentFixture()
        let type = try await fixture.putType("news", fields)
        try await fixture.upsert([#"{"id":"x"}"#], type)
        let space = try await fixture.takeCut("j").space
        #expect(try await !fixture.read { try fixture.store.hasLanguages(type: type.id, space: space, in: $0) })
        try await fixture.upsert([#"{"id":"y","language":"de"}"#, #"{"id":"z","language":"en"}"#], type)
        #expect(try await fixture.read { try fixture.store.hasLanguages(type: type.id, space: space, in: $0) })
        #expect(try await fixture.count("content_languages") == 2)
    }

    @Test("tenants have spaces of their own")
    func tenants() async throws {
        let fixture = try await ContentFixture()
        let type = try await fixture.putType("news", fields)
        try await fixture.upsert([#"{"id":"x"}"#], type)
        let other = try #require(TenantID("other"))
        try await fixture.database.write { session in
            let writing = try fixture.store.writing(for: other, in: session)
            #expect(try fixture.store.type("news", space: writing.space.id, in: session) == nil)
            #expect(try fixture.store.item("x", of: type, space: writing.space.id, in: session) == nil)
            let batch = ItemBatch([], of: type)
            #expect(throws: ContentError.self) { try fixture.store.upsert(batch, by: writing, in: session) }
        }
    }

    @Test(
        "a new index is built slice by slice while items change, and equals one that was there from the start",
        arguments: [1, 2, 3] as [UInt64])
    func building(seed: UInt64) async throws {
        var random = SeededGenerator(state: seed)
        let fixture = try await ContentFixture()
        let plain = [ContentField(name: "a", kind: .text), ContentField(name: "l", kind: .integer, isList: true)]
        let indexed = plain.map { ContentField(name: $0.name, kind: $0.kind, isList: $0.isList, isIndexed: true) }
        var type = try await fixture.putType("news", plain)
        func batch() -> [String] {
            (0..<10).map { _ in
                #"{"id":"i\#(random.below(60))","a":"v\#(random.below(5))","l":[\#(random.below(3)),\#(random.below(3))]}"#
            }
        }
        for _ in 0..<8 { try await fixture.upsert(batch(), type) }
        type = try await fixture.putType("news", indexed)
        #expect(!type.fields.contains { $0.isIndexReady })
        for _ in 0..<6 {
            _ = try await fixture.database.write { try fixture.store.sweep(rows: 4, in: $0) }
            try await fixture.upsert(batch(), type)
            try await fixture.delete("i\(random.below(60))", type)
        }
        #expect(try await fixture.sweep() == .idle)
        let space = try await fixture.takeCut("j").space
        type = try #require(try await fixture.read { try fixture.store.type("news", space: space, in: $0) })
        #expect(!type.fields.contains { !$0.isIndexReady })
        try await expectIndexIsRight(fixture, type)
    }

    @Test("an index that is not wanted goes, but not while a cut is held, and comes back whole")
    func dropping() async throws {
        let fixture = try await ContentFixture()
        let type = try await fixture.putType("news", fields)
        try await fixture.upsert((0..<7).map { #"{"id":"i\#($0)","a":"v"}"# }, type)
        _ = try await fixture.takeCut("job")
        let plain = try await fixture.putType("news", [ContentField(name: "a", kind: .text), fields[1]])
        #expect(try await fixture.sweep() == .waiting)
        try await fixture.upsert([#"{"id":"i0","a":"w"}"#], plain)
        #expect(try await fixture.count("content_index") == 7)
        try await fixture.release("job")
        #expect(try await fixture.sweep() == .idle)
        #expect(try await fixture.count("content_index") == 0)
        #expect(try await fixture.count("content_version_index") == 0)
        let again = try await fixture.putType("news", fields)
        #expect(again.fields[0].indexID != type.fields[0].indexID)
        #expect(try await fixture.sweep() == .idle)
        #expect(try await fixture.count("content_index") == 7)
    }
}

enum OutputBufferText {
    static func text(_ write: (OutputBuffer) -> Void) -> String {
        let out = OutputBuffer()
        write(out)
        return String(decoding: out.takeBytes(), as: UTF8.self)
    }
}

/// The index rows are those that the stored bodies give.
func expectIndexIsRight(_ fixture: ContentFixture, _ type: ContentType, _ comment: Comment? = nil) async throws {
    let (stored, expected) = try await fixture.read { session in
        let stored = try session.all("SELECT field_id, value, id FROM content_index WHERE type_id = $1", type.id) {
            "\($0.int64(0)) \($0.string(1)) \($0.string(2))"
        }
        let indexer = ItemIndexer(type, fields: type.indexedFields)
        let expected = try session.all("SELECT id, body FROM content_items WHERE type_id = $1", type.id) { row in
            try indexer.entries(of: row[1].bytes).map { "\($0.index) \($0.value) \(row.string(0))" }
        }
        return (stored, expected.flatMap { $0 })
    }
    #expect(Set(stored) == Set(expected), comment)
    #expect(stored.count == Set(stored).count, comment)
}

/// The counts are those of the stored rows.
func expectCountsAreRight(_ fixture: ContentFixture, _ comment: Comment? = nil) async throws {
    let (kept, counted) = try await fixture.read { session in
        (
            try session.all("SELECT type_id, acl, items FROM content_counts ORDER BY 1, 2") {
                "\($0.int64(0)) \($0.int64(1)) \($0.int64(2))"
            },
            try session.all("SELECT type_id, acl, COUNT(*) FROM content_items GROUP BY 1, 2 ORDER BY 1, 2") {
                "\($0.int64(0)) \($0.int64(1)) \($0.int64(2))"
            }
        )
    }
    #expect(kept == counted, comment)
}
