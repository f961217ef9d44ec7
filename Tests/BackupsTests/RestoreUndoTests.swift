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

/// What a restore adds to what is there, and takes the place of by name: schedules, notices and keys.
@Suite struct RestoreUndoTests {
    private func fixture(
        key: UInt8, schedules: [(name: String, cron: String)], notices: [Int]
    ) async throws -> BackupFixture {
        let fixture = try await BackupFixture()
        try await fixture.put("note", [ContentField(name: "t", kind: .text)], [#"{"id":"\#(key)"}"#])
        let principal = try fixture.principal()
        for (id, seed) in [("shared", UInt8(1)), ("key-\(key)", key)] {
            _ = try await fixture.floor.keys.create(
                id: id, tenant: principal.tenant, user: "bot-\(key)", roles: ["reader"], name: "k", expiresAt: nil,
                random: Array(repeating: seed, count: 32), now: fixture.floor.time.now())
        }
        for schedule in schedules { try await put(schedule.name, schedule.cron, in: fixture) }
        try await fixture.database.write { session in
            try session.execute("INSERT INTO notify_cursors (tenant, number) VALUES ('acme', 9)")
            for number in notices {
                try session.execute(
                    """
                    INSERT INTO notify_entries (tenant, user_id, number, job_id, kind, outcome, title, message, created_at)
                    VALUES ('acme', 'ann', $1, '01890a5d-ac96-774b-bcce-b302099a8057', 'k', 'completed', $2, '', 5)
                    """, number, "notice \(number) of \(key)")
            }
        }
        return fixture
    }

    private func put(_ name: String, _ cron: String, in fixture: BackupFixture) async throws {
        try await fixture.tester.engine.put(
            JobSchedule(
                name: name, cron: cron, kind: BackupJob.kind, principal: try fixture.principal(),
                input: try JobCoding.encode(BackupRequest(entities: nil, blobs: true))))
    }

    private func texts(_ fixture: BackupFixture, _ query: String) async throws -> [String] {
        try await fixture.database.read { session in try session.all(query) { $0.string(0) } }
    }

    private func lines(_ files: [String: String], _ name: String) throws -> [String] {
        try #require(files[name]).components(separatedBy: "\r\n").dropFirst().dropLast().map(\.self)
    }

    @Test("the undo of a restore brings replaced schedules back, and takes added schedules, notices and keys away")
    func undo() async throws {
        let backup = try LoadedBackup(
            try await fixture(key: 7, schedules: [("nightly", "0 3 * * *"), ("weekly", "0 5 * * 1")], notices: [3, 5]).backup())
        let other = try await fixture(key: 8, schedules: [("nightly", "0 4 * * *"), ("own", "0 6 * * *")], notices: [2])
        let before = try await other.backup().files()
        let token = try await other.token()
        try await other.serve { [backup] caller in
            let id = try await caller.upload(backup, token, body: #"{"mode": "replace"}"#)
            _ = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            try await other.work()
            #expect(try await caller.restore(id, token)?["status"]?.string == "completed")
            let during = try await other.backup().files()
            #expect(
                try lines(during, "schedules.csv").map { $0.split(separator: ",").prefix(2).joined(separator: ": ") }
                    == ["nightly: 0 3 * * *", "own: 0 6 * * *", "weekly: 0 5 * * 1"])
            #expect(try lines(during, "notices.csv").count == 3)
            let keys = try lines(during, "api-keys.csv")
            #expect(keys.map { String($0.prefix { $0 != "," }) } == ["key-7", "key-8", "shared"])
            // The one that was there is as it was; the one that has come is revoked.
            #expect(keys[0].hasSuffix("Z") && !keys[1].hasSuffix("Z") && !keys[2].hasSuffix("Z"))
            #expect(keys[2].contains("bot-8"))
            #expect(try await caller.send(.post, "/backup/restores/\(id)/undo", token).status == 200)
        }
        let after = try await other.backup().files()
        for name in before.keys.sorted() { #expect(after[name] == before[name], "\(name)") }
        #expect(after.keys.sorted() == before.keys.sorted())
        #expect(try await texts(other, "SELECT title FROM notify_entries") == ["notice 2 of 8"])
        #expect(try await texts(other, "SELECT id FROM web_api_keys ORDER BY id") == ["key-8", "shared"])
    }

    @Test("a dry run counts keys that are there as conflicting, schedules by what they say, and notices as added")
    func rehearsal() async throws {
        let backup = try LoadedBackup(
            try await fixture(
                key: 7, schedules: [("nightly", "0 3 * * *"), ("same", "0 5 * * 1"), ("new", "1 1 * * *")], notices: [3, 5]
            ).backup())
        let other = try await fixture(key: 8, schedules: [("nightly", "0 4 * * *"), ("same", "0 5 * * 1")], notices: [2])
        let before = try await other.backup().files()
        let token = try await other.token()
        try await other.serve { [backup] caller in
            let id = try await caller.upload(backup, token, body: #"{"mode": "replace"}"#)
            _ = try await caller.send(.post, "/backup/restores/\(id)/start", token, body: #"{"dryRun": true}"#)
            try await other.work()
            let entities = try await caller.restore(id, token)?["result"]?["entities"]?.array
            func changes(_ name: String) -> [Int64?] {
                let found = entities?.first { $0["name"]?.string == name }?["changes"]
                return ["added", "changed", "equal", "conflicting"].map { found?[$0]?.integer }
            }
            #expect(changes("api-keys") == [1, 0, 0, 1])
            #expect(changes("schedules") == [1, 1, 1, 0])
            #expect(changes("notices") == [2, 0, 0, 0])
            #expect(changes("items-note") == [1, 0, 0, 0])
        }
        #expect(try await other.backup().files() == before)
    }

    @Test("a tenant that has only a schedule is not empty; one that has only notices and keys is")
    func empty() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        _ = try await fixture.floor.keys.create(
            id: "key", tenant: try fixture.principal().tenant, user: "bot", roles: ["reader"], name: "k", expiresAt: nil,
            random: Array(0..<32), now: fixture.floor.time.now())
        try await fixture.database.write { session in
            try session.execute(
                """
                INSERT INTO notify_entries (tenant, user_id, number, job_id, kind, outcome, title, message, created_at)
                VALUES ('acme', 'ann', 1, '01890a5d-ac96-774b-bcce-b302099a8057', 'k', 'completed', 't', '', 5)
                """)
        }
        try await fixture.serve { caller in
            #expect(try await caller.send(.post, "/backup/restores", token).status == 201)
            try await put("nightly", "0 3 * * *", in: fixture)
            let refused = try await caller.send(.post, "/backup/restores", token)
            #expect(refused.status == 409 && refused.json?["code"]?.string == "TENANT_NOT_EMPTY")
            #expect(refused.json?["detail"]?.string?.hasPrefix("it has schedules") == true, "\(refused.text)")
            #expect(try await caller.send(.post, "/backup/restores", token, body: #"{"mode": "replace"}"#).status == 201)
        }
    }
}
