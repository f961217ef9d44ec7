import Datasets
import Testing
import WaybillDatabases
import WaybillEngine

@testable import ContentExport

@Suite struct ContentTypeTests {
    @Test(
        "names, reserved names, repeated fields and impossible ones are refused",
        arguments: [
            ([ContentField(name: "1a", kind: .text)], ContentError.Code.badFieldName),
            ([ContentField(name: "a-b", kind: .text)], .badFieldName),
            ([ContentField(name: "id", kind: .text)], .badFieldName),
            ([ContentField(name: "readers", kind: .tags)], .badFieldName),
            ([ContentField(name: "", kind: .text)], .badFieldName),
            ([ContentField(name: String(repeating: "a", count: 64), kind: .text)], .badFieldName),
            ([ContentField(name: "a", kind: .text), ContentField(name: "a", kind: .integer)], .duplicateField),
            ([ContentField(name: "a", kind: .json, isIndexed: true)], .badField),
            ([ContentField(name: "a", kind: .text, target: "t")], .badField),
            ([ContentField(name: "a", kind: .reference, target: "a/b")], .badField),
            ((0...200).map { ContentField(name: "f\($0)", kind: .text) }, .tooManyFields),
        ] as [([ContentField], ContentError.Code)])
    func refused(fields: [ContentField], code: ContentError.Code) {
        let error = #expect(throws: ContentError.self) { try ContentField.check(fields) }
        #expect(error?.code == code)
    }

    @Test("a type comes back as it was put, its fields in the order of the definition")
    func roundTrip() async throws {
        let fixture = try await ContentFixture()
        let readers = try ContentReaders(["role:press"])
        let put = try await fixture.putType(
            "news",
            [ContentField(name: "b", kind: .text, isRequired: true, isIndexed: true), ContentField(name: "a", kind: .tags)],
            readers: readers)
        let space = try #require(try await fixture.read { try fixture.store.space(of: fixture.tenant, in: $0) })
        let got = try await fixture.read { try fixture.store.type("news", space: space.id, in: $0) }
        #expect(got == put)
        #expect(put.fields.map(\.name) == ["b", "a"] && put.readers == readers && put.fields[0].isIndexReady)
        let again = try await fixture.putType("news", put.fields)
        #expect(again == put, "nothing changed")
        for name in ["", "a/b", ".a", String(repeating: "a", count: 64)] {
            await #expect(throws: ContentError.self) { try await fixture.putType(name, []) }
        }
    }

    @Test("while items exist fields can be added and moved, but not removed or changed")
    func changing() async throws {
        let fixture = try await ContentFixture()
        let first = [ContentField(name: "a", kind: .text), ContentField(name: "b", kind: .integer)]
        let type = try await fixture.putType("news", first)
        try await fixture.upsert([#"{"id":"x","a":"1","b":2}"#], type)
        await #expect(throws: ContentError.self) { try await fixture.putType("news", [first[0]]) }
        await #expect(throws: ContentError.self) {
            try await fixture.putType("news", [first[0], ContentField(name: "b", kind: .number)])
        }
        await #expect(throws: ContentError.self) {
            try await fixture.putType("news", [first[1], ContentField(name: "a", kind: .text, isList: true)])
        }
        let moved = try await fixture.putType("news", [ContentField(name: "c", kind: .text), first[1], first[0]])
        #expect(moved.fields.map(\.name) == ["c", "b", "a"])
        #expect(moved.storedFields.map(\.name) == ["a", "b", "c"])
        try await fixture.delete("x", moved)
        let free = try await fixture.putType("news", [ContentField(name: "a", kind: .number)])
        #expect(free.fields.map(\.kind) == [.number])
    }

    @Test("items that were encoded for an older definition are refused")
    func stale() async throws {
        let fixture = try await ContentFixture()
        let old = try await fixture.putType("news", [ContentField(name: "a", kind: .text)])
        try await fixture.putType("news", [ContentField(name: "a", kind: .text, isRequired: true)])
        let error = await #expect(throws: ContentError.self) { try await fixture.upsert([#"{"id":"x"}"#], old) }
        #expect(error?.code == .typeChanged)
        #expect(try await fixture.count("content_items") == 0)
    }

    @Test("deleting a type hides it at once, its rows go slice by slice, and a new one of the same name is empty")
    func deleting() async throws {
        let fixture = try await ContentFixture()
        let fields = [ContentField(name: "a", kind: .text, isIndexed: true)]
        let type = try await fixture.putType("news", fields)
        try await fixture.upsert((0..<20).map { #"{"id":"i\#($0)","a":"v"}"# }, type)
        #expect(try await fixture.write { try ContentStore().deleteType("news", by: $0, in: $1) })
        #expect(try await !fixture.write { try ContentStore().deleteType("news", by: $0, in: $1) })
        let fresh = try await fixture.putType("news", fields)
        #expect(fresh.id != type.id)
        try await fixture.upsert([#"{"id":"i1","a":"new"}"#], fresh)
        #expect(try await fixture.sweep() == .idle)
        #expect(try await fixture.count("content_items") == 1)
        #expect(try await fixture.count("content_index") == 1)
        #expect(try await fixture.count("content_counts") == 1)
        #expect(try await fixture.count("content_chores") == 0)
    }

    @Test("rows of a deleted type stay while a cut needs them")
    func deletingUnderCut() async throws {
        let fixture = try await ContentFixture()
        let type = try await fixture.putType("news", [ContentField(name: "a", kind: .text)])
        try await fixture.upsert([#"{"id":"x","a":"1"}"#], type)
        let cut = try await fixture.takeCut("job")
        _ = try await fixture.write { try ContentStore().deleteType("news", by: $0, in: $1) }
        #expect(try await fixture.sweep() == .waiting)
        #expect(try await fixture.rows(ItemScan(cut: cut, type: type, readable: .all)) == [#"x=["1"]"#])
        try await fixture.release("job")
        #expect(try await fixture.sweep() == .idle)
        #expect(try await fixture.count("content_items") == 0)
    }

    @Test("an erased tenant leaves nothing")
    func erasing() async throws {
        let fixture = try await ContentFixture()
        let type = try await fixture.putType("news", [ContentField(name: "a", kind: .text, isIndexed: true)])
        try await fixture.upsert((0..<10).map { #"{"id":"i\#($0)","a":"v","language":"de","readers":["user:u\#($0)"]}"# }, type)
        let cut = try await fixture.takeCut("job")
        try await fixture.upsert([#"{"id":"i1","a":"w"}"#], type)
        try await fixture.database.write { session in
            guard let space = try fixture.store.space(of: fixture.tenant, in: session) else { return }
            try fixture.store.deleteTenant(space, in: session)
        }
        let error = await #expect(throws: ContentError.self) {
            try await fixture.rows(ItemScan(cut: cut, type: type, readable: .all))
        }
        #expect(error?.code == .cutGone)
        #expect(try await fixture.sweep() == .idle)
        for table in [
            "tenants", "types", "items", "versions", "index", "version_index", "counts", "languages", "cuts", "acls", "chores",
        ] {
            #expect(try await fixture.count("content_\(table)") == 0, "\(table)")
        }
    }
}

@Suite struct ContentReadersTests {
    private func principal(_ user: String, _ roles: Set<String> = []) throws -> Principal {
        Principal(tenant: try #require(TenantID("acme")), user: user, roles: roles)
    }

    @Test("readers are sorted, each once, and refused when they say nothing")
    func canonical() throws {
        #expect(try ContentReaders(["user:b", "everyone", "user:b", "role:a"]).entries == ["everyone", "role:a", "user:b"])
        #expect(try ContentReaders(["user:\u{E9}"]) != ContentReaders(["user:e\u{301}"]), "they are different bytes")
        let odd = try ContentReaders([#"user:a"b\"#, "role:é"])
        #expect(ContentReaders(json: odd.json) == odd)
        for entries in [[], ["anyone"], ["user:"], ["role:"], ["user:a\u{0}"], (0..<65).map { "user:\($0)" }] {
            #expect(throws: ContentError.self) { try ContentReaders(entries) }
        }
    }

    @Test("a principal reads what names him, his roles or everyone; admin reads all")
    func admit() throws {
        let readers = try ContentReaders(["role:press", "user:eve"])
        #expect(try readers.admit(principal("eve")))
        #expect(try readers.admit(principal("bob", ["press"])))
        #expect(try readers.admit(principal("bob", ["admin"])))
        #expect(try !readers.admit(principal("press", ["eve"])))
        #expect(try ContentReaders.everyone.admit(principal("x")))
    }

    @Test("a reader's total and his rows are those that he may read")
    func filter() async throws {
        let fixture = try await ContentFixture()
        let type = try await fixture.putType(
            "news", [ContentField(name: "a", kind: .integer)], readers: try ContentReaders(["role:staff"]))
        try await fixture.upsert(
            (0..<40).map { index in
                let readers = [
                    "", #","readers":["everyone"]"#, #","readers":["user:eve","role:boss"]"#, #","readers":["user:bob"]"#,
                ][index % 4]
                return #"{"id":"i\#(100 + index)","a":\#(index)\#(readers)}"#
            }, type)
        let cut = try await fixture.takeCut("job")
        for (who, expected) in [
            (try principal("eve"), [1, 2]), (try principal("eve", ["staff"]), [0, 1, 2]), (try principal("bob"), [1, 3]),
            (try principal("x"), [1]),
            (try principal("x", ["admin"]), [0, 1, 2, 3]), (try principal("bob", ["staff", "boss"]), [0, 1, 2, 3]),
        ] {
            let (filter, total) = try await fixture.read { session in
                let filter = try fixture.store.readable(by: who, of: type, space: cut.space, in: session)
                return (filter, try fixture.store.count(of: type, for: filter, space: cut.space, in: session))
            }
            let rows = try await fixture.rows(ItemScan(cut: cut, type: type, readable: filter))
            #expect(rows == (0..<40).filter { expected.contains($0 % 4) }.map { #"i\#(100 + $0)=[\#($0)]"# })
            #expect(total == rows.count)
        }
    }

    @Test("many lists of readers are filtered by one list of ids")
    func manyACLs() async throws {
        let fixture = try await ContentFixture()
        let type = try await fixture.putType(
            "news", [ContentField(name: "a", kind: .integer)], readers: try ContentReaders(["role:none"]))
        try await fixture.upsert(
            (100..<200).map { #"{"id":"i\#($0)","a":1,"readers":["user:u\#($0)","role:\#($0 % 2 == 0 ? "even" : "odd")"]}"# },
            type)
        let cut = try await fixture.takeCut("job")
        let filter = try await fixture.read { [who = try principal("x", ["even"])] in
            try fixture.store.readable(by: who, of: type, space: cut.space, in: $0)
        }
        #expect(try await fixture.rows(ItemScan(cut: cut, type: type, readable: filter)).count == 50)
    }

    @Test("a type's readers change without touching its items")
    func typeReaders() async throws {
        let fixture = try await ContentFixture()
        let type = try await fixture.putType("news", [ContentField(name: "a", kind: .integer)])
        try await fixture.upsert([#"{"id":"x"}"#], type)
        let changed = try await fixture.putType("news", type.fields, readers: try ContentReaders(["user:eve"]))
        let space = try await fixture.takeCut("j").space
        let filters = try await fixture.read { [eve = try principal("eve"), bob = try principal("bob")] session in
            (
                try fixture.store.readable(by: eve, of: changed, space: space, in: session),
                try fixture.store.readable(by: bob, of: changed, space: space, in: session)
            )
        }
        #expect(filters.0 == .all && filters.1.isNothing)
    }
}
