import AuditTrail
import HTTPTypes
import TenantData
import Testing
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Backups

/// What restores bring of the audit log.
@Suite struct AuditRestoreTests {
    private let store = AuditStore(isEnabled: true)

    private func filled() async throws -> BackupFixture {
        let fixture = try await BackupFixture(commitsOften: true)
        try await append(2500, to: fixture)
        try await record("first", in: fixture)
        return fixture
    }

    /// Events of another program, of which every third has an id.
    private func append(_ count: Int, to fixture: BackupFixture, tenant: String = "acme") async throws {
        let tenant = try #require(TenantID(tenant))
        var events: [AuditEvent] = []
        for number in 1...count {
            let id: String? = number % 3 == 0 ? "e\(number)" : nil
            let user: String? = number % 5 == 0 ? nil : "u\(number % 4)"
            let action = AuditAction(rawValue: number % 2 == 0 ? "LOGIN" : "VIEW")
            let at = Timestamp(microseconds: Int64(number) * 1_000_001)
            events.append(AuditEvent(id: id, at: at, user: user, action: action, target: "a, \"b\" \(number)"))
        }
        try await fixture.database.write(of: tenant) { [store, events] in _ = try store.append(events, of: tenant, in: $0) }
    }

    /// One of Waybill's own, with details.
    private func record(_ target: String, in fixture: BackupFixture, tenant: String = "acme") async throws {
        let tenant = try #require(TenantID(tenant))
        try await fixture.database.write(of: tenant) { [store] session in
            try store.record(
                AuditEvent(
                    at: Timestamp(microseconds: 7), user: "ann", action: .contentItemsStore, target: target, requestID: "r",
                    outcome: AuditEvent.success, details: [AuditDetail("count", 3), AuditDetail("first", "ä\"")]),
                of: tenant, in: session)
        }
    }

    private func bodies(_ fixture: BackupFixture, tenant: String) async throws -> [(seq: Int64, body: String)] {
        let tenant = try #require(TenantID(tenant))
        return try await fixture.database.read(of: tenant) { [store] session in
            var all: [(Int64, String)] = []
            try store.read(AuditFilter(), of: tenant, after: .min, through: .max, in: session) {
                all.append(($0.int64(0), $0.string(1)))
                return .next
            }
            return all
        }
    }

    /// Restores a backup, and gives what is shown of the restore.
    @discardableResult
    private func restore(
        _ backup: LoadedBackup, into fixture: BackupFixture, tenant: String = "globex", mode: String = "replace",
        dryRun: Bool = false, crashes: [JobTester.Crash] = []
    ) async throws -> (id: String, shown: JSONValue) {
        let token = try await fixture.token(tenant)
        let found = Found()
        try await fixture.serve { caller in
            let id = try await caller.upload(backup, token, body: #"{"mode": "\#(mode)"}"#)
            let started = try await caller.send(
                .post, "/backup/restores/\(id)/start", token, body: #"{"dryRun": \#(dryRun)}"#)
            #expect(started.status == 202, "\(started.text)")
            let job = try #require(started.json?["jobId"]?.string.flatMap { JobID($0) })
            _ = try await fixture.tester.finish(job, crashes: crashes)
            await found.set((id, try #require(try await caller.restore(id, token))))
        }
        return try #require(await found.value)
    }

    private actor Found {
        var value: (id: String, shown: JSONValue)?
        func set(_ value: (id: String, shown: JSONValue)) { self.value = value }
    }

    private func changes(_ shown: JSONValue, _ entity: String = "audit-events") -> [Int64?] {
        let found = shown["result"]?["entities"]?.array?.first { $0["name"]?.string == entity }?["changes"]
        return ["added", "equal", "changed", "deleted"].map { found?[$0]?.integer }
    }

    private func verdicts(_ fixture: BackupFixture, tenant: String) async throws -> [AuditSegmentVerdict] {
        let tenant = try #require(TenantID(tenant))
        let verifier = AuditVerifier(database: fixture.database)
        var verdicts: [AuditSegmentVerdict] = []
        for segment in try await verifier.segments(of: tenant) {
            verdicts.append(try await verifier.verify(tenant, segment))
        }
        return verdicts
    }

    @Test(
        "the events of a backup come back before those that are there, word for word, under a chain of their own",
        arguments: 0..<5)
    func comes(crash: Int) async throws {
        let source = try await filled()
        let backup = try LoadedBackup(try await source.backup())
        let other = try await BackupFixture(commitsOften: true)
        try await append(2, to: other, tenant: "globex")
        let crashes: [JobTester.Crash] = crash == 0 ? [] : [.beforeCommit(crash), .afterCommit(crash, attempt: 2)]
        let (_, shown) = try await restore(backup, into: other, crashes: crashes)
        #expect(shown["status"]?.string == "completed", "\(shown)")
        let left = try await bodies(source, tenant: "acme").map(\.body)
        let right = try await bodies(other, tenant: "globex")
        // Neither of the two that were there has an id.
        #expect(right.map(\.body) == left + right.suffix(2).map(\.body))
        #expect(right.map(\.seq) == Array(-2500...2))
        let verdicts = try await verdicts(other, tenant: "globex")
        #expect(verdicts.count == 1 && verdicts.allSatisfy(\.holds))
        let origin = try #require(verdicts.first?.origin)
        let manifest = try BackupManifest.open(backup.manifest)
        #expect(origin.backup.job == manifest.jobId && origin.backup.installation == manifest.publicKey)
        #expect(origin.backup.manifest == sha256(backup.manifest))
    }

    @Test("a second backup has them as an entity of their own, with the bytes of the first one's")
    func again() async throws {
        let backup = try LoadedBackup(try await filled().backup())
        let other = try await BackupFixture()
        try await restore(backup, into: other)
        try await record("mine", in: other, tenant: "globex")
        let second = try LoadedBackup(try await other.backup(tenant: "globex"))
        #expect(second.files["audit-segment-1.csv"] == backup.files["audit-events.csv"])
        #expect(second.files["audit-events.csv"]?.contains("mine") == true)
        #expect(second.files["audit-segments.csv"]?.contains("1,audit-segment-1,") == true)
        // And where it came from it brings only what was recorded elsewhere.
        let third = try await BackupFixture()
        try await restore(second, into: third, tenant: "acme")
        let (left, right) = (try await bodies(third, tenant: "acme"), try await bodies(other, tenant: "globex"))
        #expect(left.map(\.body) == right.map(\.body))
        #expect(try await verdicts(third, tenant: "acme").map(\.holds) == [true, true])
        let (_, shown) = try await restore(second, into: third, tenant: "acme", dryRun: true)
        #expect(changes(shown) == [0, 1, 0, 0])
        #expect(changes(shown, "audit-segment-1") == [0, 2501, 0, 0])
    }

    @Test("what is there already comes no second time: over the same tenant, twice, and back from another one")
    func once() async throws {
        let fixture = try await filled()
        let backup = try LoadedBackup(try await fixture.backup())
        let before = try await bodies(fixture, tenant: "acme").map(\.body)
        let (_, rehearsed) = try await restore(backup, into: fixture, tenant: "acme", dryRun: true)
        #expect(changes(rehearsed) == [0, 2501, 0, 0])
        try await restore(backup, into: fixture, tenant: "acme")
        #expect(try await bodies(fixture, tenant: "acme").map(\.body) == before)
        #expect(try await verdicts(fixture, tenant: "acme").isEmpty)

        let (_, first) = try await restore(backup, into: fixture, dryRun: true)
        #expect(changes(first) == [2501, 0, 0, 0])
        for _ in 0..<2 { try await restore(backup, into: fixture) }
        #expect(try await bodies(fixture, tenant: "globex").map(\.body) == before)

        try await record("there", in: fixture, tenant: "globex")
        let back = try LoadedBackup(try await fixture.backup(tenant: "globex"))
        try await restore(back, into: fixture, tenant: "acme")
        let after = try await bodies(fixture, tenant: "acme").map(\.body)
        #expect(after.count == before.count + 1)
        #expect(Array(after.dropFirst()) == before && after.first?.contains("there") == true)
    }

    @Test("the undo of a restore leaves its events, and another restore does not double them")
    func undo() async throws {
        let backup = try LoadedBackup(try await filled().backup())
        let other = try await BackupFixture()
        let (id, _) = try await restore(backup, into: other)
        let token = try await other.token("globex")
        try await other.serve { caller in
            let undone = try await caller.send(.post, "/backup/restores/\(id)/undo", token)
            #expect(undone.status == 200)
        }
        #expect(try await bodies(other, tenant: "globex").count == 2501)
        try await restore(backup, into: other)
        #expect(try await bodies(other, tenant: "globex").count == 2501)
    }

    @Test("a restore that fails leaves nothing of them")
    func fails() async throws {
        var backup = try LoadedBackup(try await filled().backup())
        let text = try #require(backup.files["audit-events.csv"])
        // The last event has details that are no object.
        let damaged = text.replacing(#"{""count"""#, with: #"[""count"""#)
        backup.files["audit-events.csv"] = damaged
        #expect(damaged != text)
        try backup.seal()
        let other = try await BackupFixture(commitsOften: true)
        let (_, shown) = try await restore(backup, into: other)
        #expect(shown["status"]?.string == "failed", "\(shown)")
        #expect(shown["error"]?["message"]?.string?.contains("audit-events.csv, line 2502") == true, "\(shown)")
        #expect(try await other.count("audit_segments") == 1)
        #expect(try await bodies(other, tenant: "globex").isEmpty)
        let service = AuditService(
            database: other.database, retention: .seconds(86_400), time: other.tester.time, logger: other.floor.logger)
        try await service.sweep()
        for table in ["audit_segments", "audit_earlier", "audit_earlier_seals", "audit_earlier_actions"] {
            #expect(try await other.count(table) == 0, "\(table)")
        }
        #expect(try await other.backup(tenant: "globex").files()["audit-segments.csv"] == nil)
    }
}
