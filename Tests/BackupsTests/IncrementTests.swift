import AuditTrail
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

/// What is in an increment, and what it is made of.
@Suite struct IncrementTests {
    private static let fields = [ContentField(name: "t", kind: .text, isIndexed: true), ContentField(name: "n", kind: .integer)]

    @Test("an increment has the changed rows and the keys of the deleted ones, and says what it follows")
    func changes() async throws {
        let fixture = try await BackupFixture(commitsOften: true)
        try await fixture.put("note.x", Self.fields, ["a", "b", "c", "d", "e", "f"].map { #"{"id":"\#($0)","t":"old"}"# })
        try await fixture.put("still", Self.fields, [#"{"id":"x","t":"old"}"#])
        let base = try await fixture.backup()
        try await fixture.put("note.x", Self.fields, [#"{"id":"b","t":"new"}"#, #"{"id":"g","t":"new"}"#])
        try await fixture.delete("note.x", ["c", "d", "g"])
        // Made anew: one as it was, one as another.
        try await fixture.put("note.x", Self.fields, [#"{"id":"d","t":"anew"}"#, #"{"id":"f","t":"old","readers":["role:x"]}"#])
        let made = try await fixture.increment(of: base)
        #expect(try made.lines("items-note~x.csv") == ["b,,,new,", "d,,,anew,", #"f,,"[""role:x""]",old,"#])
        // One that was never in the base may stand there, and one that was made anew.
        #expect(try made.lines("deleted-note~x.csv") == ["c,", "d,", "g,"])
        #expect(try made.lines("items-still.csv") == [])
        #expect(try made.lines("deleted-still.csv") == [])
        let scopes = try made.scopes()
        #expect(scopes["items-note~x"] == "changes" && scopes["deleted-note~x"] == "deletions")
        #expect(scopes["content-types"] == "whole" && scopes["notices"] == "whole" && scopes["audit-events"] == "changes")
        let manifest = try made.manifest()
        let since = try #require(manifest.since)
        #expect(since.jobId == base.job.id.text)
        #expect(try since.cutAt == base.manifest().cutAt)
        #expect(try since.manifestSha256 == sha256(#require(base.artifacts[BackupManifest.fileName])))
        #expect(manifest.schemaVersion == 3, "a Waybill that knows no increments must refuse it")
        #expect(manifest.entities.first { $0.name == "items-note~x" }?.total == 5)
        // A full one is told as before.
        let full = try base.manifest()
        #expect(full.since == nil && full.schemaVersion == 3 && full.entities.allSatisfy { $0.scope == nil })
    }

    @Test("a type that was made anew, or has other fields, is whole in an increment")
    func whole() async throws {
        let fixture = try await BackupFixture()
        for type in ["anew", "gone", "more", "same"] { try await fixture.put(type, Self.fields, [#"{"id":"a","t":"x"}"#]) }
        let base = try await fixture.backup()
        try await fixture.drop("gone")
        try await fixture.drop("anew")
        try await fixture.put("anew", Self.fields, [#"{"id":"b","t":"x"}"#])
        try await fixture.put("more", Self.fields + [ContentField(name: "m", kind: .boolean)], [])
        try await fixture.put("new", Self.fields, [#"{"id":"a"}"#])
        let made = try await fixture.increment(of: base)
        let scopes = try made.scopes()
        #expect(scopes["items-anew"] == "whole" && scopes["items-more"] == "whole" && scopes["items-new"] == "whole")
        #expect(scopes["items-same"] == "changes" && scopes["items-gone"] == nil && scopes["deleted-anew"] == nil)
        #expect(try made.lines("items-anew.csv") == ["b,,,x,"])
        #expect(try made.lines("items-more.csv") == ["a,,,x,,"])
        #expect(try await fixture.restored([base, made]) == fixture.state())
    }

    @Test("a restore between two backups makes the second one whole; so does undoing it")
    func restoredBetween() async throws {
        let fixture = try await BackupFixture()
        try await fixture.put("note", Self.fields, [#"{"id":"a","t":"1"}"#, #"{"id":"b","t":"1"}"#])
        let base = try await fixture.backup()
        try await fixture.put("note", Self.fields, [#"{"id":"a","t":"2"}"#])
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let body = #"{"mode": "replace", "from": "\#(base.job.id)"}"#
            let opened = try await caller.send(.post, "/backup/restores", token, body: body)
            let id = try #require(opened.json?["id"]?.string)
            #expect(try await caller.send(.post, "/backup/restores/\(id)/start", token).status == 202)
            try await fixture.work()
            try await fixture.put("note", Self.fields, [#"{"id":"b","t":"3"}"#])
            let during = try await fixture.increment(of: base)
            #expect(try during.scopes()["items-note"] == "whole")
            #expect(try during.lines("items-note.csv") == ["a,,,1,", "b,,,3,"])
            #expect(try await fixture.restored([base, during]) == fixture.state())
            #expect(try await caller.send(.post, "/backup/restores/\(id)/undo", token).status == 200)
            // What was there before is there again, with all that had changed in it.
            let undone = try await fixture.increment(of: base)
            #expect(try undone.lines("items-note.csv") == ["a,,,2,"])
            #expect(try await fixture.restored([base, undone]) == fixture.state())
            let after = try await fixture.increment(of: during)
            #expect(try after.scopes()["items-note"] == "whole")
        }
    }

    @Test("what is written and deleted while an increment is made is not in it", arguments: 1...3)
    func cut(_ commit: Int) async throws {
        let fixture = try await BackupFixture(commitsOften: true)
        try await fixture.put("note", Self.fields, (0..<9000).map { #"{"id":"i\#(10000 + $0)","n":\#($0)}"# })
        let base = try await fixture.backup()
        try await fixture.put("note", Self.fields, (0..<5000).map { #"{"id":"i\#(11000 + $0)","n":0}"# })
        try await fixture.delete("note", (0..<5000).map { "i\(11500 + $0)" })
        let whole = try await fixture.increment(of: base).files()
        try await fixture.know()
        let job = try await fixture.tester.engine.enqueue(
            BackupJob.self, BackupRequest(entities: nil, blobs: true, since: base.job.id.text), for: try fixture.principal())
        fixture.tester.crash(job.id, .afterCommit(commit))
        try await fixture.tester.runNext()
        // Now everything changes: deleted ones come again and go again, changed ones go.
        try await fixture.put("note", Self.fields, (0..<300).map { #"{"id":"i\#(11500 + $0)","n":1}"# })
        try await fixture.delete("note", (0..<200).map { "i\(11500 + $0)" } + ["i11001", "i10000"])
        try await fixture.put("note", Self.fields, [#"{"id":"i11002","n":7}"#])
        #expect(try await fixture.tester.finish(job.id).files() == whole)
    }

    @Test("an increment has the events of the audit log behind those of the backup before it")
    func audit() async throws {
        let fixture = try await BackupFixture()
        let tenant = try fixture.principal().tenant
        let store = AuditStore(isEnabled: true)
        @Sendable func record(_ targets: [String]) async throws {
            try await fixture.database.write(of: tenant) { session in
                for target in targets {
                    try store.record(
                        AuditEvent(
                            at: Timestamp(microseconds: 5), user: "ann", action: .contentItemDelete, target: target,
                            outcome: AuditEvent.success), of: tenant, in: session)
                }
            }
        }
        try await record(["a", "b"])
        let base = try await fixture.backup()
        #expect(try base.lines("audit-events.csv").count == 2)
        try await record(["c"])
        let first = try await fixture.increment(of: base)
        #expect(try first.lines("audit-events.csv").map { $0.hasPrefix("3,") } == [true])
        let none = try await fixture.increment(of: first)
        #expect(try none.lines("audit-events.csv") == [])
        try await record(["d", "e"])
        let last = try await fixture.increment(of: none)
        #expect(try last.lines("audit-events.csv").count == 2)
        let restored = try await (try BackupFixture()).restore([base, first, none, last])
        let audited = restored?["result"]?["entities"]?.array?.first { $0["name"]?.string == "audit-events" }
        #expect(audited?["rows"]?.integer == 5)
    }

    @Test("an increment is of a backup of the tenant that has completed, and has the same entities")
    func refusals() async throws {
        let fixture = try await BackupFixture()
        let base = try await fixture.backup()
        let other = try await fixture.backup(tenant: "other")
        let token = try await fixture.token()
        try await fixture.serve { caller in
            func refused(_ body: String) async throws -> (Int, String) {
                let answer = try await caller.send(.post, "/backup/schedule", token, body: body)
                return (answer.status, answer.text)
            }
            let id = base.job.id.text
            for body in [
                #"{"since": "\#(other.job.id)"}"#, #"{"since": "01890a5d-ac96-774b-bcce-b302099a8057"}"#, #"{"since": "first"}"#,
                #"{"since": "\#(id)", "entities": ["content"]}"#, #"{"since": "\#(id)", "cron": "0 3 * * *"}"#,
            ] {
                let (status, text) = try await refused(body)
                #expect(status == 400, "\(body): \(text)")
            }
            let running = try await caller.send(.post, "/backup/schedule", token)
            let pending = try #require(running.json?["jobId"]?.string)
            let (status, text) = try await refused(#"{"since": "\#(pending)"}"#)
            #expect(status == 409 && text.contains("SINCE_NOT_COMPLETED"))
            try await fixture.work()
            #expect(try await refused(#"{"since": "\#(pending)"}"#).0 == 202)
        }
    }

    @Test("an increment of a backup that is older than tombstones are kept is refused, when it is asked for and when it runs")
    func tooOld() async throws {
        let fixture = try await BackupFixture()
        let base = try await fixture.backup()
        let old = try await fixture.increment(of: base)
        fixture.tester.time.advance(by: .seconds(30 * 86_400 - 60))
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let body = #"{"since": "\#(old.job.id)"}"#
            let taken = try await caller.send(.post, "/backup/schedule", token, body: body)
            #expect(taken.status == 202, "\(taken.text)")
            let id = try #require(taken.json?["jobId"]?.string)
            fixture.tester.time.advance(by: .seconds(61))
            try await fixture.work()
            let failed = try await caller.send(.get, "/backup/jobs/\(id)", token).json
            #expect(failed?["error"]?["code"]?.string == "SINCE_TOO_OLD")
            let refused = try await caller.send(.post, "/backup/schedule", token, body: body)
            #expect(refused.status == 409 && refused.json?["code"]?.string == "SINCE_TOO_OLD")
            #expect(refused.json?["detail"]?.string?.contains("backup.tombstones") == true)
        }
    }

    @Test("tombstones and marks go when their time has passed, and nothing else does")
    func swept() async throws {
        let fixture = try await BackupFixture()
        try await fixture.put("note", Self.fields, (0..<10).map { #"{"id":"\#($0)"}"# })
        _ = try await fixture.backup()
        try await fixture.delete("note", ["0", "1", "2"])
        fixture.tester.time.advance(by: .seconds(100))
        try await fixture.delete("note", ["3", "4"])
        _ = try await fixture.backup()
        let before = fixture.tester.time.now().advanced(by: .seconds(-50))
        var slices = 0
        while try await fixture.database.write({ try ContentStore().removeTombstones(before: before, limit: 2, in: $0) }) {
            slices += 1
        }
        #expect(slices == 1)
        #expect(try await fixture.count("content_tombstones") == 2)
        try await BackupMarkSweep(database: fixture.database).run(
            olderThan: .seconds(50), now: fixture.tester.time.now())
        #expect(try await fixture.count("backup_marks") == 1)
        // Those of a type that goes go with it.
        try await fixture.drop("note")
        while case .worked = try await fixture.database.write({ try ContentStore().sweep(in: $0) }) {}
        #expect(try await fixture.count("content_tombstones") == 0)
        _ = try await fixture.database.write { try BackupFeature.eraseSlice(of: try fixture.principal().tenant, in: $0) }
        #expect(try await fixture.count("backup_marks") == 0)
    }
}

extension BackupFixture {
    /// What a chain gives where nothing was before.
    func restored(_ chain: [JobTester.Result], crashes: [JobTester.Crash] = []) async throws -> [String: String] {
        let other = try await BackupFixture(archiveBytes: archiveBytes, commitsOften: true)
        let restore = try await other.restore(chain, crashes: crashes)
        #expect(restore?["status"]?.string == "completed", "\(String(describing: restore))")
        return try await other.state()
    }
}
