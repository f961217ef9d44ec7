import AuditTrail
import Datasets
import Foundation
import HTTPTypes
import TenantData
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Backups
@testable import ContentExport

/// Whether backups can be restored, tried.
@Suite struct DrillTests {
    private static let tables = [
        "content_items", "content_types", "content_spaces", "content_tenants", "notify_entries", "web_api_keys",
        "engine_schedules",
        "audit_events", "audit_segments", "audit_earlier", "backup_restores", "backup_documents", "backup_copied",
        "drive_pools", "drive_usage",
    ]

    private func filled(archiveBytes: Int64 = 60_000) async throws -> BackupFixture {
        let fixture = try await BackupFixture(archiveBytes: archiveBytes, commitsOften: true)
        try await fixture.put("note.x", RestoreTests.fields, RestoreTests.items)
        try await fixture.put("empty", [ContentField(name: "note", kind: .text)], [])
        let principal = try fixture.principal()
        let now = fixture.floor.time.now()
        for (id, seed) in [("key", UInt8(1)), ("other", 2)] {
            _ = try await fixture.floor.keys.create(
                id: id, tenant: principal.tenant, user: "bot", roles: ["reader"], name: "k", expiresAt: nil,
                random: Array(repeating: seed, count: 32), now: now)
        }
        for roles in [["admin"], ["admin", "system"]] {
            try await fixture.tester.engine.put(
                JobSchedule(
                    name: "nightly \(roles.count)", cron: "* * * * *", kind: BackupJob.kind,
                    principal: Principal(tenant: principal.tenant, user: "ann", roles: Set(roles)),
                    input: try JobCoding.encode(BackupRequest(entities: nil, blobs: true))))
        }
        try await fixture.database.write { session in
            try session.execute(
                """
                INSERT INTO drive_pools (tenant, id, name, file_bytes_max, accept_types, allows_encryption, cost_factor,
                    is_default, created_at, updated_at) VALUES ('acme', '01890a5d-ac96-774b-bcce-b302099a8057', 'pictures', NULL,
                    'image/* text/csv', 1, 0.5, 1, 5, 6)
                """)
            try session.execute(
                """
                INSERT INTO drive_usage (tenant, account, used_bytes, used_files, reserved_bytes, reserved_files, bytes_max,
                    files_max) VALUES ('acme', '', 7, 1, 0, 0, 1000, NULL), ('acme', 'ann', 7, 1, 0, 0, NULL, NULL)
                """)
            try session.execute("INSERT INTO notify_cursors (tenant, number) VALUES ('acme', 9)")
            for number in [3, 5] {
                try session.execute(
                    """
                    INSERT INTO notify_entries (tenant, user_id, number, job_id, kind, outcome, title, message, created_at)
                    VALUES ('acme', $1, $2, '01890a5d-ac96-774b-bcce-b302099a8057', 'k', 'completed', 't', '', 5)
                    """, "user\(number)", number)
            }
        }
        var events: [AuditEvent] = []
        for number in 1...1500 {
            let id: String? = number % 3 == 0 ? "e\(number)" : nil
            let at = Timestamp(microseconds: Int64(number))
            events.append(AuditEvent(id: id, at: at, user: "u", action: AuditAction(rawValue: "VIEW"), target: "\(number)"))
        }
        try await fixture.database.write(of: principal.tenant) { [events] session in
            _ = try AuditStore(isEnabled: true).append(events, of: principal.tenant, in: session)
        }
        return fixture
    }

    private func drill(
        _ fixture: BackupFixture, backup: String? = nil, crashes: [JobTester.Crash] = []
    ) async throws -> JobTester.Result {
        try await fixture.tester.run(
            DrillJob.self, DrillJob.Input(backup: backup), for: try fixture.principal(), crashes: crashes)
    }

    private func report(_ fixture: BackupFixture, _ result: JobTester.Result) async throws -> DrillReport {
        let text = try await fixture.database.read(of: result.job.tenant) {
            try DrillStore().report(of: result.job.id, result.job.tenant, in: $0)
        }
        #expect(DrillReport.isSigned(try #require(text)))
        return try JobCoding.decode(DrillReport.self, try #require(text))
    }

    /// What there is of any scratch tenant, by table.
    private func leftovers(_ fixture: BackupFixture) async throws -> [String: Int] {
        while case .worked = try await fixture.database.write({ try ContentStore().sweep(in: $0) }) {}
        return try await fixture.database.read { session in
            var left: [String: Int] = [:]
            for table in Self.tables where !["content_items", "content_types"].contains(table) {
                let rows = try session.count("SELECT count(*) FROM \(table) WHERE tenant LIKE 'drill--%'")
                if rows > 0 { left[table] = rows }
            }
            let items = try session.count("SELECT count(*) FROM content_items")
            if items != RestoreTests.items.count { left["content_items"] = items }
            return left
        }
    }

    @Test("a drill restores the newest backup, finds it to be what its manifest says, and leaves nothing")
    func passes() async throws {
        let fixture = try await filled()
        _ = try await fixture.backup(BackupRequest(entities: ["notices"], blobs: true))
        let backup = try await fixture.backup()
        let result = try await drill(fixture)
        #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
        let report = try await report(fixture, result)
        #expect(report.outcome == .passed && report.drift.isEmpty)
        #expect(report.backupId == backup.job.id.text && report.tenant == "acme")
        #expect(report.steps.map(\.name) == [.restore, .compare, .drop])
        let manifest = try backup.manifest()
        #expect(report.entities.map(\.name) == manifest.entities.map(\.name))
        #expect(report.entities.map(\.rowsFound) == manifest.entities.map(\.rows))
        let items = try #require(report.entities.first { $0.name == "items-note~x" })
        #expect(items.comparison == .bytes && items.files.count > 2)
        #expect(items.files.map(\.sha256Found) == manifest.entities.first { $0.name == "items-note~x" }?.files.map(\.sha256))
        // What a restore changes on purpose is compared without that.
        let byValues = report.entities.filter { $0.comparison == .values }.map(\.name)
        #expect(byValues.sorted() == ["api-keys", "schedules"])
        #expect(
            result.artifacts[DrillReport.fileName].map { String(decoding: $0, as: UTF8.self) }.map(DrillReport.isSigned) == true)
        #expect(try result.output(DrillReport.self)?.signature == report.signature)
        #expect(try await leftovers(fixture) == [:])
        #expect(try await fixture.count("engine_schedules") == 2)
        #expect(try await fixture.count("web_api_keys WHERE revoked_at IS NULL") == 2)
    }

    @Test("a report that was changed is not the one that was signed")
    func signature() async throws {
        let fixture = try await filled()
        _ = try await fixture.backup(BackupRequest(entities: ["notices"], blobs: true))
        let text = String(decoding: try #require(try await drill(fixture).artifacts[DrillReport.fileName]), as: UTF8.self)
        #expect(DrillReport.isSigned(text))
        #expect(!DrillReport.isSigned(text.replacing(#""rowsFound":2"#, with: #""rowsFound":3"#)))
    }

    @Test("a drill whose process dies comes to the same end", arguments: 1...9)
    func dies(commit: Int) async throws {
        let fixture = try await filled()
        _ = try await fixture.backup()
        let result = try await drill(
            fixture, crashes: [.beforeCommit(commit), .afterCommit(commit + 1, attempt: 2), .beforeCommit(commit, attempt: 3)])
        #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
        #expect(result.attempts >= 2)
        #expect(try await report(fixture, result).outcome == .passed)
        #expect(try await leftovers(fixture) == [:])
    }

    @Test("a tenant without a backup, or one whose files are gone, can't be drilled, and is told why")
    func none() async throws {
        let fixture = try await filled()
        try await fixture.know()
        #expect(try await drill(fixture).job.failure?.code == "NO_BACKUP")
        let backup = try await fixture.backup()
        #expect(try await drill(fixture, backup: "01890a5d-ac96-774b-bcce-b302099a8057").job.failure?.code == "NO_BACKUP")
        _ = try await fixture.tester.engine.revokeArtifacts(of: backup.job)
        #expect(try await drill(fixture).job.failure?.code == "BACKUP_GONE")
        #expect(try await fixture.count("drill_runs") == 0)
        #expect(try await leftovers(fixture) == [:])
    }

    /// Changes the stored bytes of a backup's file.
    private func change(
        _ name: String, of backup: JobTester.Result, in fixture: BackupFixture, _ edit: ([UInt8]) throws -> [UInt8]
    ) async throws {
        for (artifact, segments) in try await fixture.tester.engine.artifacts(of: backup.job) where artifact.name == name {
            let bytes = try edit(try #require(backup.artifacts[name]))
            for segment in segments { try await fixture.blobs.delete(segment.key) }
            let first = try #require(segments.first)
            let writer = try await fixture.blobs.writer(first.key)
            try await writer.append(bytes)
            _ = try await writer.finish()
            try await fixture.database.write { [bytes] session in
                try session.execute(
                    "DELETE FROM engine_segments WHERE job_id = $1 AND position = $2 AND number <> 0", artifact.job.text,
                    artifact.position)
                try session.execute(
                    "UPDATE engine_segments SET length = $1 WHERE job_id = $2 AND position = $3", bytes.count,
                    artifact.job.text, artifact.position)
            }
        }
    }

    @Test("a file whose bytes were damaged, lost, or signed for other rows is a drift that names it", arguments: 0..<4)
    func drifts(_ damage: Int) async throws {
        let fixture = try await filled()
        let backup = try await fixture.backup()
        let name: String
        switch damage {
        case 0:
            name = "items-note~x.2.csv"
            try await change(name, of: backup, in: fixture) { bytes in
                var bytes = bytes
                bytes[bytes.count / 2] ^= 0x40
                return bytes
            }
        case 1:
            name = "notices.csv"
            for (artifact, segments) in try await fixture.tester.engine.artifacts(of: backup.job) where artifact.name == name {
                for segment in segments { try await fixture.blobs.delete(segment.key) }
            }
        case 2:
            // Somebody who has the key says that there were more rows.
            name = "items-note~x.csv"
            try await change(BackupManifest.fileName, of: backup, in: fixture) { bytes in
                var manifest = try BackupManifest.open(bytes)
                for index in manifest.entities.indices where manifest.entities[index].name == "items-note~x" {
                    manifest.entities[index].rows += 1
                    manifest.entities[index].files[0].rows += 1
                }
                return try manifest.sealed(by: Array(repeating: 9, count: 32)).bytes
            }
        default:
            name = BackupManifest.fileName
            try await change(name, of: backup, in: fixture) { bytes in
                Array(String(decoding: bytes, as: UTF8.self).replacing("acme", with: "evil").utf8)
            }
        }
        let result = try await drill(fixture)
        #expect(result.job.state == .failed)
        #expect(result.job.failure?.code == "DRILL_DRIFT")
        #expect(result.job.failure?.message.contains(name) == true, "\(String(describing: result.job.failure))")
        let report = try await report(fixture, result)
        #expect(report.outcome == .drift)
        #expect(report.drift.first?.file == name, "\(report.drift)")
        #expect(try await leftovers(fixture) == [:])
    }

    @Test("rows that are not what the manifest says are found when they are compared")
    func compared() async throws {
        let fixture = try await filled()
        _ = try await fixture.backup()
        let job = try await fixture.tester.engine.enqueue(
            DrillJob.self, DrillJob.Input(backup: nil), for: try fixture.principal())
        var scratch = ""
        // It dies as soon as the restored rows are the scratch tenant's; then some of them are changed.
        for commit in 1...60 {
            fixture.tester.crash(job.id, .afterCommit(1, attempt: commit))
            try await fixture.tester.runNext()
            let found = try await fixture.tester.engine.find(job.id)
            let state = try #require(try found?.checkpoint.map { try JobCoding.decode(DrillJob.Checkpoint.self, $0) })
            scratch = state.scratch.text
            if state.restore?.isSwitched == true, state.phase == .restoring { break }
        }
        try await fixture.database.write { [scratch] session in
            let space = try session.first("SELECT space FROM content_tenants WHERE tenant = $1", scratch) { $0.int64(0) }
            let id = try #require(space)
            try session.execute("DELETE FROM content_items WHERE space = $1 AND id = 'n10007'", id)
            try session.execute("UPDATE notify_entries SET title = 'other' WHERE tenant = $1 AND user_id = 'user3'", scratch)
            try session.execute("UPDATE audit_earlier SET body = replace(body, '77', '78') WHERE tenant = $1", scratch)
        }
        let result = try await fixture.tester.finish(job.id)
        #expect(result.job.failure?.code == "DRILL_DRIFT", "\(String(describing: result.job.failure))")
        let report = try await report(fixture, result)
        #expect(Set(report.drift.compactMap(\.entity)) == ["items-note~x", "notices", "audit-events"], "\(report.drift)")
        let items = report.drift.filter { $0.entity == "items-note~x" }
        #expect(items.first?.file == "items-note~x.csv" || items.first?.file?.hasPrefix("items-note~x.") == true)
        #expect(report.entities.first { $0.name == "items-note~x" }?.rowsFound == Int64(RestoreTests.items.count - 1))
        #expect(try await leftovers(fixture) == [:])
    }

    @Test("a drill that has failed, or was cancelled in the middle, can be tried again")
    func again() async throws {
        let fixture = try await filled()
        let backup = try await fixture.backup()
        let job = try await fixture.tester.engine.enqueue(
            DrillJob.self, DrillJob.Input(backup: nil), for: try fixture.principal())
        fixture.tester.crash(job.id, .afterCommit(4))
        try await fixture.tester.runNext()
        _ = try await fixture.tester.engine.cancel(job.id, of: job.tenant)
        while try await fixture.tester.runNext() {}
        _ = try await fixture.tester.engine.retry(job.id, of: job.tenant) { _, _ in }
        #expect(try await fixture.tester.finish(job.id).job.state == .completed)
        try await change("notices.csv", of: backup, in: fixture) { $0.dropLast(3) + [1, 2, 3] }
        let failed = try await drill(fixture)
        #expect(failed.job.failure?.code == "DRILL_DRIFT")
        _ = try await fixture.tester.engine.retry(failed.job.id, of: job.tenant) { _, _ in }
        #expect(try await fixture.tester.finish(failed.job.id).job.failure?.code == "DRILL_DRIFT")
        #expect(try await leftovers(fixture) == [:])
    }

    @Test("a drill that is cancelled leaves its scratch tenant to the sweep")
    func cancelled() async throws {
        let fixture = try await filled()
        _ = try await fixture.backup()
        let job = try await fixture.tester.engine.enqueue(
            DrillJob.self, DrillJob.Input(backup: nil), for: try fixture.principal())
        fixture.tester.crash(job.id, .afterCommit(4))
        try await fixture.tester.runNext()
        _ = try await fixture.tester.engine.cancel(job.id, of: job.tenant)
        while try await fixture.tester.runNext() {}
        #expect(try await fixture.tester.engine.find(job.id)?.state == .cancelled)
        #expect(try await fixture.count("backup_restores") == 1)
        try await fixture.scratch.sweep()
        #expect(try await leftovers(fixture) == [:])
        // The row goes with the job.
        #expect(try await fixture.count("drill_runs") == 1)
        try await fixture.tester.engine.delete(job.id, of: job.tenant) { _, _ in }
        try await fixture.scratch.sweep()
        #expect(try await fixture.count("drill_runs") == 0)
    }

    @Test("the door starts one drill at a time, shows what came of it, and takes schedules that fire")
    func door() async throws {
        let fixture = try await filled()
        let backup = try await fixture.backup()
        let path = "/backup/drills"
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<4 { group.addTask { try await caller.send(.post, path, token).status } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses.sorted() == [202, 409, 409, 409])
            let waiting = try await caller.send(.get, path, token).json?.array
            #expect(waiting?.count == 1 && waiting?.first?["status"]?.string == "pending")
            try await fixture.work()
            let id = try #require(waiting?.first?["jobId"]?.string)
            let shown = try await caller.send(.get, "\(path)/\(id)", token).json
            #expect(shown?["status"]?.string == "completed", "\(String(describing: shown))")
            #expect(shown?["report"]?["outcome"]?.string == "passed")
            #expect(shown?["report"]?["backupId"]?.string == backup.job.id.text)
            #expect(shown?["report"]?["signature"]?.string != nil)
            for body in [#"{"jobId": "\#(id)"}"#, #"{"cron": "every day"}"#, #"{"all": true}"#] {
                #expect(try await caller.send(.post, path, token, body: body).status == 400, "\(body)")
            }
            let other = try await fixture.token("globex")
            #expect(try await caller.send(.get, "\(path)/\(id)", other).status == 404)
            let reader = try await fixture.token(user: "ron", roles: ["reader"])
            #expect(try await caller.send(.post, path, reader).status == 403)
        }
    }

    @Test("schedules of drills are listed with those of backups, and fire")
    func schedules() async throws {
        let fixture = try await BackupFixture()
        _ = try await fixture.backup()
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let made = try await caller.send(.post, "/backup/drills", token, body: #"{"cron": "0 5 * * *"}"#)
            #expect(made.status == 201, "\(made.text)")
            let id = try #require(made.json?["scheduleId"]?.string)
            _ = try await caller.send(.post, "/backup/schedule", token, body: #"{"cron": "0 3 * * *"}"#)
            let kinds = try await caller.send(.get, "/backup/schedules", token).json?.array?.compactMap { $0["kind"]?.string }
            #expect(kinds?.sorted() == ["backup", "drill"])
            fixture.tester.time.advance(by: .seconds(86_400))
            try await fixture.tester.engine.sweepNext()
            try await fixture.work()
            let late = try await fixture.token()
            let drills = try await caller.send(.get, "/backup/drills", late).json?.array
            #expect(drills?.count == 1 && drills?.first?["status"]?.string == "completed", "\(String(describing: drills))")
            #expect(try await caller.send(.delete, "/backup/schedules/\(id)", late).status == 204)
            #expect(try await caller.send(.get, "/backup/schedules", late).json?.array?.count == 1)
        }
    }

    @Test("nobody signs in to a scratch tenant, and an erasure takes what drills have left")
    func reserved() async throws {
        let fixture = try await filled()
        let name = "drill--01890a5d-ac96-774b-bcce-b302099a8057"
        let token = try await fixture.token(name)
        let system = try await fixture.token("ops", roles: ["system"])
        try await fixture.serve { caller in
            #expect(try await caller.send(.get, "/backup/jobs", token).status == 401)
            let opened = try await caller.send(.post, "/backup/restores", system, body: #"{"tenant": "\#(name)"}"#)
            #expect(opened.status == 400, "\(opened.text)")
        }
        _ = try await fixture.backup()
        let job = try await fixture.tester.engine.enqueue(
            DrillJob.self, DrillJob.Input(backup: nil), for: try fixture.principal())
        fixture.tester.crash(job.id, .afterCommit(3))
        try await fixture.tester.runNext()
        #expect(try await fixture.scratch.erase(job.tenant) == false)
        #expect(try await fixture.count("drill_runs") == 0)
        #expect(try await leftovers(fixture) == [:])
    }
}
