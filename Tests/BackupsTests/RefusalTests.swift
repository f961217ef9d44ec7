import Datasets
import Formats
import Foundation
import HTTPTypes
import TenantData
import Testing
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Assembly
@testable import Backups
@testable import ContentExport

/// What a restore is refused for before it starts: each problem is named.
@Suite struct RefusalTests {
    private static let fields = [ContentField(name: "title", kind: .text), ContentField(name: "count", kind: .integer)]

    private func backup() async throws -> LoadedBackup {
        let fixture = try await BackupFixture()
        try await fixture.put("note", Self.fields, (1...3).map { #"{"id":"\#($0)","title":"t","count":\#($0)}"# })
        try await fixture.put("other", Self.fields, [#"{"id":"a"}"#])
        return try LoadedBackup(try await fixture.backup())
    }

    /// Uploads a backup and asks for the restore to start.
    /// - Returns: what the refusal says of each problem.
    private func refusal(
        _ backup: LoadedBackup, trusting keys: [String] = [], leavingOut: Set<String> = []
    ) async throws -> [String] {
        let other = try await BackupFixture(trustedKeys: keys)
        let token = try await other.token()
        let empty = try await other.backup().files()
        let box = TextBox()
        try await other.serve { caller in
            let id = try await caller.upload(backup, token, leavingOut: leavingOut)
            let refused = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            try #require(refused.status == 409, "\(refused.text)")
            #expect(refused.json?["code"]?.string == "RESTORE_NOT_READY")
            let details = refused.json?["details"]?.array ?? []
            box.set(details.map { "\($0["file"]?.string ?? ""): \($0["reason"]?.string ?? "")" })
            #expect(try await other.tester.runNext() == false)
            #expect(try await caller.restore(id, token)?["status"]?.string == "open")
        }
        #expect(try await other.backup().files() == empty)
        return box.texts
    }

    // MARK: Columns

    /// What a manifest says of the columns of the notes, and what is said of that.
    static let columns: [(edit: @Sendable (inout [LosslessColumn]) -> Void, reasons: [String])] = [
        ({ $0.append(LosslessColumn("more", .text)) }, ["the column ‘more’ is not known"]),
        ({ $0.removeAll { $0.name == "title" } }, ["the column ‘title’ is missing"]),
        (
            { $0[3] = LosslessColumn("name", .text) }, ["the column ‘name’ is not known", "the column ‘title’ is missing"]
        ),
        (
            { $0[4] = LosslessColumn("count", .number) },
            ["the column ‘count’ is of the type number, and integer is wanted"]
        ),
        (
            { ($0[3], $0[4]) = (LosslessColumn("more", .text), LosslessColumn("most", .text)) },
            [
                "the column ‘more’ is not known", "the column ‘most’ is not known", "the column ‘title’ is missing",
                "the column ‘count’ is missing",
            ]
        ),
    ]

    @Test(
        "columns of a manifest that are unknown, missing, renamed or of another type are each a 409 at the start",
        arguments: 0..<5)
    func columns(_ index: Int) async throws {
        var backup = try await backup()
        try backup.seal { manifest in
            let place = try #require(manifest.entities.firstIndex { $0.name == "items-note" })
            Self.columns[index].edit(&manifest.entities[place].columns)
        }
        #expect(try await refusal(backup) == Self.columns[index].reasons.map { "items-note.csv: \($0)" })
    }

    @Test("a column that stands twice is refused with its manifest, and told of where no manifest was read")
    func twice() async throws {
        var backup = try await backup()
        let manifest = try BackupManifest.open(backup.manifest)
        var entity = try #require(manifest.entities.first { $0.name == "schedules" })
        entity.columns.append(entity.columns[0])
        #expect(
            Entities.registry.mismatches(of: entity, RestoredRows()).map(\.reason)
                == ["the column ‘\(entity.columns[0].name)’ stands twice"])
        try backup.seal { [entity] manifest in
            let place = try #require(manifest.entities.firstIndex { $0.name == "schedules" })
            manifest.entities[place] = entity
        }
        try await expectRefusal(of: backup.manifest, saying: "names a column of schedules twice")
    }

    @Test("a manifest of a newer Waybill is refused when it comes, and says to use a newer one")
    func newer() async throws {
        var backup = try await backup()
        try backup.seal { $0.schemaVersion = 99 }
        try await expectRefusal(of: backup.manifest, saying: "schema version 99")
    }

    /// - Parameter manifest: is sent, and refused.
    private func expectRefusal(of manifest: [UInt8], saying reason: String) async throws {
        let other = try await BackupFixture()
        let token = try await other.token()
        try await other.serve { caller in
            let id = try #require(try await caller.send(.post, "/backup/restores", token).json?["id"]?.string)
            let refused = try await caller.put(id, "manifest.json", manifest, token)
            #expect(refused.status == 422)
            #expect(refused.text.contains(reason), "\(refused.text)")
            #expect(try await caller.restore(id, token)?["missing"]?.array == ["manifest.json"])
        }
    }

    // MARK: Counts

    @Test("a count of rows that is wrong is a 409 where a file is read as a whole, and else fails the job with both numbers")
    func counts() async throws {
        let whole = try await backup()
        for (name, rows) in [("content-types", "it has 2 rows, and the manifest says 3"), ("items-note", "it has 3 rows, and")] {
            var backup = whole
            try backup.seal { manifest in
                let place = try #require(manifest.entities.firstIndex { $0.name == name })
                manifest.entities[place].files[0].rows += 1
                manifest.entities[place].rows += 1
            }
            if name == "content-types" {
                #expect(try await refusal(backup) == ["content-types.csv: \(rows)"])
                continue
            }
            let other = try await BackupFixture()
            let token = try await other.token()
            try await other.serve { [backup] caller in
                let id = try await caller.upload(backup, token)
                #expect(try await caller.send(.post, "/backup/restores/\(id)/start", token).status == 202)
                try await other.work()
                let shown = try await caller.restore(id, token)
                #expect(shown?["status"]?.string == "failed")
                #expect(shown?["error"]?["message"]?.string == "items-note.csv: it has 3 rows, and the manifest says 4")
            }
            #expect(try await other.backup().files()["items-note.csv"] == nil)
        }
    }

    // MARK: All of them

    @Test("several entities that do not match are all named, and so are files that can't be read")
    func several() async throws {
        var backup = try await backup()
        backup.files["notices.csv"] = "user\r\n"
        backup.files["schedules.csv"] = backup.files["schedules.csv"].map { $0 + "a,b\r\n" }
        try backup.seal { manifest in
            for name in ["items-note", "items-other"] {
                let place = try #require(manifest.entities.firstIndex { $0.name == name })
                manifest.entities[place].columns[3].name = "name"
            }
        }
        let found = try await refusal(backup)
        for file in ["items-note.csv", "items-other.csv"] {
            #expect(found.contains("\(file): the column ‘name’ is not known"))
            #expect(found.contains("\(file): the column ‘title’ is missing"))
        }
        for file in ["notices.csv: ", "schedules.csv: "] { #expect(found.contains { $0.hasPrefix(file) }, "\(found)") }
        #expect(found.count == 6, "\(found)")
    }

    @Test("every manifest of a chain that is missing is named, with what is missing of those that are there")
    func manifests() async throws {
        let fixture = try await BackupFixture()
        try await fixture.put("note", Self.fields, [#"{"id":"a"}"#])
        let first = try await fixture.backup()
        try await fixture.put("note", Self.fields, [#"{"id":"b"}"#])
        let third = try LoadedBackup(try await fixture.increment(of: first))
        let token = try await fixture.token("globex")
        try await fixture.serve { caller in
            let id = try #require(try await caller.send(.post, "/backup/restores", token).json?["id"]?.string)
            #expect(try await caller.put(id, "manifest.json", third.manifest, token, backup: 3).status == 200)
            let notes = Array(try #require(third.files["items-note.csv"]).utf8)
            #expect(try await caller.put(id, "items-note.csv", notes, token, backup: 3).status == 200)
            #expect(try await caller.put(id, "items-note.csv", notes, token, backup: 2).status == 200)
            let refused = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            #expect(refused.status == 409)
            let named = refused.json?["details"]?.array?.compactMap { $0["file"]?.string } ?? []
            #expect(named.prefix(3) == ["manifest.json", "1/manifest.json", "2/manifest.json"])
            let missing = third.files.keys.filter { $0 != "items-note.csv" }.map { "3/\($0)" }
            #expect(Set(named.dropFirst(3)) == Set(missing))
        }
    }

    @Test("of more than a hundred problems a hundred are named, and the text says how many more there are")
    func many() async throws {
        let fixture = try await BackupFixture()
        for number in 0..<110 { try await fixture.put("t\(number)", [ContentField(name: "a", kind: .text)], []) }
        let backup = try LoadedBackup(try await fixture.backup())
        let token = try await fixture.token("globex")
        try await fixture.serve { caller in
            let id = try #require(try await caller.send(.post, "/backup/restores", token).json?["id"]?.string)
            _ = try await caller.put(id, "manifest.json", backup.manifest, token)
            let refused = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            #expect(refused.status == 409 && refused.json?["details"]?.array?.count == 100)
            #expect(refused.json?["detail"]?.string?.hasSuffix("and \(backup.files.count - 5) more") == true, "\(refused.text)")
        }
    }

    // MARK: Who has signed

    /// The public key of those who seal with `seal`.
    private func key(_ backup: LoadedBackup) throws -> String { try BackupManifest.open(backup.manifest).publicKey }

    @Test("a backup of an installation whose key is trusted is restored without a warning")
    func trusted() async throws {
        var backup = try await backup()
        try backup.seal()
        let other = try await BackupFixture(trustedKeys: [try key(backup)])
        let token = try await other.token()
        try await other.serve { [backup] caller in
            let id = try await caller.upload(backup, token)
            #expect(try await caller.restore(id, token)?["warnings"]?.array?.isEmpty == true)
            #expect(try await caller.send(.post, "/backup/restores/\(id)/start", token).status == 202)
            try await other.work()
            #expect(try await caller.restore(id, token)?["status"]?.string == "completed")
        }
        #expect(try await other.backup().files()["items-note.csv"] == backup.files["items-note.csv"])
    }

    @Test("where keys are trusted, a backup that another one has signed is refused, and the key is named")
    func untrusted() async throws {
        var backup = try await backup()
        let own = try await BackupFixture().backup().manifest().publicKey
        try backup.seal(by: 3)
        let stranger = try key(backup)
        #expect(
            try await refusal(backup, trusting: [own]) == [
                "manifest.json: it is signed by a key that backup.trustedKeys does not name, \(stranger)"
            ])
        let found = try await refusal(backup, trusting: [own], leavingOut: ["items-note.csv"])
        #expect(found.map { $0.prefix { $0 != ":" } } == ["manifest.json", "items-note.csv"], "all that is wrong is named")
    }

    @Test("every strange signer of a chain is named; an installation's own backups need no trust")
    func strangers() async throws {
        let fixture = try await BackupFixture(trustedKeys: ["AAAA"])
        try await fixture.put("note", Self.fields, [#"{"id":"a"}"#])
        let made = try await fixture.backup()
        let increment = try LoadedBackup(try await fixture.increment(of: made))
        var full = try LoadedBackup(made)
        let token = try await fixture.token("globex")
        try await fixture.serve { [full] caller in
            let id = try await caller.upload(chain: [full, increment], token)
            #expect(try await caller.send(.post, "/backup/restores/\(id)/start", token, body: #"{"dryRun": true}"#).status == 202)
            try await fixture.work()
        }
        var other = increment
        try full.seal(by: 3)
        try other.seal(by: 4)
        let keys = [try key(full), try key(other)]
        try await fixture.serve { [full, other] caller in
            let id = try await caller.upload(chain: [full, other], token)
            let refused = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            let reasons = refused.json?["details"]?.array?.compactMap { $0["reason"]?.string } ?? []
            for key in keys { #expect(reasons.contains { $0.hasSuffix(", \(key)") }, "\(reasons)") }
        }
    }

    @Test("where no keys are trusted, a backup of another installation is taken, with a warning that names its key")
    func warned() async throws {
        var backup = try await backup()
        try backup.seal(by: 3)
        let stranger = try key(backup)
        let other = try await BackupFixture()
        let token = try await other.token()
        try await other.serve { [backup] caller in
            let id = try await caller.upload(backup, token)
            let warnings = try await caller.restore(id, token)?["warnings"]?.array
            #expect(
                warnings == [.string("the backup is signed by an installation that is not known here: \(stranger)")])
            #expect(try await caller.send(.post, "/backup/restores/\(id)/start", token).status == 202)
            try await other.work()
            #expect(try await caller.restore(id, token)?["status"]?.string == "completed")
        }
    }
}

/// What a closure that serves leaves.
private final class TextBox: @unchecked Sendable {
    // Safe because it is set before `serve` returns, and read after it.
    private(set) var texts: [String] = []
    func set(_ texts: [String]) { self.texts = texts }
}
