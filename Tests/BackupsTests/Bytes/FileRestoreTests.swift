import AgeFiles
import Datasets
import HTTPTypes
import TenantData
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Backups
@testable import Drive

/// Files come back with their bytes, all or nothing.
@Suite struct FileRestoreTests {
    private static let large = String(repeating: "0123456789abcdef", count: 200_000)

    private func filled() async throws -> BackupFixture {
        let fixture = try await BackupFixture(commitsOften: true)
        try await fixture.bundle("01890a5d-ac96-774b-bcce-b302099a8057", "both")
        try await fixture.store(1, "one", bundle: "01890a5d-ac96-774b-bcce-b302099a8057")
        try await fixture.store(2, "two", account: "bob")
        try await fixture.store(3, "one", name: "the same", account: "bob")
        try await fixture.store(4, "")
        try await fixture.store(5, Self.large)
        return fixture
    }

    /// What of a backup must come back the same.
    private func drive(_ result: JobTester.Result) throws -> [String: String] {
        let files = try result.files().filter { $0.key.hasPrefix("drive-") }
        return files.merging(result.blobTexts()) { $1 }
    }

    @Test("files come back elsewhere with their bytes, whatever was killed", arguments: [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12])
    func roundTrip(crash: Int) async throws {
        let source = try await filled()
        let backup = try await source.backup()
        let other = try await BackupFixture(commitsOften: true)
        let crashes: [JobTester.Crash] = crash == 0 ? [] : [.beforeCommit(crash), .afterCommit(crash, attempt: 2)]
        let shown = try await other.restore([backup], tenant: "globex", crashes: crashes)
        #expect(shown?["status"]?.string == "completed", "\(String(describing: shown))")
        #expect(try await other.driveFiles("globex") == source.driveFiles())
        try await other.tidyDrive()
        try await other.checkDrive()
        let again = try await other.backup(tenant: "globex")
        #expect(try drive(again) == drive(backup))
        #expect(try await other.count("drive_spaces") == 1, "what was there before is kept")
    }

    @Test("documents come in any order, under a name with a slash or %2F, and the session tells what is missing and wrong")
    func documents() async throws {
        let source = try await filled()
        let result = try await source.backup()
        let backup = try LoadedBackup(result)
        let other = try await BackupFixture(commitsOften: true)
        let token = try await other.token("globex")
        try await other.serve { caller in
            let opened = try await caller.send(.post, "/backup/restores", token, body: "{}")
            let id = try #require(opened.json?["id"]?.string)
            let one = blobName("one")
            let wrong = try await caller.put(id, one, Array("two".utf8), token)
            #expect(wrong.status == 422 && wrong.text.contains("its bytes are not those that it is named by"), "\(wrong.text)")
            let encoded = try await caller.put(id, one.replacing("/", with: "%2F"), Array("one".utf8), token)
            #expect(encoded.status == 200 && encoded.json?["documents"]?.array?.count == 1, "\(encoded.text)")
            let put = try await caller.put(id, blobName("two"), Array("two".utf8), token)
            #expect(put.status == 200 && put.json?["state"]?.string == "ok" && put.json?["bytes"]?.integer == 3, "\(put.text)")
            #expect(try await caller.put(id, "blobs/zz", [], token).status == 400)
            #expect(try await caller.put(id, "blobs%2F..%2Fzz", [], token).status == 400)
            for (name, text) in backup.files { _ = try await caller.put(id, name, Array(text.utf8), token) }
            _ = try await caller.put(id, BackupManifest.fileName, backup.manifest, token)
            let missing = try await caller.restore(id, token)?["missing"]?.array?.compactMap(\.string)
            #expect(missing.map(Set.init) == [blobName(""), blobName(Self.large)])
            let refused = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            #expect(refused.status == 409 && refused.text.contains("\(blobName("")): it is missing"), "\(refused.text)")
            _ = try await caller.put(id, blobName(""), [], token)
            _ = try await caller.put(id, blobName(Self.large), Array(Self.large.utf8), token)
            _ = try await caller.put(id, blobName("stranger"), Array("stranger".utf8), token)
            let stranger = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            #expect(stranger.text.contains("\(blobName("stranger")): the manifest does not name it"), "\(stranger.text)")
            let others = try await other.token("initech")
            #expect(try await caller.put(id, blobName("two"), Array("two".utf8), others).status == 404)
        }
    }

    @Test("what was there gives way, is kept, and comes back by undo; what nobody needs goes, with its bytes")
    func replaceAndUndo() async throws {
        let fixture = try await filled()
        let backup = try await fixture.backup()
        try await fixture.remove(try await fixture.file(2))
        try await fixture.rename(try await fixture.file(5), "renamed")
        try await fixture.store(6, "only now", account: "cat")
        let before = try await fixture.driveFiles()
        let body = #"{"mode": "replace", "from": "\#(backup.job.id)"}"#
        let id = try await fixture.restored(from: body)
        #expect(try await fixture.driveFiles().count == 5)
        try await fixture.tidyDrive()
        try await fixture.checkDrive()
        #expect(try await drive(fixture.backup()) == drive(backup))
        // What happens afterwards is undone as well.
        try await fixture.store(7, "after")
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let undone = try await caller.send(.post, "/backup/restores/\(id)/undo", token)
            #expect(undone.status == 200, "\(undone.text)")
        }
        #expect(try await fixture.driveFiles() == before)
        try await fixture.tidyDrive()
        try await fixture.checkDrive()
        #expect(try await fixture.count("drive_spaces") == 0)
        #expect(try await fixture.blobs.list(prefix: "files/", after: nil, limit: 100).count == 4)
    }

    @Test("what was there before a restore goes when its time has passed, and then there is no way back")
    func undoTime() async throws {
        let fixture = try await filled()
        let backup = try await fixture.backup()
        try await fixture.store(6, "only now", account: "cat")
        let id = try await fixture.restored(from: #"{"mode": "replace", "from": "\#(backup.job.id)"}"#)
        fixture.tester.time.advance(by: .seconds(8 * 86_400))
        try await fixture.tidyDrive()
        try await fixture.checkDrive()
        #expect(try await fixture.count("drive_files") == 5)
        #expect(try await fixture.blobs.list(prefix: "files/", after: nil, limit: 100).count == 4)
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let undone = try await caller.send(.post, "/backup/restores/\(id)/undo", token)
            #expect(undone.status == 409)
        }
    }

    @Test("a restore that fails leaves the files as they were, and none of its own")
    func failure() async throws {
        let fixture = try await filled()
        let backup = try await fixture.backup()
        let before = try await fixture.driveFiles()
        for (artifact, segments) in try await fixture.tester.engine.artifacts(of: backup.job)
        where artifact.name == blobName("two") {
            let writer = try await fixture.blobs.writer(segments[0].key)
            try await writer.append(Array("twa".utf8))
            _ = try await writer.finish()
        }
        let other = try #require(TenantID("globex"))
        let token = try await fixture.token("globex", roles: ["admin", "system"])
        try await fixture.serve { caller in
            let body = #"{"from": "\#(backup.job.id)"}"#
            let id = try #require(try await caller.send(.post, "/backup/restores", token, body: body).json?["id"]?.string)
            let dry = try await caller.send(.post, "/backup/restores/\(id)/start", token, body: #"{"dryRun": true}"#)
            let tried = try await fixture.tester.finish(try #require(dry.json?["jobId"]?.string.flatMap { JobID($0) }))
            #expect(tried.job.failure?.code == "BACKUP_REFUSED", "a dry run reads the bytes as well")
            let started = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            let result = try await fixture.tester.finish(try #require(started.json?["jobId"]?.string.flatMap { JobID($0) }))
            #expect(result.job.failure?.message.contains("its bytes are not those that it is named by") == true)
            #expect(try await caller.restore(id, token)?["status"]?.string == "failed")
        }
        #expect(try await fixture.driveFiles("globex").isEmpty)
        #expect(try await fixture.driveFiles() == before)
        try await fixture.tidyDrive()
        try await fixture.checkDrive()
        let left = try await fixture.database.read(of: other) {
            try $0.count("SELECT count(*) FROM drive_files WHERE tenant = 'globex'")
        }
        #expect(left == 0)
        #expect(try await fixture.count("drive_spaces") == 0)
        #expect(try await fixture.count("drive_space_usage") == 0)
    }

    @Test("of a backup without bytes those files come back whose bytes the tenant has; the others are counted, and told before")
    func withoutBlobs() async throws {
        let fixture = try await filled()
        let backup = try await fixture.backup(BackupRequest(entities: nil, blobs: false))
        try await fixture.remove(try await fixture.file(2))
        try await fixture.remove(try await fixture.file(1))
        try await fixture.tidyDrive()
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let body = #"{"mode": "replace", "from": "\#(backup.job.id)"}"#
            let opened = try await caller.send(.post, "/backup/restores", token, body: body)
            let id = try #require(opened.json?["id"]?.string)
            #expect(opened.json?["warnings"]?.array?.first?.string?.contains("without the bytes of files") == true)
            let dry = try await caller.send(.post, "/backup/restores/\(id)/start", token, body: #"{"dryRun": true}"#)
            _ = try await fixture.tester.finish(try #require(dry.json?["jobId"]?.string.flatMap { JobID($0) }))
            func entity(_ shown: JSONValue?) -> JSONValue? {
                shown?["result"]?["entities"]?.array?.first { $0["name"]?.string == "drive-files" }
            }
            let changes = entity(try await caller.restore(id, token))?["changes"]
            #expect(changes?["conflicting"]?.integer == 1 && changes?["added"]?.integer == 1 && changes?["equal"]?.integer == 3)
            let started = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            _ = try await fixture.tester.finish(try #require(started.json?["jobId"]?.string.flatMap { JobID($0) }))
            #expect(entity(try await caller.restore(id, token))?["leftOut"]?.integer == 1)
        }
        #expect(try await fixture.driveFiles().count == 4)
        try await fixture.tidyDrive()
        try await fixture.checkDrive()
    }

    @Test("an encrypted backup with files is restored with its key")
    func encrypted() async throws {
        let source = try await filled()
        let recipient = "\(try AgeSecretKey(TestKeys.secrets[0]).recipient)"
        let backup = try await source.backup(BackupRequest(entities: nil, blobs: true, recipients: [recipient]))
        let other = try await BackupFixture(commitsOften: true)
        let token = try await other.token("globex")
        try await other.serve { caller in
            let opened = try await caller.send(.post, "/backup/restores", token, body: "{}")
            let id = try #require(opened.json?["id"]?.string)
            for (name, bytes) in backup.artifacts { #expect(try await caller.put(id, name, bytes, token).status == 200) }
            let body = #"{"identities": ["\#(TestKeys.secrets[0])"]}"#
            let started = try await caller.send(.post, "/backup/restores/\(id)/start", token, body: body)
            let job = try #require(started.json?["jobId"]?.string.flatMap { JobID($0) }, "\(started.text)")
            let result = try await other.tester.finish(job, crashes: [.beforeCommit(5)])
            #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
        }
        #expect(try await other.driveFiles("globex") == source.driveFiles())
        try await other.tidyDrive()
        try await other.checkDrive()
    }

    @Test("a backup of here is restored from where it lies: no file of it has a row of its own, and one that goes is told")
    func whereItLies() async throws {
        let fixture = try await filled()
        let backup = try await fixture.backup()
        let (kept, token) = (try await fixture.backup(), try await fixture.token("globex", roles: ["admin", "system"]))
        try await fixture.serve { caller in
            func open(_ job: JobID) async throws -> String {
                let opened = try await caller.send(.post, "/backup/restores", token, body: #"{"from": "\#(job)"}"#)
                #expect(opened.json?["documents"]?.array?.count == backup.artifacts.count - 1, "\(opened.text)")
                return try #require(opened.json?["id"]?.string)
            }
            let (gone, id) = (try await open(backup.job.id), try await open(kept.job.id))
            #expect(try await fixture.count("backup_documents") == 0)
            #expect(try await caller.restore(id, token)?["documents"]?.array?.count == kept.artifacts.count - 1)
            _ = try await fixture.tester.engine.revokeArtifacts(of: backup.job)
            #expect(try await caller.restore(gone, token)?["missing"]?.array?.count == backup.artifacts.count - 1)
            let refused = try await caller.send(.post, "/backup/restores/\(gone)/start", token)
            #expect(refused.status == 409 && refused.text.contains("drive-files.csv"), "\(refused.text)")
            let started = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            let result = try await fixture.tester.finish(try #require(started.json?["jobId"]?.string.flatMap { JobID($0) }))
            #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
        }
        #expect(try await fixture.driveFiles("globex") == fixture.driveFiles())
    }

    @Test("rows that name bytes which the backup does not have are refused with their line, and nothing is written")
    func missingBytes() async throws {
        let source = try await filled()
        let result = try await source.backup()
        var manifest = try result.manifest()
        manifest.blobs?.removeAll { $0.sha256 == sha256(Array("two".utf8)) }
        var backup = try LoadedBackup(result)
        backup.manifest = try manifest.sealed(by: Array(repeating: 7, count: 32)).bytes
        let other = try await BackupFixture(commitsOften: true)
        let token = try await other.token("globex")
        try await other.serve { [backup] caller in
            let id = try await caller.upload(backup, token, leavingOut: [blobName("two")])
            let started = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            let result = try await other.tester.finish(try #require(started.json?["jobId"]?.string.flatMap { JobID($0) }))
            #expect(result.job.failure?.message.hasPrefix("drive-files.csv, line 3: the backup does not have the bytes") == true)
        }
        #expect(try await other.driveFiles("globex").isEmpty)
    }
}

extension BackupFixture {
    func bundle(_ id: String, _ name: String, tenant: String = "acme") async throws {
        let tenant = try #require(TenantID(tenant))
        let bundle = FileBundle(id: id, account: "ann", name: name, createdAt: Timestamp(microseconds: 7))
        try await database.write(of: tenant) { try BundleStore().insert(bundle, of: tenant, in: $0) }
    }

    func file(_ number: Int, tenant: String = "acme") async throws -> DriveFile {
        let tenant = try #require(TenantID(tenant))
        let id = try Self.fileID(number)
        return try #require(try await database.read(of: tenant) { try FileStore().stored(id, of: tenant, in: $0) })
    }

    /// Opens a restore, runs it, and says its id.
    func restored(from body: String, tenant: String = "acme", crashes: [JobTester.Crash] = []) async throws -> String {
        let token = try await token(tenant)
        let shown = ResultBox()
        try await serve { caller in
            let opened = try await caller.send(.post, "/backup/restores", token, body: body)
            let id = try #require(opened.json?["id"]?.string, "\(opened.text)")
            let started = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            let job = try #require(started.json?["jobId"]?.string.flatMap { JobID($0) }, "\(started.text)")
            let result = try await tester.finish(job, crashes: crashes)
            #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
            shown.set(.string(id))
        }
        return try #require(shown.value?.string)
    }
}
