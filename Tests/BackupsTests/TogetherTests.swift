import AgeFiles
import AuditTrail
import HTTPTypes
import TenantData
import Testing
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Backups

/// What encryption, increments, drills and segments of the audit log do with each other.
@Suite struct TogetherTests {
    private func filled() async throws -> BackupFixture {
        let fixture = try await BackupFixture(archiveBytes: 60_000, commitsOften: true)
        try await fixture.put("note", BackupFixture.fields, BackupFixture.noise(2000))
        try await fixture.put("empty", BackupFixture.fields, [])
        return fixture
    }

    /// Changes, adds and deletes some items.
    private func change(_ fixture: BackupFixture, _ text: String) async throws {
        try await fixture.put(
            "note", BackupFixture.fields,
            [#"{"id":"i10003","n":-1,"text":"\#(text)"}"#, #"{"id":"j-\#(text)","n":7,"text":"\#(text)"}"#])
        try await fixture.delete("note", ["i\(10100 + text.count)"])
    }

    @Test("a chain of encrypted backups is restored with the keys of all of them, and with less nothing starts")
    func encryptedChain() async throws {
        let source = try await filled()
        func request(_ key: Int, since: String?) throws -> BackupRequest {
            let recipient = "\(try AgeSecretKey(TestKeys.secrets[key]).recipient)"
            return BackupRequest(entities: nil, blobs: true, since: since, recipients: [recipient])
        }
        let full = try await source.backup(try request(0, since: nil))
        try await change(source, "one")
        let increment = try await source.backup(try request(1, since: full.job.id.text))
        #expect(try increment.scopes()["items-note"] == "changes")
        let wanted = try await source.state()

        let other = try await BackupFixture(archiveBytes: 60_000, commitsOften: true)
        let token = try await other.token("globex")
        try await other.serve { caller in
            let opened = try await caller.send(.post, "/backup/restores", token, body: "{}")
            let id = try #require(opened.json?["id"]?.string)
            for (number, backup) in [full, increment].enumerated() {
                for (name, bytes) in backup.artifacts {
                    #expect(try await caller.put(id, name, bytes, token, backup: number).status == 200)
                }
            }
            func start(_ keys: [Int]) async throws -> Caller.Answer {
                let secrets = keys.map { "\"\(TestKeys.secrets[$0])\"" }.joined(separator: ",")
                let body = keys.isEmpty ? "{}" : #"{"identities": [\#(secrets)]}"#
                return try await caller.send(.post, "/backup/restores/\(id)/start", token, body: body)
            }
            #expect(try await start([]).json?["code"]?.string == "RESTORE_KEY_NEEDED")
            for key in 0...1 { #expect(try await start([key]).json?["code"]?.string == "RESTORE_KEY_WRONG") }
            let started = try await start([0, 1])
            #expect(started.status == 202, "\(started.text)")
            let job = try #require(started.json?["jobId"]?.string.flatMap { JobID($0) })
            let result = try await other.tester.finish(job, crashes: [.beforeCommit(4), .afterCommit(5, attempt: 2)])
            #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
        }
        let files = try await other.state("globex")
        for (name, text) in wanted where name.hasPrefix("items-") { #expect(files[name] == text, "\(name)") }
        #expect(wanted.keys.filter { $0.hasPrefix("items-note") }.count > 2)
    }

    @Test("a drill of an increment restores the whole chain, and one whose full backup is gone says so", arguments: [0, 5])
    func drill(crash: Int) async throws {
        let fixture = try await filled()
        let full = try await fixture.backup()
        for text in ["one", "second"] {
            try await change(fixture, text)
            _ = try await fixture.increment()
        }
        let crashes: [JobTester.Crash] = crash == 0 ? [] : [.beforeCommit(crash), .afterCommit(crash + 1, attempt: 2)]
        let passed = try await fixture.tester.run(
            DrillJob.self, DrillJob.Input(backup: nil), for: try fixture.principal(), crashes: crashes)
        #expect(passed.job.state == .completed, "\(String(describing: passed.job.failure))")
        let report = try #require(try passed.output(DrillReport.self))
        #expect(report.outcome == .passed && report.drift.isEmpty)
        let items = try #require(report.entities.first { $0.name == "items-note" })
        #expect(items.comparison == .bytes && items.rowsExpected == 2000 && items.rowsFound == 2000)
        #expect(items.files.allSatisfy { $0.sha256Found.count == 64 && $0.sha256Expected == $0.sha256Found })

        _ = try await fixture.tester.engine.revokeArtifacts(of: full.job)
        let gone = try await fixture.tester.run(DrillJob.self, DrillJob.Input(backup: nil), for: try fixture.principal())
        #expect(gone.job.failure?.code == "BACKUP_GONE")
    }

    @Test("an increment of a tenant with segments brings them and the new events, each once")
    func segments() async throws {
        func append(_ fixture: BackupFixture, _ range: ClosedRange<Int>, _ tenant: String) async throws {
            let tenant = try #require(TenantID(tenant))
            let events = range.map { number in
                AuditEvent(
                    id: "\(tenant)-\(number)", at: Timestamp(microseconds: Int64(number)), user: "u",
                    action: AuditAction(rawValue: "VIEW"), target: "\(number)")
            }
            try await fixture.database.write(of: tenant) { session in
                _ = try AuditStore(isEnabled: true).append(events, of: tenant, in: session)
            }
        }
        let first = try await filled()
        try await append(first, 1...700, "acme")
        let second = try await BackupFixture(archiveBytes: 60_000, commitsOften: true)
        try await second.restore([try await first.backup()], tenant: "globex")
        try await append(second, 1...300, "globex")
        let full = try await second.backup(tenant: "globex")
        try await append(second, 301...900, "globex")
        let increment = try await second.increment(of: full, tenant: "globex")
        #expect(try increment.scopes()["audit-events"] == "changes")
        #expect(try increment.scopes()["audit-segment-1"] == "whole")
        let wanted = try await second.state("globex")

        let third = try await BackupFixture(archiveBytes: 60_000, commitsOften: true)
        try await third.restore([full, increment], tenant: "initech")
        let files = try await third.state("initech")
        let segments = files.filter { $0.key.hasPrefix("audit-segment-") }
        func events(_ texts: some Collection<String>) -> [String] {
            texts.flatMap { $0.split(separator: "\r\n").dropFirst() }.map { String($0.split(separator: ",")[1]) }
        }
        let came = events(segments.map(\.value)).filter { $0.contains("-") && !$0.hasPrefix("\"") }
        #expect(Set(came).count == came.count, "none comes twice")
        #expect(came.filter { $0.hasPrefix("acme-") }.count == 700)
        #expect(came.filter { $0.hasPrefix("globex-") }.count == 900)
        #expect(wanted["audit-segment-1.csv"] != nil)
    }
}
