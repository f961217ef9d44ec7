import AgeFiles
import Datasets
import Formats
import Foundation
import HTTPTypes
import TenantData
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Assembly
@testable import Backups
@testable import ContentExport

/// Keys that age-keygen made for these tests.
enum TestKeys {
    static let secrets = [
        "AGE-SECRET-KEY-1J34FEMJY3U6MV95FTAR3XRYH68H9GZUTZ22KWFA0S7TSKA5J246QY0XCUY",
        "AGE-SECRET-KEY-1U6X5D0DLAS56TQ4WJKLM5TRFACAE3CXS059G2EG8LAKGJ2V0JECS0JYUS2",
    ]
    static let passphrase = "correct horse battery é staple"
}

extension JobTester.Result {
    /// The files of an encrypted backup as CSV, by their names without what encryption adds.
    func opened(by keyring: AgeKeyring) throws -> [String: String] {
        var files: [String: String] = [:]
        for file in try manifest().files {
            let unpacker = ArchiveUnpacker(file, keyring: keyring)
            var bytes: [UInt8] = []
            try unpacker.push(try #require(artifacts[file.name])) { bytes += $0 }
            try unpacker.finish { bytes += $0 }
            #expect(Int64(bytes.count) == file.bytes)
            #expect(sha256(bytes) == file.sha256)
            files[String(file.name.dropLast(".gz.age".count))] = String(decoding: bytes, as: UTF8.self)
        }
        return files
    }
}

extension BackupFixture {
    static let fields = [ContentField(name: "n", kind: .integer), ContentField(name: "text", kind: .text)]

    /// Rows that are longer than a chunk of age, also when they are compressed.
    static func noise(_ count: Int) -> [String] {
        var state: UInt64 = 1
        return (0..<count).map { index in
            let letters = (0..<12).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return String(state, radix: 36)
            }
            return #"{"id":"i\#(10000 + index)","n":\#(index),"text":"\#(letters.joined())"}"#
        }
    }

    /// All that is in the database, as one text.
    func everyCell() async throws -> [UInt8] {
        try await database.read { session in
            var all: [UInt8] = []
            for table in try session.all(session.dialect.tableNames, make: { $0.string(0) }) {
                try session.scan("SELECT * FROM \(table)", arguments: []) { row in
                    for place in 0..<row.count {
                        all += row[place].bytes
                        all.append(0)
                    }
                    return .next
                }
            }
            return all
        }
    }
}

@Suite struct EncryptedBackupTests {
    private func keys(_ count: Int) throws -> [AgeSecretKey] {
        try TestKeys.secrets.prefix(count).map { try AgeSecretKey($0) }
    }

    private func request(_ keys: [AgeSecretKey]) -> BackupRequest {
        BackupRequest(entities: nil, blobs: true, recipients: keys.map { "\($0.recipient)" })
    }

    @Test("an encrypted backup opens to the files of one that is not, also an empty one, for each recipient")
    func equal() async throws {
        let fixture = try await BackupFixture(archiveBytes: 400_000)
        try await fixture.put("note", BackupFixture.fields, BackupFixture.noise(5000))
        try await fixture.put("empty", BackupFixture.fields, [])
        let plain = try await fixture.backup().files()
        let keys = try keys(2)
        let result = try await fixture.backup(request(keys))
        #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
        let manifest = try result.manifest()
        #expect(manifest.encryption?.scheme == "age")
        #expect(manifest.encryption?.recipients == keys.map { "\($0.recipient)" })
        #expect(manifest.encryption?.passphrase == nil)
        #expect(manifest.files.map(\.name).contains("items-note.2.csv.gz.age"))
        for file in manifest.files {
            let stored = try #require(result.artifacts[file.name])
            #expect(file.encrypted == .init(bytes: Int64(stored.count), sha256: sha256(stored)))
            #expect(stored.starts(with: Array("age-encryption.org/v1\n".utf8)))
        }
        for key in keys { #expect(try result.opened(by: AgeKeyring(keys: [key])) == plain) }
    }

    @Test("nothing of the rows reaches the store in clear")
    func store() async throws {
        let fixture = try await BackupFixture(commitsOften: true)
        try await fixture.put("note", BackupFixture.fields, [#"{"id":"a","text":"aaaa bbbb cccc wxyz-secret eeee ffff"}"#])
        _ = try await fixture.backup(request(try keys(1)))
        var seen = 0
        for entry in try await fixture.blobs.list(prefix: "", after: nil, limit: 1000) {
            var bytes: [UInt8] = []
            for try await chunk in try await fixture.blobs.read(entry.key, range: 0..<entry.length) { bytes += chunk }
            // Each chunk of rows is a gzip member, and would begin so if it were stored as it is.
            #expect(bytes.firstRange(of: [0x1F, 0x8B, 8, 0, 0, 0, 0, 0]) == nil)
            #expect(bytes.firstRange(of: Array("wxyz-secret".utf8)) == nil)
            seen += 1
        }
        #expect(seen > 5)
    }

    @Test("an encrypted backup whose process dies opens to the same files, and is no two times closed alike", arguments: 1...6)
    func crashes(_ commit: Int) async throws {
        let fixture = try await BackupFixture(archiveBytes: 700_000, commitsOften: true)
        try await fixture.put("note", BackupFixture.fields, BackupFixture.noise(9000))
        let keys = try keys(1)
        let whole = try await fixture.backup(request(keys))
        let other = try await fixture.backup(
            request(keys), crashes: [.beforeCommit(commit), .afterCommit(2, attempt: 2), .beforeCommit(2, attempt: 3)])
        #expect(other.job.state == .completed, "\(String(describing: other.job.failure))")
        #expect(other.attempts >= 2)
        let keyring = AgeKeyring(keys: keys)
        #expect(try other.opened(by: keyring) == whole.opened(by: keyring))
        // What was begun anew has left nothing behind, and the bytes are those that the manifest tells.
        for file in try other.manifest().files {
            #expect(file.encrypted?.sha256 == sha256(try #require(other.artifacts[file.name])))
        }
        #expect(other.artifacts["items-note.csv.gz.age"] != whole.artifacts["items-note.csv.gz.age"])
    }

    @Test("a chunk that a dead attempt wrote is closed under another key by the next one")
    func fresh() async throws {
        let fixture = try await BackupFixture(commitsOften: true)
        try await fixture.put("note", BackupFixture.fields, BackupFixture.noise(9000))
        try await fixture.know()
        let job = try await fixture.tester.engine.enqueue(
            BackupJob.self, request(try keys(1)), for: try fixture.principal())
        fixture.tester.crash(job.id, .beforeCommit(4))
        try await fixture.tester.runNext()
        let begun = try await fixture.tester.engine.artifacts(of: job.id).first { $0.artifact.name.hasPrefix("items-") }
        #expect(begun?.artifact.sha256 == nil && begun?.segments.isEmpty == false, "the file is not ended")
        let before = try await blobs(fixture)
        let result = try await fixture.tester.finish(job.id)
        #expect(result.job.state == .completed)
        let after = try #require(result.artifacts["items-note.csv.gz.age"])
        // 16 bytes of some place of a chunk: if they were closed under the same key and nonce, they are there again.
        var compared = 0
        for blob in before.values where blob.count > 5000 {
            let some = Array(blob[4000..<4016])
            #expect(after.firstRange(of: some) == nil)
            compared += 1
        }
        #expect(compared > 0)
    }

    private func blobs(_ fixture: BackupFixture) async throws -> [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        for entry in try await fixture.blobs.list(prefix: "", after: nil, limit: 1000) {
            for try await chunk in try await fixture.blobs.read(entry.key, range: 0..<entry.length) {
                found[entry.key.text, default: []] += chunk
            }
        }
        return found
    }

    @Test("a passphrase closes a backup, is nowhere in the database, and is gone when the job has ended")
    func passphrase() async throws {
        let fixture = try await BackupFixture()
        try await fixture.put("note", BackupFixture.fields, BackupFixture.noise(50))
        var token = try await fixture.token()
        token[try #require(HTTPField.Name("Idempotency-Key"))] = "k"
        try await fixture.serve { [token] caller in
            let body = #"{"passphrase": "\#(TestKeys.passphrase)"}"#
            let started = try await caller.send(.post, "/backup/schedule", token, body: body)
            #expect(started.status == 202, "\(started.text)")
            let again = try await caller.send(.post, "/backup/schedule", token, body: body)
            #expect(again.headers[try #require(HTTPField.Name("Idempotent-Replayed"))] == "true")
            let other = try await caller.send(.post, "/backup/schedule", token, body: #"{"passphrase": "another passphrase"}"#)
            #expect(other.status == 422)
            let id = try #require(started.json?["jobId"]?.string)
            #expect(try await fixture.count("backup_secrets") == 1)
            let cells = try await fixture.everyCell()
            for secret in [TestKeys.passphrase, sha256(Array(body.utf8)), Data(TestKeys.passphrase.utf8).base64EncodedString()] {
                #expect(cells.firstRange(of: Array(secret.utf8)) == nil)
            }
            let digest = try #require(HexText.bytes(sha256(Array(body.utf8))))
            #expect(cells.firstRange(of: digest) == nil)
            try await fixture.work()
            let shown = try await caller.send(.get, "/backup/jobs/\(id)", token)
            #expect(shown.json?["status"]?.string == "completed", "\(shown.text)")
            #expect(shown.json?["manifest"]?["encryption"]?["passphrase"] == true)
            #expect(!shown.text.contains("correct horse"))
            #expect(try await fixture.count("backup_secrets") == 0)
            let job = try await fixture.tester.engine.find(try #require(JobID(id)))
            let result = try await fixture.tester.result(of: try #require(job))
            let opened = try result.opened(by: AgeKeyring(passphrases: [TestKeys.passphrase]))
            #expect(opened["items-note.csv"]?.split(separator: "\r\n").count == 51)
            #expect(throws: ArchiveError.self) { try result.opened(by: AgeKeyring(passphrases: ["correct horse battery"])) }
        }
    }

    @Test("a cancelled backup leaves no passphrase, and one that is tried again says that it is gone")
    func cancelled() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let body = #"{"passphrase": "\#(TestKeys.passphrase)"}"#
            let started = try await caller.send(.post, "/backup/schedule", token, body: body)
            let id = try #require(started.json?["jobId"]?.string.flatMap { JobID($0) })
            #expect(try await caller.send(.post, "/backup/jobs/\(id)/cancel", token).status == 202)
            #expect(try await fixture.count("backup_secrets") == 0)
            _ = try await fixture.tester.engine.retry(id, of: try fixture.principal().tenant) { _, _ in }
            try await fixture.work()
            let job = try await fixture.tester.engine.find(id)
            #expect(job?.failure?.code == "SECRET_GONE")
        }
    }

    /// Bodies that are refused, with what the problem says.
    static let refusals: [(body: String, says: String)] = [
        (#"{"recipients": []}"#, "recipients"),
        (#"{"recipients": ["age1nothing"]}"#, "recipients[0]: ‘age1nothing’"),
        (#"{"recipients": ["AGE-SECRET-KEY-1XX"]}"#, "recipients[0]: it is a secret key"),
        (#"{"passphrase": "short"}"#, "passphrase"),
        (#"{"passphrase": "long enough\u0001\u0002"}"#, "passphrase"),
        (#"{"passphrase": "long enough it is", "cron": "0 3 * * *"}"#, "cron"),
        (#"{"passphrase": 5}"#, "passphrase"),
    ]

    @Test("what can't be encrypted with is refused by name", arguments: refusals.indices)
    func refused(_ index: Int) async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let answer = try await caller.send(.post, "/backup/schedule", token, body: Self.refusals[index].body)
            #expect(answer.status == 400)
            #expect(answer.json?["detail"]?.string?.contains(Self.refusals[index].says) == true, "\(answer.text)")
            for secret in ["SECRET-KEY", "long enough"] { #expect(!answer.text.contains(secret)) }
        }
    }

    @Test("too many recipients, one twice, and a passphrase beside recipients are refused; a schedule may have recipients")
    func recipients() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        let key = "\(try keys(1)[0].recipient)"
        try await fixture.serve { caller in
            func status(_ body: String) async throws -> Int {
                try await caller.send(.post, "/backup/schedule", token, body: body).status
            }
            #expect(try await status(#"{"recipients": ["\#(key)", "\#(key)"]}"#) == 400)
            let many = Array(repeating: "\"\(key)\"", count: 21).joined(separator: ",")
            #expect(try await status(#"{"recipients": [\#(many)]}"#) == 400)
            #expect(try await status(#"{"recipients": ["\#(key)"], "passphrase": "long enough it is"}"#) == 400)
            let made = try await caller.send(
                .post, "/backup/schedule", token, body: #"{"cron": "0 3 * * *", "recipients": ["\#(key)"]}"#)
            #expect(made.status == 201)
            #expect(made.json?["recipients"]?.array == [.string(key)])
            fixture.tester.time.advance(by: .seconds(86_400))
            try await fixture.tester.engine.sweepNext()
            try await fixture.know()
            try await fixture.work()
            let fresh = try await fixture.token()
            let jobs = try await caller.send(.get, "/backup/jobs", fresh).json?.array
            let id = try #require(jobs?.first?["jobId"]?.string)
            let shown = try await caller.send(.get, "/backup/jobs/\(id)", fresh)
            #expect(shown.json?["manifest"]?["encryption"]?["recipients"]?.array == [.string(key)], "\(shown.text)")
        }
    }

    @Test("one file and the ZIP are loaded down as they lie there")
    func download() async throws {
        let fixture = try await BackupFixture()
        try await fixture.put("note", BackupFixture.fields, BackupFixture.noise(50))
        let result = try await fixture.backup(request(try keys(1)))
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let name = "items-note.csv.gz.age"
            let path = "/backup/jobs/\(result.job.id)"
            let file = try await caller.send(.get, "\(path)/archives/\(name)", token)
            #expect(file.status == 200)
            #expect(file.headers[.contentType] == "application/octet-stream")
            #expect(file.body == result.artifacts[name])
            let zip = try await caller.send(.get, "\(path)/download", token).body
            let found = try #require(
                ZipDirectory.place(tail: Array(zip.suffix(ZipDirectory.tailBytes)), length: Int64(zip.count)))
            let directory = Array(zip[Int(found.offset)..<Int(found.offset + found.length)])
            let entries = try #require(ZipDirectory.entries(directory))
            let entry = try #require(entries.first { $0.name == name })
            #expect(entry.method == .stored)
            let header = Array(zip[Int(entry.headerOffset)..<Int(entry.headerOffset) + ZipDirectory.headerBytes])
            let skip = try #require(ZipDirectory.dataOffset(header: header))
            let start = Int(entry.headerOffset + skip)
            #expect(Array(zip[start..<start + Int(entry.length)]) == result.artifacts[name])
        }
    }
}
