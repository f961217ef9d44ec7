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

/// A backup that was loaded down: its files by name, and the manifest.
struct LoadedBackup: Sendable {
    var files: [String: String]
    var blobs: [String: [UInt8]]
    var manifest: [UInt8]

    init(_ result: JobTester.Result) throws {
        blobs = result.blobFiles()
        files = try result.files()
        manifest = try #require(result.artifacts[BackupManifest.fileName])
    }
}

extension Caller {
    /// Opens a restore and uploads all documents, the manifest last.
    func upload(
        _ backup: LoadedBackup, _ headers: HTTPFields, body: String = "{}", leavingOut: Set<String> = []
    ) async throws -> String {
        let opened = try await send(.post, "/backup/restores", headers, body: body)
        #expect(opened.status == 201, "\(opened.text)")
        let id = try #require(opened.json?["id"]?.string)
        for (name, text) in backup.files where !leavingOut.contains(name) {
            let answer = try await put(id, name, Array(text.utf8), headers)
            #expect(answer.status == 200, "\(answer.text)")
        }
        for (name, bytes) in backup.blobs where !leavingOut.contains(name) {
            let answer = try await put(id, name, bytes, headers)
            #expect(answer.status == 200, "\(answer.text)")
        }
        if !leavingOut.contains(BackupManifest.fileName) {
            let answer = try await put(id, BackupManifest.fileName, backup.manifest, headers)
            #expect(answer.status == 200, "\(answer.text)")
        }
        return id
    }

    func put(_ id: String, _ name: String, _ bytes: [UInt8], _ headers: HTTPFields) async throws -> Answer {
        var headers = headers
        headers[.contentType] = name.hasPrefix("manifest.json") ? "application/json" : "text/csv"
        if name.hasPrefix("blobs") { headers[.contentType] = "application/octet-stream" }
        return try await send(.put, "/backup/restores/\(id)/documents/\(name)", headers, bytes: bytes)
    }

    func restore(_ id: String, _ headers: HTTPFields) async throws -> JSONValue? {
        try await send(.get, "/backup/restores/\(id)", headers).json
    }
}

@Suite struct RestoreTests {
    static let fields = [
        ContentField(name: "title", kind: .text, isIndexed: true), ContentField(name: "count", kind: .integer, isIndexed: true),
        ContentField(name: "size", kind: .number), ContentField(name: "tags", kind: .tags, isIndexed: true),
        ContentField(name: "at", kind: .datetime), ContentField(name: "more", kind: .json),
        ContentField(name: "sizes", kind: .number, isList: true), ContentField(name: "done", kind: .boolean),
    ]
    static let items =
        [
            #"{"id":"a","title":"a, \"b\"\r\nc","count":-9223372036854775808,"size":0.1,"at":"2013-01-01T03:00:00Z"}"#,
            #"{"id":"b","title":"","tags":["x","é"],"more":{"a":[1]},"sizes":[1,2.5],"language":"de","readers":["role:x"]}"#,
            #"{"id":"c","title":"=1+1","more":[]}"#, #"{"id":"d","title":" é😀\u0001","done":false,"more":"text"}"#,
        ] + (0..<5000).map { #"{"id":"n\#(10000 + $0)","title":"number \#($0 % 7)","count":\#($0)}"# }

    private func filled(archiveBytes: Int64 = 100 << 20) async throws -> BackupFixture {
        let fixture = try await BackupFixture(archiveBytes: archiveBytes, commitsOften: true)
        try await fixture.put("note.x", Self.fields, Self.items)
        try await fixture.put("empty", [ContentField(name: "note", kind: .reference, target: "note.x")], [])
        let principal = try fixture.principal()
        _ = try await fixture.floor.keys.create(
            id: "key", tenant: principal.tenant, user: "bot", roles: ["reader"], name: "k", expiresAt: nil,
            random: Array(0..<32), now: fixture.floor.time.now())
        try await fixture.tester.engine.put(
            JobSchedule(
                name: "nightly", cron: "0 3 * * *", kind: BackupJob.kind, principal: principal,
                input: try JobCoding.encode(BackupRequest(entities: nil, blobs: true))))
        try await fixture.database.write { session in
            try session.execute("INSERT INTO notify_cursors (tenant, number) VALUES ('acme', 9)")
            for number in [3, 5] {
                try session.execute(
                    """
                    INSERT INTO notify_entries (tenant, user_id, number, job_id, kind, outcome, title, message, created_at)
                    VALUES ('acme', 'ann', $1, '01890a5d-ac96-774b-bcce-b302099a8057', 'k', 'completed', $2, '', 5)
                    """, number, "notice \(number)")
            }
        }
        return fixture
    }

    @Test("a backup that is restored elsewhere and backed up again has the same files but for times", arguments: [0, 1, 2, 4])
    func roundTrip(_ crash: Int) async throws {
        let backup = try LoadedBackup(try await filled(archiveBytes: 60_000).backup())
        #expect(backup.files["items-note~x.2.csv"] != nil)
        let other = try await BackupFixture(archiveBytes: 60_000, commitsOften: true)
        let token = try await other.token("globex")
        try await other.serve { [backup] caller in
            let id = try await caller.upload(backup, token)
            #expect(try await caller.restore(id, token)?["missing"]?.array?.isEmpty == true)
            #expect(try await caller.restore(id, token)?["problems"]?.array?.isEmpty == true)
            let started = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            #expect(started.status == 202, "\(started.text)")
            let job = try #require(started.json?["jobId"]?.string.flatMap { JobID($0) })
            let crashes: [JobTester.Crash] = crash == 0 ? [] : [.beforeCommit(crash), .afterCommit(crash, attempt: 2)]
            let result = try await other.tester.finish(job, crashes: crashes)
            #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
            #expect(try await caller.restore(id, token)?["status"]?.string == "completed")
            while case .worked = try await other.database.write({ try ContentStore().sweep(in: $0) }) {}
        }
        let again = try LoadedBackup(try await other.backup(tenant: "globex"))
        var (left, right) = (backup.files, again.files)
        // Keys arrive revoked.
        let keys = (left.removeValue(forKey: "api-keys.csv"), right.removeValue(forKey: "api-keys.csv"))
        #expect(keys.0?.contains("Z,,,\r\n") == true && keys.1?.contains("Z,,,\r\n") == false)
        #expect(keys.1?.contains("key,") == true)
        #expect(left == right)
    }

    @Test("items that were restored are found by their indexes, and counted")
    func usable() async throws {
        let backup = try LoadedBackup(try await filled().backup(BackupRequest(entities: ["content"], blobs: true)))
        let other = try await BackupFixture()
        let token = try await other.token()
        try await other.serve { [backup] caller in
            let id = try await caller.upload(backup, token)
            _ = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            try await other.work()
        }
        let tenant = try other.principal().tenant
        try await other.database.read { session in
            let store = ContentStore()
            let space = try #require(try store.space(of: tenant, in: session)).id
            let type = try #require(try store.type("note.x", space: space, in: session))
            #expect(try store.itemCount(type: type.id, space: space, in: session) == 5004)
            let index = try #require(type.field("title")?.indexID)
            let rows = try session.count(
                "SELECT count(*) FROM content_index WHERE space = $1 AND field_id = $2", space, index)
            #expect(rows == 5004)
            #expect(type.fields.filter(\.isIndexed).allSatisfy { $0.isIndexReady })
            let item = try #require(try store.item("b", of: type, space: space, in: session))
            #expect(item.readers?.entries == ["role:x"])
            #expect(item.language == "de")
        }
    }

    @Test("a restore can be undone while what was there before is kept")
    func undo() async throws {
        let backup = try LoadedBackup(try await filled().backup())
        let other = try await BackupFixture()
        try await other.put("mine", [ContentField(name: "n", kind: .integer)], [#"{"id":"x","n":1}"#])
        let before = try await other.backup().files()
        let token = try await other.token()
        try await other.serve { [backup] caller in
            #expect(try await caller.send(.post, "/backup/restores", token).status == 409)
            let id = try await caller.upload(backup, token, body: #"{"mode": "replace"}"#)
            _ = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            try await other.work()
            #expect(try await caller.restore(id, token)?["status"]?.string == "completed")
            #expect(try await caller.restore(id, token)?["undoUntil"]?.string != nil)
            let during = try await other.backup().files()
            #expect(during["items-mine.csv"] == nil && during["items-note~x.csv"] != nil)
            let undone = try await caller.send(.post, "/backup/restores/\(id)/undo", token)
            #expect(undone.status == 200, "\(undone.text)")
            #expect(undone.json?["status"]?.string == "undone")
            let again = try await caller.send(.post, "/backup/restores/\(id)/undo", token)
            #expect(again.status == 409 && again.json?["status"]?.integer == 409)
            #expect(again.json?["restoreStatus"]?.string == "undone", "\(again.text)")
        }
        #expect(try await other.backup().files() == before)
        while case .worked = try await other.database.write({ try ContentStore().sweep(in: $0) }) {}
        #expect(try await other.count("content_spaces") == 0)
        #expect(try await other.count("content_items") == 1)
    }

    @Test("after its time what was there before goes, and can't be had back")
    func kept() async throws {
        let backup = try LoadedBackup(try await filled().backup())
        let other = try await BackupFixture()
        try await other.put("mine", [ContentField(name: "n", kind: .integer)], [#"{"id":"x","n":1}"#])
        let token = try await other.token()
        try await other.serve { [backup] caller in
            let id = try await caller.upload(backup, token, body: #"{"mode": "replace"}"#)
            _ = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            try await other.work()
            other.tester.time.advance(by: .seconds(8 * 86_400))
            let late = try await caller.send(.post, "/backup/restores/\(id)/undo", try await other.token())
            #expect(late.status == 409)
            #expect(late.json?["code"]?.string == "UNDO_EXPIRED")
        }
        let now = other.tester.time.now()
        try await other.database.write { try ContentStore().dropKeptSpaces(now: now, in: $0) }
        while case .worked = try await other.database.write({ try ContentStore().sweep(in: $0) }) {}
        #expect(try await other.count("content_items") == 5004)
    }

    @Test("what is missing or does not match is told, and nothing starts")
    func notReady() async throws {
        let fixture = try await filled()
        let backup = try LoadedBackup(try await fixture.backup())
        let token = try await fixture.token("globex")
        try await fixture.serve { caller in
            let id = try await caller.upload(backup, token, leavingOut: ["items-empty.csv", "manifest.json"])
            #expect(try await caller.restore(id, token)?["missing"]?.array == ["manifest.json"])
            #expect(try await caller.restore(id, token)?["documents"]?.array?.first?["state"]?.string == "waiting")
            _ = try await caller.put(id, "manifest.json", backup.manifest, token)
            #expect(try await caller.restore(id, token)?["missing"]?.array == ["items-empty.csv"])
            _ = try await caller.put(id, "notices.csv", Array("user\r\n".utf8), token)
            _ = try await caller.put(id, "strange.csv", Array("a\r\n".utf8), token)
            let shown = try await caller.restore(id, token)
            let wrong = shown?["problems"]?.array?.compactMap { $0["file"]?.string }
            #expect(wrong == ["notices.csv", "strange.csv"])
            let refused = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            #expect(refused.status == 409)
            #expect(refused.json?["code"]?.string == "RESTORE_NOT_READY")
            let named = Set(refused.json?["details"]?.array?.compactMap { $0["file"]?.string } ?? [])
            #expect(named == ["items-empty.csv", "notices.csv", "strange.csv"])
            #expect(try await caller.put(id, "manifest.json", Array("{}".utf8), token).status == 422)
            #expect(try await fixture.tester.runNext() == false)
        }
    }

    /// Changes of files that no restore may take, with what it says; the manifest is made anew around them.
    static let damages: [(file: String, from: String, to: String, reason: String, isSeenAtStart: Bool)] = [
        ("items-note~x.csv", "id,language,readers,title", "id,language,readers,name", "the column ‘name’ is not known", true),
        ("items-note~x.csv", "\r\nc,,,", "\r\na,,,", "items-note~x.csv, line 5: the key ‘a’ comes before", false),
        ("items-note~x.csv", "\r\nd,,,", "\r\nc,,,", "items-note~x.csv, line 6: the key ‘c’ is there twice", false),
        ("items-note~x.csv", ",-9223372036854775808,", ",9223372036854775808,", "items-note~x.csv, line 2:", false),
        ("items-note~x.csv", ",=1+1,", ",=1+1,,", "items-note~x.csv, line 5: 12 fields, and the header has 11", false),
        ("items-note~x.csv", ",0.1,", ",zero,", "items-note~x.csv, line 2:", false),
        ("content-types.csv", "note.x,", "other,", "does not know the entity items-note~x", true),
        ("schedules.csv", "0 3 * * *", "every day", "schedules.csv, line 2:", false),
    ]

    @Test("a damaged file is refused with its name, the line and the reason, and nothing is written", arguments: 0..<8)
    func refusals(_ index: Int) async throws {
        let damage = Self.damages[index]
        let source = try await filled()
        var backup = try LoadedBackup(try await source.backup())
        let text = try #require(backup.files[damage.file])
        #expect(text.contains(damage.from))
        backup.files[damage.file] = text.replacing(damage.from, with: damage.to, maxReplacements: 1)
        try backup.seal()
        let other = try await BackupFixture(commitsOften: true)
        let token = try await other.token()
        let empty = try await other.backup().files()
        try await other.serve { [backup] caller in
            let id = try await caller.upload(backup, token)
            let started = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            // What can't be told without reading all rows is for the job to find.
            try #require(started.status == (damage.isSeenAtStart ? 409 : 202), "\(started.text)")
            if damage.isSeenAtStart {
                #expect(started.json?["code"]?.string == "RESTORE_NOT_READY")
                #expect(started.json?["detail"]?.string?.contains(damage.reason) == true, "\(started.text)")
                #expect(try await caller.restore(id, token)?["status"]?.string == "open")
            } else {
                try await other.work()
                let shown = try await caller.restore(id, token)
                #expect(shown?["status"]?.string == "failed")
                #expect(shown?["error"]?["message"]?.string?.contains(damage.reason) == true, "\(String(describing: shown))")
            }
        }
        #expect(try await other.backup().files() == empty)
        while case .worked = try await other.database.write({ try ContentStore().sweep(in: $0) }) {}
        #expect(try await other.count("content_spaces") == 0)
        #expect(try await other.count("content_items") == 0)
    }

    @Test("columns in another order are taken")
    func order() async throws {
        let source = try await BackupFixture()
        try await source.put("n", [ContentField(name: "t", kind: .text)], [#"{"id":"a","t":"x"}"#])
        var backup = try LoadedBackup(try await source.backup(BackupRequest(entities: ["content"], blobs: true)))
        backup.files["items-n.csv"] = "t,readers,id,language\r\nx,,a,\r\n"
        try backup.seal()
        let other = try await BackupFixture()
        let token = try await other.token()
        try await other.serve { [backup] caller in
            let id = try await caller.upload(backup, token)
            #expect(try await caller.send(.post, "/backup/restores/\(id)/start", token).status == 202)
            try await other.work()
        }
        let files = try await other.backup().files()
        #expect(files["items-n.csv"] == "id,language,readers,t\r\na,,,x\r\n")
    }

    @Test("a tenant that has something is not restored to unless it is to be replaced, also if it has it only by then")
    func notEmpty() async throws {
        let fixture = try await filled(archiveBytes: 60_000)
        let made = try await fixture.backup()
        let body = #"{"from": "\#(made.job.id)"}"#
        let (token, other) = (try await fixture.token(), try await fixture.token("globex", roles: ["admin", "system"]))
        try await fixture.serve { caller in
            let refused = try await caller.send(.post, "/backup/restores", token, body: body)
            #expect(refused.status == 409 && refused.json?["code"]?.string == "TENANT_NOT_EMPTY", "\(refused.text)")
            #expect(try await caller.send(.get, "/backup/restores", token).text == "[]")
            for isStarted in [false, true] {
                let id = try #require(try await caller.send(.post, "/backup/restores", other, body: body).json?["id"]?.string)
                let started = try await caller.send(.post, "/backup/restores/\(id)/start", other)
                let job = try #require(started.json?["jobId"]?.string.flatMap { JobID($0) }, "\(started.text)")
                // Before it begins, or in the middle.
                if isStarted { try await fixture.dieAfterFirstCommit(of: job) }
                try await fixture.put("own", [ContentField(name: "t", kind: .text)], [#"{"id":"a"}"#], tenant: "globex")
                let result = try await fixture.tester.finish(job)
                #expect(result.job.failure?.code == "TENANT_NOT_EMPTY", "\(String(describing: result.job.failure))")
                #expect(try await caller.restore(id, other)?["status"]?.string == "failed")
                let files = try await fixture.backup(tenant: "globex").files()
                #expect(files.keys.filter { $0.hasPrefix("items-") } == ["items-own.csv"], "nothing of it has come")
                let tenant = try #require(TenantID("globex"))
                try await fixture.database.write(of: tenant) { session in
                    let store = ContentStore()
                    _ = try store.deleteType("own", by: try store.writing(for: tenant, in: session), in: session)
                }
            }
        }
    }

    @Test("a backup of this installation is restored without uploading it")
    func from() async throws {
        let fixture = try await filled(archiveBytes: 60_000)
        let made = try await fixture.backup()
        try await fixture.put("note.x", Self.fields, [#"{"id":"a","title":"changed"}"#, #"{"id":"new","title":"new"}"#])
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let opened = try await caller.send(
                .post, "/backup/restores", token, body: #"{"from": "\#(made.job.id)", "mode": "replace"}"#)
            #expect(opened.status == 201, "\(opened.text)")
            #expect(opened.json?["warnings"]?.array?.isEmpty == true)
            let id = try #require(opened.json?["id"]?.string)
            #expect(try await caller.send(.post, "/backup/restores/\(id)/start", token).status == 202)
            try await fixture.work()
            #expect(try await caller.restore(id, token)?["status"]?.string == "completed")
        }
        #expect(try await fixture.backup().files()["items-note~x.csv"] == made.files()["items-note~x.csv"])
    }

    @Test("a dry run reads everything and changes nothing; the restore can be started after it")
    func dryRun() async throws {
        let backup = try LoadedBackup(try await filled().backup())
        let other = try await BackupFixture()
        let token = try await other.token()
        let empty = try await other.backup().files()
        try await other.serve { [backup] caller in
            let id = try await caller.upload(backup, token)
            let started = try await caller.send(.post, "/backup/restores/\(id)/start", token, body: #"{"dryRun": true}"#)
            #expect(started.status == 202)
            try await other.work()
            let shown = try await caller.restore(id, token)
            #expect(shown?["status"]?.string == "open")
            let entities = shown?["result"]?["entities"]?.array
            #expect(entities?.first { $0["name"]?.string == "items-note~x" }?["rows"]?.integer == 5004)
            #expect(try await other.backup().files() == empty)
            #expect(try await caller.send(.post, "/backup/restores/\(id)/start", token).status == 202)
        }
    }

    @Test("a dry run says what would be added, changed and deleted")
    func rehearsal() async throws {
        let fixture = try await BackupFixture()
        let fields = [ContentField(name: "t", kind: .text), ContentField(name: "l", kind: .tags)]
        try await fixture.put("n", fields, (0..<5).map { #"{"id":"\#($0)","t":"x","l":["a"]}"# })
        let made = try await fixture.backup()
        try await fixture.put(
            "n", fields, [#"{"id":"1","t":"y","l":["a"]}"#, #"{"id":"new","t":"x"}"#, #"{"id":"2","t":"x","l":["a"]}"#])
        try await fixture.put("other", fields, [])
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let opened = try await caller.send(
                .post, "/backup/restores", token, body: #"{"from": "\#(made.job.id)", "mode": "replace"}"#)
            let id = try #require(opened.json?["id"]?.string)
            _ = try await caller.send(.post, "/backup/restores/\(id)/start", token, body: #"{"dryRun": true}"#)
            try await fixture.work()
            let entities = try await caller.restore(id, token)?["result"]?["entities"]?.array
            func changes(_ name: String) -> [Int64?] {
                let found = entities?.first { $0["name"]?.string == name }?["changes"]
                return ["added", "changed", "equal", "deleted"].map { found?[$0]?.integer }
            }
            #expect(changes("items-n") == [0, 1, 4, 1])
            #expect(changes("content-types") == [0, 0, 1, 1])
        }
    }

    @Test("another tenant's restore is for operators of the installation, and its documents are nobody else's")
    func others() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        let operating = try await fixture.token("ops", user: "root", roles: ["system"])
        try await fixture.serve { caller in
            #expect(try await caller.send(.post, "/backup/restores", token, body: #"{"tenant": "globex"}"#).status == 403)
            let opened = try await caller.send(.post, "/backup/restores", operating, body: #"{"tenant": "globex"}"#)
            #expect(opened.status == 201)
            let id = try #require(opened.json?["id"]?.string)
            #expect(try await caller.send(.get, "/backup/restores/\(id)", token).status == 404)
            #expect(try await caller.send(.get, "/backup/restores/\(id)?tenant=globex", operating).status == 200)
            #expect(try await caller.send(.delete, "/backup/restores/\(id)?tenant=globex", operating).status == 204)
            #expect(try await caller.send(.get, "/backup/restores?tenant=globex", operating).text == "[]")
        }
    }
}

extension LoadedBackup {
    /// Makes the manifest anew, as somebody with another key would.
    /// - Parameters:
    ///   - seed: of that key.
    ///   - edit: what he says of the files besides.
    mutating func seal(by seed: UInt8 = 9, _ edit: (inout BackupManifest) throws -> Void = { _ in }) throws {
        var changed = try BackupManifest.open(manifest)
        for entity in changed.entities.indices {
            for file in changed.entities[entity].files.indices {
                let name = changed.entities[entity].files[file].name
                let bytes = Array(try #require(files[name]).utf8)
                changed.entities[entity].files[file].bytes = Int64(bytes.count)
                changed.entities[entity].files[file].sha256 = sha256(bytes)
            }
        }
        try edit(&changed)
        manifest = try changed.sealed(by: Array(repeating: seed, count: 32)).bytes
    }
}
