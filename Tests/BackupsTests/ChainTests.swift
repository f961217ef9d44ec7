import Datasets
import Foundation
import HTTPTypes
import TenantData
import Testing
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Backups
@testable import ContentExport

/// A full backup and its increments are restored, or refused.
@Suite struct ChainTests {
    private static let fields = [ContentField(name: "t", kind: .text, isIndexed: true), ContentField(name: "n", kind: .integer)]

    private static func items(_ range: Range<Int>, _ text: String) -> [String] {
        range.map { #"{"id":"i\#(10000 + $0)","t":"\#(text) \#($0 % 7)","n":\#($0)}"# }
    }

    /// A full backup and three increments, whose files go over several.
    private func chain(_ fixture: BackupFixture) async throws -> [JobTester.Result] {
        try await fixture.put("note.x", Self.fields, Self.items(0..<3000, "first"))
        try await fixture.put("small", Self.fields, Self.items(0..<3, "first"))
        var made = [try await fixture.backup()]
        try await fixture.put("note.x", Self.fields, Self.items(1000..<2200, "second") + Self.items(3000..<3100, "second"))
        try await fixture.delete("note.x", (100..<500).map { "i\(10000 + $0)" })
        made.append(try await fixture.increment(of: made[0]))
        try await fixture.put("note.x", Self.fields, Self.items(200..<300, "third"))
        try await fixture.delete("note.x", (3000..<3050).map { "i\(10000 + $0)" } + ["i10000"])
        try await fixture.drop("small")
        try await fixture.put("later", Self.fields, Self.items(0..<3, "third"))
        made.append(try await fixture.increment(of: made[1]))
        try await fixture.put("note.x", Self.fields, Self.items(3000..<3010, "fourth") + [#"{"id":"a","t":"\"b\"\r\nc"}"#])
        try await fixture.delete("later", ["i10001"])
        made.append(try await fixture.increment(of: made[2]))
        return made
    }

    @Test(
        "a full backup and its increments give what is there, also when the process dies on the way", arguments: [0, 1, 3, 5, 7])
    func roundTrip(_ crash: Int) async throws {
        let fixture = try await BackupFixture(archiveBytes: 20_000, commitsOften: true)
        let made = try await chain(fixture)
        #expect(try made[1].files()["items-note~x.2.csv"] != nil && made[0].files()["items-note~x.3.csv"] != nil)
        let state = try await fixture.state()
        let crashes: [JobTester.Crash] =
            crash == 0 ? [] : [.beforeCommit(crash), .afterCommit(crash, attempt: 2), .beforeCommit(2, attempt: 3)]
        #expect(try await fixture.restored(made, crashes: crashes) == state)
    }

    @Test("each increment gives the state of its own cut")
    func states() async throws {
        let fixture = try await BackupFixture()
        try await fixture.put("n", Self.fields, Self.items(0..<5, "1"))
        let base = try await fixture.backup()
        let empty = try await fixture.state()
        try await fixture.put("n", Self.fields, Self.items(3..<8, "2"))
        let first = try await fixture.increment(of: base)
        let half = try await fixture.state()
        try await fixture.delete("n", ["i10004"])
        let second = try await fixture.increment(of: first)
        #expect(try await fixture.restored([base]) == empty)
        #expect(try await fixture.restored([base, first]) == half)
        #expect(try await fixture.restored([base, first, second]) == fixture.state())
        // Two increments of one backup are two chains.
        let third = try await fixture.increment(of: base)
        #expect(try await fixture.restored([base, third]) == fixture.state())
    }

    @Test("an increment of this installation is restored with all before it; a dry run says what that would change")
    func from() async throws {
        let fixture = try await BackupFixture(archiveBytes: 20_000, commitsOften: true)
        let made = try await chain(fixture)
        let state = try await fixture.state()
        try await fixture.put("note.x", Self.fields, Self.items(0..<10, "changed"))
        try await fixture.delete("note.x", ["a"])
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let body = #"{"mode": "replace", "from": "\#(made[3].job.id)"}"#
            let opened = try await caller.send(.post, "/backup/restores", token, body: body)
            let id = try #require(opened.json?["id"]?.string, "\(opened.text)")
            #expect(opened.json?["missing"]?.array == [] && opened.json?["problems"]?.array == [])
            let backups = Set(opened.json?["documents"]?.array?.compactMap { $0["backup"]?.integer } ?? [])
            #expect(backups == [0, 1, 2, 3])
            _ = try await caller.send(.post, "/backup/restores/\(id)/start", token, body: #"{"dryRun": true}"#)
            try await fixture.work()
            let tried = try await caller.restore(id, token)
            let items = tried?["result"]?["entities"]?.array?.first { $0["name"]?.string == "items-note~x" }
            // Of the ten that were changed one had been deleted before.
            let changes = ["added", "changed", "deleted"].map { items?["changes"]?[$0]?.integer }
            #expect(changes == [1, 9, 1], "\(String(describing: tried))")
            _ = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            try await fixture.work()
            #expect(try await caller.restore(id, token)?["status"]?.string == "completed")
        }
        #expect(try await fixture.state() == state)
    }

    @Test("a chain in a wrong order, with a gap, of another base or another tenant is refused by name, and nothing is written")
    func refusals() async throws {
        let fixture = try await BackupFixture()
        let made = try await chain(fixture)
        let again = try await fixture.backup()
        try await fixture.put("note.x", Self.fields, [], tenant: "other")
        let theirs = try await fixture.backup(tenant: "other")
        let cases: [(chain: [JobTester.Result], problems: [String: String])] = [
            (
                [made[0], made[2], made[1]],
                [
                    "1/manifest.json": "the one before it is \(made[0].job.id)",
                    "2/manifest.json": "an increment of the backup \(made[0].job.id)",
                ]
            ),
            ([made[0], made[2]], ["1/manifest.json": "it is an increment of the backup \(made[1].job.id)"]),
            ([made[1], made[2]], ["manifest.json": "a full one is needed here"]),
            ([made[0], again], ["1/manifest.json": "it is a full backup"]),
            ([again, made[1]], ["1/manifest.json": "the one before it is \(again.job.id)"]),
            ([theirs, made[1]], ["1/manifest.json": "it is of the tenant acme"]),
        ]
        let other = try await BackupFixture()
        let empty = try await other.state()
        let token = try await other.token()
        try await other.serve { caller in
            for (chain, problems) in cases {
                let id = try await caller.upload(chain: try chain.map { try LoadedBackup($0) }, token)
                let refused = try await caller.send(.post, "/backup/restores/\(id)/start", token)
                #expect(refused.status == 409 && refused.json?["code"]?.string == "RESTORE_NOT_READY")
                for (file, reason) in problems {
                    let named = refused.json?["details"]?.array?.first { $0["file"]?.string == file }
                    #expect(named?["reason"]?.string?.contains(reason) == true, "\(file): \(refused.text)")
                    let shown = try await caller.restore(id, token)?["problems"]?.array?.map { $0["file"]?.string }
                    #expect(shown?.contains(file) == true)
                }
            }
            // One whose manifest has not come, and one of whose files has not.
            let id = try await caller.upload(chain: [try LoadedBackup(made[0])], token)
            _ = try await caller.put(id, "items-note~x.csv", Array("x".utf8), token, backup: 2)
            #expect(try await caller.restore(id, token)?["missing"]?.array == ["1/manifest.json", "2/manifest.json"])
            let refused = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            #expect(refused.json?["details"]?.array?.first?["file"]?.string == "1/manifest.json")
            _ = try await caller.put(id, "manifest.json", try #require(made[1].artifacts["manifest.json"]), token, backup: 1)
            #expect(try await caller.restore(id, token)?["missing"]?.array?.contains("1/deleted-note~x.csv") == true)
            #expect(try await caller.put(id, "manifest.json", Array("{}".utf8), token, backup: 1).status == 422)
            #expect(try await caller.put(id, "a.csv", [], token, backup: 64).status == 400)
            #expect(try await other.tester.runNext() == false)
        }
        #expect(try await other.state() == empty)
        #expect(try await other.count("content_spaces") == 0)
    }

    @Test("what is wrong in an increment is told with its file and line; a lost deletion is found by the number of rows")
    func damages() async throws {
        let fixture = try await BackupFixture()
        try await fixture.put("note", Self.fields, Self.items(0..<5000, "1"))
        let base = try LoadedBackup(try await fixture.backup())
        try await fixture.put(
            "note", Self.fields, [#"{"id":"i12000","n":5}"#, #"{"id":"i12001","t":"a\r\nb"}"#, #"{"id":"z","n":6}"#])
        try await fixture.delete("note", ["i10007", "i10009"])
        let increment = try LoadedBackup(try await fixture.increment())
        let cases = [
            ("items-note.csv", "z,,,,6", "z,,,,six", "1/items-note.csv, line 5: "),
            ("items-note.csv", "z,,,,6", "a,,,,6", "1/items-note.csv, line 5: the key ‘a’ comes before"),
            ("deleted-note.csv", "i10009,", "i10007,", "1/deleted-note.csv, line 3: the key ‘i10007’ is there twice"),
            ("deleted-note.csv", "i10009,", "j,", "there are 5000 rows, and the manifest of the newest one says 4999"),
        ]
        for (file, from, to, reason) in cases {
            var damaged = increment
            damaged.files[file] = try #require(damaged.files[file]).replacing(from, with: to)
            try damaged.seal()
            let other = try await BackupFixture()
            let token = try await other.token()
            try await other.serve { [damaged] caller in
                let id = try await caller.upload(chain: [base, damaged], token)
                let started = try await caller.send(.post, "/backup/restores/\(id)/start", token)
                // What is wrong in the first piece of a file is found before the start.
                if started.status == 409 {
                    #expect(started.json?["detail"]?.string?.contains(reason) == true, "\(started.text)")
                    return
                }
                try await other.work()
                let shown = try await caller.restore(id, token)
                #expect(shown?["status"]?.string == "failed")
                #expect(shown?["error"]?["message"]?.string?.contains(reason) == true, "\(String(describing: shown?["error"]))")
            }
            while case .worked = try await other.database.write({ try ContentStore().sweep(in: $0) }) {}
            #expect(try await other.count("content_items") == 0)
        }
    }

    @Test("columns in another order are taken in an increment, too")
    func order() async throws {
        let fixture = try await BackupFixture()
        try await fixture.put("n", Self.fields, Self.items(0..<4, "1"))
        let base = try LoadedBackup(try await fixture.backup())
        try await fixture.put("n", Self.fields, [#"{"id":"i10001","t":"a,\"b\"","n":5}"#, #"{"id":"i10002","t":""}"#])
        var increment = try LoadedBackup(try await fixture.increment())
        #expect(increment.files["items-n.csv"]?.hasSuffix("\r\ni10001,,,\"a,\"\"b\"\"\",5\r\ni10002,,,\"\",\r\n") == true)
        increment.files["items-n.csv"] = "n,t,id,readers,language\r\n5,\"a,\"\"b\"\"\",i10001,,\r\n,\"\",i10002,,\r\n"
        try increment.seal()
        let other = try await BackupFixture()
        let token = try await other.token()
        try await other.serve { [increment] caller in
            let id = try await caller.upload(chain: [base, increment], token)
            #expect(try await caller.send(.post, "/backup/restores/\(id)/start", token).status == 202)
            try await other.work()
        }
        #expect(try await other.state()["items-n.csv"] == fixture.state()["items-n.csv"])
    }

    @Test("whatever is done between backups, a chain gives the same as a full backup at its end", arguments: 1...3)
    func walk(_ seed: Int) async throws {
        var random = SplitMix(state: UInt64(seed))
        let fixture = try await BackupFixture(archiveBytes: 1500, commitsOften: true)
        var live: [String: Set<String>] = [:]
        var chain: [JobTester.Result] = []
        for step in 0..<50 {
            let type = "t\(random.below(3))"
            let wide = Self.fields + (random.below(12) == 0 ? [ContentField(name: "more\(step)", kind: .boolean)] : [])
            switch random.below(10) {
            case 0...4:
                let fields = live[type] == nil ? Self.fields : try await fixture.fields(of: type)
                let ids = Set((0..<(1 + random.below(8))).map { _ in "k\(10 + random.below(40))" })
                let items = ids.sorted().map { id in
                    let readers = random.below(4) == 0 ? #","readers":["role:r\#(random.below(3))"]"# : ""
                    return #"{"id":"\#(id)","t":"\#(step) \#(random.below(100))","n":\#(random.below(9))\#(readers)}"#
                }
                try await fixture.put(type, fields, items)
                live[type, default: []].formUnion(ids)
            case 5, 6:
                let ids = (live[type] ?? []).sorted().filter { _ in random.below(4) == 0 }
                if !ids.isEmpty { try await fixture.delete(type, ids) }
                live[type]?.subtract(ids)
            case 7 where live[type] != nil && wide.count > Self.fields.count:
                try await fixture.put(type, try await fixture.fields(of: type) + wide.suffix(1), [])
            case 8 where live[type] != nil && random.below(4) == 0:
                try await fixture.drop(type)
                live[type] = nil
            default:
                let crashes: [JobTester.Crash] = random.below(2) == 0 ? [] : [.afterCommit(1 + random.below(4))]
                if chain.isEmpty {
                    chain.append(try await fixture.backup(crashes: crashes))
                } else {
                    chain.append(try await fixture.increment(of: chain.last, crashes: crashes))
                }
            }
        }
        chain.append(try await fixture.increment(of: chain.last))
        let state = try await fixture.state()
        let crashes: [JobTester.Crash] = random.below(2) == 0 ? [] : [.beforeCommit(1 + random.below(5))]
        #expect(try await fixture.restored(chain, crashes: crashes) == state, "seed \(seed), \(chain.count) backups")
    }
}

extension BackupFixture {
    func fields(of type: String) async throws -> [ContentField] {
        let tenant = try principal().tenant
        return try await database.read { session in
            let store = ContentStore()
            let space = try #require(try store.space(of: tenant, in: session)).id
            let found = try #require(try store.type(type, space: space, in: session))
            return found.fields.map {
                ContentField(name: $0.name, kind: $0.kind, isIndexed: $0.isIndexed)
            }
        }
    }
}

private struct SplitMix {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }
}
