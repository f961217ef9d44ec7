import AgeFiles
import Datasets
import Formats
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

/// Backups with files of the drive and their bytes.
@Suite struct FileBackupTests {
    private static let large = String(repeating: "0123456789abcdef", count: 200_000)

    private func filled() async throws -> BackupFixture {
        let fixture = try await BackupFixture(commitsOften: true)
        try await fixture.store(1, "one")
        try await fixture.store(2, "two", account: "bob")
        try await fixture.store(3, "one", name: "the same", account: "bob")
        try await fixture.store(4, "")
        try await fixture.store(5, Self.large)
        return fixture
    }

    private static let texts = Dictionary(["one", "two", "", large].map { (blobName($0), $0) }) { $1 }

    @Test("a backup has a row for each file, and the bytes of each once, named by their digest")
    func whole() async throws {
        let fixture = try await filled()
        let result = try await fixture.backup()
        #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
        #expect(result.blobTexts() == Self.texts)
        let manifest = try result.manifest()
        #expect(manifest.schemaVersion == 3, "a Waybill that knows no bytes must refuse it")
        #expect(manifest.blobs?.map(\.file.name) == Self.texts.keys.sorted())
        #expect(manifest.blobs?.reduce(0) { $0 + $1.bytes } == Int64(6 + Self.large.utf8.count))
        let lines = try result.lines("drive-files.csv")
        #expect(lines.count == 5)
        let first = "\(try BackupFixture.fileID(1)),ann,\"a, \"\"b\"\".txt\",3,text/plain,\(sha256(Array("one".utf8))),"
        #expect(lines[0].hasPrefix(first), "\(lines[0])")
        #expect(manifest.entities.first { $0.name == "drive-files" }?.blobColumn == "sha256")
        try await fixture.tidyDrive()
        try await fixture.checkDrive()
    }

    @Test(
        "a joined file is one file of a backup, and goes on in the middle of its parts, also of those that came in pieces",
        arguments: [nil, 300_000, 4] as [Int?])
    func joined(pieceBytes: Int?) async throws {
        let fixture = try await BackupFixture(commitsOften: true)
        let large = pieceBytes == 4 ? "thirteen bytes" : Self.large
        let parts = ["first ", "", large, " second ", large, " last"]
        try await fixture.storeJoined(1, parts, pieceBytes: pieceBytes)
        let result = try await fixture.backup()
        #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
        #expect(result.blobTexts() == [blobName(parts.joined()): parts.joined()])
        #expect(try await fixture.driveFiles().values.map(\.self) == [parts.joined()])
    }

    @Test("what of pieces comes from an offset on", arguments: [0, 1, 4, 5, 9, 10])
    func ranges(offset: Int64) throws {
        let keys = try ["a", "b", "c"].map { try #require(BlobKey($0)) }
        let bytes = KeptBytes(sha256: [], length: 10, pieces: zip(keys, [4, 1, 5]).map { .init(key: $0, length: $1) })
        let ranges = bytes.ranges(from: offset)
        #expect(ranges.reduce(0) { $0 + Int64($1.range.count) } == 10 - offset)
        #expect(ranges.first?.range.lowerBound == [0: 0, 1: 1, 4: 0, 5: 0, 9: 4][offset])
        #expect(ranges.map(\.key.text) == Array(["a", "b", "c"].suffix([0: 3, 1: 3, 4: 2, 5: 1, 9: 1][offset] ?? 0)))
    }

    @Test("without blobs a backup has the rows and no bytes, and says so")
    func withoutBlobs() async throws {
        let fixture = try await filled()
        let result = try await fixture.backup(BackupRequest(entities: nil, blobs: false))
        #expect(result.blobFiles().isEmpty)
        #expect(try result.manifest().blobs == nil)
        #expect(try result.lines("drive-files.csv").count == 5)
        let others = try await fixture.backup(BackupRequest(entities: ["content"], blobs: true))
        #expect(try others.manifest().blobs == nil && others.blobFiles().isEmpty)
    }

    @Test("a backup that dies at any commit ends with the same bytes, each once")
    func crashes() async throws {
        let fixture = try await filled()
        let whole = try await fixture.backup()
        for commit in 1... {
            let tester = fixture.tester
            let job = try await tester.engine.enqueue(
                BackupJob.self, BackupRequest(entities: nil, blobs: true), for: try fixture.principal())
            let crashes: [JobTester.Crash] = [.beforeCommit(commit), .afterCommit(commit, attempt: 2)]
            let result = try await tester.finish(job.id, crashes: crashes)
            #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
            #expect(result.blobFiles() == whole.blobFiles(), "\(commit)")
            #expect(try result.lines("drive-files.csv") == whole.lines("drive-files.csv"))
            #expect(try result.manifest().blobs == whole.manifest().blobs)
            if result.attempts == 1 {
                #expect(commit > 8, "there are as many commits as there is to do")
                break
            }
        }
        try await fixture.tidyDrive()
        try await fixture.checkDrive()
    }

    @Test("files that are deleted, renamed or added while a backup runs are in it as they were, with their bytes")
    func meanwhile() async throws {
        let fixture = try await filled()
        let wanted = try await fixture.backup()
        let tester = fixture.tester
        let job = try await tester.engine.enqueue(
            BackupJob.self, BackupRequest(entities: nil, blobs: true), for: try fixture.principal())
        // The cut is taken, and nothing is written yet.
        tester.crash(job.id, .afterCommit(1))
        try await tester.runNext()
        let tenant = try fixture.principal().tenant
        let now = tester.time.now()
        let files = try await fixture.database.read(of: tenant) {
            try FileStore().list(FileFilter(limit: 100), of: nil, tenant, now: now, in: $0).files
        }
        for file in files where file.size == 0 || file.account == "bob" { try await fixture.remove(file) }
        let large = try #require(files.first { $0.size > 1000 })
        try await fixture.rename(large, "another")
        try await fixture.rename(large, "and another")
        try await fixture.remove(large)
        try await fixture.store(6, "new")
        try await fixture.tidyDrive()
        try await fixture.checkDrive()
        let result = try await tester.finish(job.id)
        #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
        #expect(result.blobTexts() == Self.texts)
        #expect(try result.lines("drive-files.csv") == wanted.lines("drive-files.csv"))
        // Nobody needs them any more.
        try await fixture.tidyDrive()
        try await fixture.checkDrive()
        #expect(try await fixture.count("drive_versions") == 0)
        #expect(try await fixture.blobs.list(prefix: "files/", after: nil, limit: 10).count == 2)
    }

    @Test("bytes that are damaged, or not there, fail the backup, and nothing takes their place")
    func damaged() async throws {
        let fixture = try await filled()
        let key = try #require(BlobKey("files/acme/\(try BackupFixture.fileID(2))"))
        let writer = try await fixture.blobs.writer(key)
        try await writer.append(Array("twa".utf8))
        _ = try await writer.finish()
        let result = try await fixture.backup()
        #expect(result.job.failure?.code == "BYTES_DAMAGED", "\(String(describing: result.job.failure))")
        try await fixture.blobs.delete(key)
        let gone = try await fixture.backup()
        #expect(gone.job.failure?.code == "BYTES_DAMAGED")
    }

    @Test("an encrypted backup has no byte of a file in clear, and its key opens each", arguments: [0, 12, 13, 14, 15])
    func encrypted(crash: Int) async throws {
        let fixture = try await filled()
        let secret = try AgeSecretKey(TestKeys.secrets[0])
        let request = BackupRequest(entities: nil, blobs: true, recipients: ["\(secret.recipient)"])
        let crashes: [JobTester.Crash] = crash == 0 ? [] : [.afterCommit(crash), .beforeCommit(3, attempt: 2)]
        let result = try await fixture.backup(request, crashes: crashes)
        #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
        let manifest = try result.manifest()
        let blobs = try #require(manifest.blobs)
        #expect(blobs.count == 4)
        for blob in blobs {
            let bytes = try #require(result.artifacts[blob.file.name])
            #expect(blob.file.name.hasSuffix(".age") && bytes.starts(with: Array("age-encryption.org/v1".utf8)))
            #expect(blob.encrypted == EncryptedFacts(bytes: Int64(bytes.count), sha256: sha256(bytes)))
            var reader = AgeReader(AgeKeyring(keys: [secret]))
            let plain = try reader.append(bytes) + reader.finish()
            #expect(sha256(plain) == blob.sha256 && Int64(plain.count) == blob.bytes)
        }
        #expect(result.artifacts.keys.allSatisfy { $0.hasSuffix(".age") || $0 == BackupManifest.fileName })
    }

    @Test("one file of it and all of them can be loaded down, and a manifest is sound")
    func downloads() async throws {
        let fixture = try await filled()
        let result = try await fixture.backup()
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let path = "/backup/jobs/\(result.job.id)"
            for (name, text) in Self.texts {
                let answer = try await caller.send(.get, "\(path)/archives/\(name)", token)
                #expect(answer.status == 200 && answer.text == text)
                let encoded = name.replacing("/", with: "%2F")
                #expect(try await caller.send(.get, "\(path)/archives/\(encoded)", token).text == text)
            }
            let none = "blobs/" + String(repeating: "0", count: 64)
            #expect(try await caller.send(.get, "\(path)/archives/\(none)", token).status == 404)
            let zip = try await caller.send(.get, "\(path)/download", token).body
            let tail = Array(zip.suffix(ZipDirectory.tailBytes))
            let place = try #require(ZipDirectory.place(tail: tail, length: Int64(zip.count)))
            let directory = Array(zip[Int(place.offset)..<Int(place.offset + place.length)])
            let entries = try #require(ZipDirectory.entries(directory))
            #expect(Set(entries.map(\.name)) == Set(result.artifacts.keys))
            for entry in entries where entry.name.hasPrefix("blobs/") {
                let bytes = Array(try #require(Self.texts[entry.name]).utf8)
                #expect(entry.method == .stored && entry.length == Int64(bytes.count))
                #expect(entry.crc32 == bytes.withUnsafeBufferPointer { CRC32.of($0) })
            }
        }
        #expect(throws: BackupManifest.Refusal.self) {
            var manifest = try result.manifest()
            manifest.blobs?.reverse()
            _ = try BackupManifest.open(try manifest.sealed(by: Array(repeating: 1, count: 32)).bytes)
        }
    }
}
