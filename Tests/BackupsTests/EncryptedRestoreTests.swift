import AgeFiles
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

@Suite struct EncryptedRestoreTests {
    private static func recipient(_ number: Int) throws -> String { "\(try AgeSecretKey(TestKeys.secrets[number]).recipient)" }

    private func filled() async throws -> BackupFixture {
        let fixture = try await BackupFixture(archiveBytes: 200_000, commitsOften: true)
        try await fixture.put("note", BackupFixture.fields, BackupFixture.noise(3000))
        try await fixture.put("empty", BackupFixture.fields, [])
        return fixture
    }

    private func encrypted(_ fixture: BackupFixture) async throws -> JobTester.Result {
        try await fixture.backup(
            BackupRequest(entities: nil, blobs: true, recipients: [try Self.recipient(0), try Self.recipient(1)]))
    }

    private func upload(
        _ caller: Caller, _ files: [String: [UInt8]], _ token: HTTPFields, body: String = "{}"
    ) async throws -> String {
        let opened = try await caller.send(.post, "/backup/restores", token, body: body)
        let id = try #require(opened.json?["id"]?.string, "\(opened.text)")
        for (name, bytes) in files {
            let answer = try await caller.put(id, name, bytes, token)
            #expect(answer.status == 200, "\(answer.text)")
        }
        return id
    }

    @Test(
        "an encrypted backup is restored elsewhere with the key of any recipient, also when the process dies", arguments: [0, 2])
    func roundTrip(_ crash: Int) async throws {
        let source = try await filled()
        let plain = try await source.backup().files()
        let artifacts = try await encrypted(source).artifacts
        let other = try await BackupFixture(archiveBytes: 200_000, commitsOften: true)
        let token = try await other.token("globex")
        try await other.serve { caller in
            let id = try await upload(caller, artifacts, token)
            let shown = try await caller.restore(id, token)
            #expect(shown?["problems"]?.array?.isEmpty == true && shown?["missing"]?.array?.isEmpty == true)
            let body = #"{"identities": ["\#(TestKeys.secrets[1])"]}"#
            let started = try await caller.send(.post, "/backup/restores/\(id)/start", token, body: body)
            #expect(started.status == 202, "\(started.text)")
            let job = try #require(started.json?["jobId"]?.string.flatMap { JobID($0) })
            let cells = try await other.everyCell()
            #expect(cells.firstRange(of: Array(TestKeys.secrets[1].utf8)) == nil)
            #expect(try await other.count("backup_secrets") == 1)
            let crashes: [JobTester.Crash] = crash == 0 ? [] : [.beforeCommit(crash), .afterCommit(crash, attempt: 2)]
            let result = try await other.tester.finish(job, crashes: crashes)
            #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
            #expect(try await other.count("backup_secrets") == 0)
        }
        let files = try await other.backup(tenant: "globex").files()
        for name in ["items-note.csv", "items-note.2.csv", "items-empty.csv"] { #expect(files[name] == plain[name], "\(name)") }
    }

    @Test("without a key, or with a wrong one, nothing starts; the right passphrase also restores from a backup that is here")
    func keys() async throws {
        let fixture = try await filled()
        let token = try await fixture.token()
        try await fixture.know()
        try await fixture.serve { caller in
            let body = #"{"passphrase": "\#(TestKeys.passphrase)"}"#
            let made = try await caller.send(.post, "/backup/schedule", token, body: body)
            let backup = try #require(made.json?["jobId"]?.string, "\(made.text)")
            try await fixture.work()
            let from = #"{"from": "\#(backup)", "mode": "replace"}"#
            let opened = try await caller.send(.post, "/backup/restores", token, body: from)
            let id = try #require(opened.json?["id"]?.string, "\(opened.text)")
            #expect(opened.json?["problems"]?.array?.isEmpty == true)
            let refusals: [(String, Int, String)] = [
                ("{}", 409, "RESTORE_KEY_NEEDED"), (#"{"passphrase": "another one than it was"}"#, 422, "RESTORE_KEY_WRONG"),
                (#"{"identities": ["\#(TestKeys.secrets[0])"]}"#, 422, "RESTORE_KEY_WRONG"),
                (#"{"identities": ["AGE-SECRET-KEY-1NONE"]}"#, 400, "INVALID_REQUEST"),
                (
                    #"{"identities": ["\#(TestKeys.secrets[0])"], "passphrase": "\#(TestKeys.passphrase)"}"#, 400,
                    "INVALID_REQUEST"
                ),
            ]
            for (body, status, code) in refusals {
                let answer = try await caller.send(.post, "/backup/restores/\(id)/start", token, body: body)
                #expect(answer.status == status && answer.json?["code"]?.string == code, "\(answer.text)")
                #expect(
                    !answer.text.contains(TestKeys.secrets[0]) && !answer.text.contains("1NONE")
                        && !answer.text.contains("another one"))
            }
            #expect(try await fixture.count("backup_secrets") == 0)
            #expect(try await caller.restore(id, token)?["status"]?.string == "open")
            let dry = #"{"dryRun": true, "passphrase": "\#(TestKeys.passphrase)"}"#
            for start in [dry, body] {
                #expect(try await caller.send(.post, "/backup/restores/\(id)/start", token, body: start).status == 202)
                try await fixture.work()
                #expect(try await caller.restore(id, token)?["error"] == nil)
            }
            #expect(try await caller.restore(id, token)?["status"]?.string == "completed")
        }
    }

    @Test("a file that was changed or cut off is told when it arrives, and a key for a backup that has none is a 400")
    func damaged() async throws {
        let fixture = try await filled()
        var artifacts = try await encrypted(fixture).artifacts
        let plain = try await fixture.backup().artifacts[BackupManifest.fileName]
        let name = "items-note.csv.gz.age"
        var changed = try #require(artifacts[name])
        changed[changed.count / 2] ^= 1
        artifacts[name] = changed
        artifacts["notices.csv.gz.age"] = artifacts["notices.csv.gz.age"].map { Array($0.dropLast()) }
        let other = try await BackupFixture()
        let token = try await other.token()
        try await other.serve { [artifacts] caller in
            let id = try await upload(caller, artifacts, token)
            let shown = try await caller.restore(id, token)
            let wrong = shown?["problems"]?.array?.compactMap { $0["file"]?.string }
            #expect(wrong == [name, "notices.csv.gz.age"])
            let body = #"{"identities": ["\#(TestKeys.secrets[0])"]}"#
            let started = try await caller.send(.post, "/backup/restores/\(id)/start", token, body: body)
            #expect(started.status == 409 && started.json?["code"]?.string == "RESTORE_NOT_READY", "\(started.text)")
            let none = try await upload(caller, [BackupManifest.fileName: try #require(plain)], token)
            #expect(try await caller.send(.post, "/backup/restores/\(none)/start", token, body: body).status == 400)
        }
    }

    @Test("a manifest that does not say how its files are encrypted, or unpacks to more than it says, is refused")
    func manifests() async throws {
        let fixture = try await filled()
        let result = try await encrypted(fixture)
        let sealed = try result.manifest()
        let seed = Array(repeating: UInt8(9), count: 32)
        var silent = sealed
        silent.encryption = nil
        var strange = sealed
        strange.encryption?.scheme = "rot13"
        var other = sealed
        other.entities[0].files[0].encrypted = nil
        for manifest in [silent, strange, other] {
            #expect(throws: BackupManifest.Refusal.self) { try BackupManifest.open(try manifest.sealed(by: seed).bytes) }
        }
        var file = try #require(sealed.files.first { $0.name == "items-note.csv.gz.age" })
        file.bytes = 1000
        let keyring = AgeKeyring(keys: [try AgeSecretKey(TestKeys.secrets[0])])
        let unpacker = ArchiveUnpacker(file, keyring: keyring)
        let refused = #expect(throws: ArchiveError.self) { try unpacker.push(result.artifacts[file.name] ?? []) { _ in } }
        #expect(refused?.reason.contains("1000 bytes") == true)
    }
}
