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

/// `since: last`: which backup that is, and what is kept for it.
@Suite struct LastBackupTests {
    private func since(_ result: JobTester.Result) throws -> String? { try result.manifest().since?.jobId }

    @Test("the newest backup that will do is the base; without one the backup is full")
    func newest() async throws {
        let fixture = try await BackupFixture()
        let first = try await fixture.increment()
        #expect(try since(first) == nil)
        _ = try await fixture.backup(tenant: "other")
        let content = try await fixture.backup(BackupRequest(entities: ["content"], blobs: true))
        let second = try await fixture.increment()
        #expect(try since(second) == first.job.id.text, "one with other entities will not do, and one of another tenant neither")
        let third = try await fixture.increment()
        #expect(try since(third) == second.job.id.text)
        let more = try await fixture.backup(BackupRequest(entities: ["content"], blobs: true, since: "last"))
        #expect(try since(more) == content.job.id.text)
        // One that is gone, or whose files are, is the base of none.
        try await fixture.tester.engine.delete(third.job.id)
        #expect(try since(try await fixture.increment()) == second.job.id.text)
        _ = try await fixture.tester.engine.revokeArtifacts(of: first.job)
        #expect(try since(try await fixture.increment()) == nil)
    }

    @Test("a chain begins anew when its full backup is as old as tombstones are kept")
    func renewed() async throws {
        let fixture = try await BackupFixture()
        let full = try await fixture.backup()
        var last = full
        for _ in 0..<3 {
            fixture.tester.time.advance(by: .seconds(9 * 86_400))
            let next = try await fixture.increment()
            #expect(try since(next) == last.job.id.text)
            last = next
        }
        fixture.tester.time.advance(by: .seconds(4 * 86_400))
        #expect(try since(try await fixture.increment()) == nil)
    }

    @Test("a schedule with `last` makes a full backup and then increments")
    func scheduled() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let body = #"{"cron": "0 3 * * *", "since": "last"}"#
            let made = try await caller.send(.post, "/backup/schedule", token, body: body)
            #expect(made.status == 201 && made.json?["since"]?.string == "last")
            for _ in 0..<3 {
                fixture.tester.time.advance(by: .seconds(86_400))
                try await fixture.tester.engine.sweepNext()
                try await fixture.know()
                try await fixture.work()
            }
            let list = try await caller.send(.get, "/backup/jobs", try await fixture.token()).json?.array
            let ids = list?.compactMap { $0["jobId"]?.string } ?? []
            #expect(ids.count == 3)
            var bases: [String?] = []
            for id in ids {
                let shown = try await caller.send(.get, "/backup/jobs/\(id)", try await fixture.token()).json
                #expect(shown?["status"]?.string == "completed")
                bases.append(shown?["manifest"]?["since"]?["jobId"]?.string)
            }
            #expect(bases == [nil, ids[0], ids[1]])
        }
    }

    @Test("what an increment can't be restored without stays as long as it does, and is not removed before it")
    func kept() async throws {
        let fixture = try await BackupFixture()
        let base = try await fixture.backup()
        fixture.tester.time.advance(by: .seconds(20 * 86_400))
        let increment = try await fixture.increment(of: base)
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let refused = try await caller.send(.delete, "/backup/jobs/\(base.job.id)", token)
            #expect(refused.status == 409 && refused.json?["code"]?.string == "BACKUP_NEEDED", "\(refused.text)")
            #expect(refused.text.contains(increment.job.id.text))
        }
        fixture.tester.time.advance(by: .seconds(15 * 86_400))
        try await fixture.sweepAll()
        // Its own time has passed; that of its increment has not.
        try await fixture.serve { caller in
            let token = try await fixture.token()
            let body = #"{"mode": "replace", "from": "\#(increment.job.id)"}"#
            let opened = try await caller.send(.post, "/backup/restores", token, body: body)
            #expect(opened.status == 201, "\(opened.text)")
            #expect(try await caller.send(.delete, "/backup/jobs/\(increment.job.id)", token).status == 204)
            #expect(try await caller.send(.delete, "/backup/jobs/\(base.job.id)", token).status == 204)
            #expect(try await fixture.count("backup_marks") == 0)
            #expect(try await caller.send(.post, "/backup/restores", token, body: body).status == 400)
        }
    }

    @Test("no more backups belong together than can be merged")
    func long() async throws {
        let fixture = try await BackupFixture()
        var mark = try await fixture.marked(try await fixture.backup(BackupRequest(entities: ["schedules"], blobs: true)))
        mark.chain = (1..<BackupChain.linksMax).map { _ in mark.job } + [mark.job]
        try await fixture.database.write { [mark] in try BackupMarkStore().put(mark, in: $0) }
        let request = BackupRequest(entities: ["schedules"], blobs: true, since: mark.job)
        #expect(try await fixture.backup(request).job.failure?.code == "SINCE_CHAIN_TOO_LONG")
        let last = try await fixture.backup(BackupRequest(entities: ["schedules"], blobs: true, since: "last"))
        #expect(try since(last) == nil)
    }
}

extension BackupFixture {
    func marked(_ result: JobTester.Result) async throws -> BackupMark {
        let tenant = result.job.tenant
        return try #require(try await database.read { try BackupMarkStore().find(result.job.id.text, of: tenant, in: $0) })
    }

    func sweepAll() async throws {
        for _ in 0..<5 { try await tester.engine.sweepNext() }
    }
}
