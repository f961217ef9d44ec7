import AgeFiles
import Crypto
import Datasets
import Formats
import Foundation
import TenantData
import Testing

@testable import Commands
@testable import WaybillClient

/// A backup as a folder, made by hand.
private final class BackupFolder {
    static let secret = "AGE-SECRET-KEY-1J34FEMJY3U6MV95FTAR3XRYH68H9GZUTZ22KWFA0S7TSKA5J246QY0XCUY"
    static let passphrase = "correct horse battery staple"
    static let csv = "user,title\r\nann,one\r\nbob,\"two, three\"\r\n"
    let path: String

    /// - Parameter lock: nil: the file is not encrypted.
    init(_ lock: AgeLock? = nil) throws {
        path = NSTemporaryDirectory() + "waybill-backup-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let bytes = Array(Self.csv.utf8)
        var facts = BackupManifest.ArchiveFacts(name: "notices.csv", rows: 2, bytes: Int64(bytes.count), sha256: sha256(bytes))
        var stored = bytes
        if let lock {
            var random = SystemRandomNumberGenerator()
            var writer = try AgeWriter(for: lock) { count in (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) } }
            stored = try writer.append(try FrameCompressor(.gzip).compress(bytes)) + writer.finish()
            facts.name = "notices.csv.gz.age"
            facts.encrypted = EncryptedFacts(bytes: Int64(stored.count), sha256: sha256(stored))
        }
        try write(facts.name, stored)
        let columns = [LosslessColumn("user", .text), LosslessColumn("title", .text)]
        let cut = EntityCut(name: "notices", group: "notices", columns: columns, key: [])
        let manifest = BackupManifest(
            waybillVersion: "test", tenant: "acme", jobId: "j", cutAt: 0,
            entities: [.init(cut, files: [facts], isExternal: false)], encryption: lock.map(BackupEncryption.init))
        try write(BackupManifest.fileName, try manifest.sealed(by: Array(repeating: 7, count: 32)).bytes)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ bytes: [UInt8]) throws { try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)")) }

    static func recipients() throws -> AgeLock { .recipients([try AgeSecretKey(secret).recipient]) }
}

private func sha256(_ bytes: [UInt8]) -> String { HexText.of(SHA256.hash(data: bytes)) }

@Suite struct BackupCommandTests {
    private static let server = "http://127.0.0.1:8080"

    private func run(
        _ line: [String], environment: [String: String] = ["WAYBILL_TOKEN": "t"], bench: CommandBench = CommandBench(),
        _ answers: @escaping @Sendable (_ request: String, _ body: String) -> (Int, String)?
    ) async -> CommandBench.Ran {
        await bench.run(["backup"] + line, environment: environment) { request in
            let place = "\(request.method) \(request.url.dropFirst(Self.server.count))"
            var body = ""
            if case .bytes(let bytes) = request.body { body = String(decoding: bytes, as: UTF8.self) }
            if place.hasSuffix("/events") {
                let frame = #"event: job.completed\ndata: {"jobId":"j1","state":"completed","progress":100}"#
                let text = frame.replacing("\\n", with: "\n") + "\n\n"
                return (200, ["content-type": "text/event-stream"], text)
            }
            let (status, text) = answers(place, body) ?? (404, "{}")
            return (status, [:], text)
        }
    }

    private static let job = #"{"jobId":"j1","state":"completed","progress":100}"#

    @Test("create says what it is asked for, follows the job, and prints its id")
    func create() async throws {
        let key = "\(try AgeSecretKey(BackupFolder.secret).recipient)"
        let lines: [([String], String)] = [
            ([], "{}"), (["--entities", "content, audit"], #"{"entities":["content","audit"]}"#),
            (["--recipient", key, "--recipient", "age1x"], #"{"recipients":["\#(key)","age1x"]}"#),
        ]
        for (line, expected) in lines {
            let ran = await run(["create"] + line) { place, body in
                switch place {
                case "POST /backup/schedule": body == expected ? (202, Self.job) : (400, #"{"detail":"\#(body.count)"}"#)
                case "GET /jobs/j1": (200, Self.job)
                default: nil
                }
            }
            #expect(ran.status == 0, "\(ran.trouble)")
            #expect(ran.output == "j1\n")
        }
        let left = await run(["create", "--no-wait"]) { place, _ in place == "POST /backup/schedule" ? (202, Self.job) : nil }
        #expect(left.status == 0 && left.output == "j1\n")
        let refused = await run(["create"]) { _, _ in (409, #"{"code":"DUPLICATE_JOB","detail":"one is under way"}"#) }
        #expect(refused.status != 0 && refused.trouble.contains("one is under way"))
    }

    @Test("a passphrase comes from a file or a variable, and not for a schedule or beside recipients")
    func passphrases() async throws {
        let folder = try BackupFolder()
        try folder.write("passphrase", Array("\(BackupFolder.passphrase)\n".utf8))
        let file = ["--passphrase-file", "\(folder.path)/passphrase"]
        let variable = ["WAYBILL_TOKEN": "t", "WAYBILL_PASSPHRASE": BackupFolder.passphrase]
        let expected = #"{"passphrase":"\#(BackupFolder.passphrase)"}"#
        for (line, environment) in [(file, ["WAYBILL_TOKEN": "t"]), ([], variable)] {
            let ran = await run(["create", "--no-wait"] + line, environment: environment) { place, body in
                body == expected ? (202, Self.job) : (400, "{}")
            }
            #expect(ran.status == 0, "\(ran.trouble)")
        }
        let schedule = #"{"cron":"0 3 * * *","recipients":["age1x"]}"#
        let made = await run(["create", "--cron", "0 3 * * *", "--recipient", "age1x"], environment: variable) { _, body in
            body == schedule ? (201, #"{"scheduleId":"s1","cron":"0 3 * * *"}"#) : (400, "{}")
        }
        #expect(made.status == 0 && made.output == "s1\n", "\(made.trouble)")
        for more in [["--cron", "0 3 * * *"], ["--recipient", "age1x"]] {
            let ran = await run(["create"] + file + more) { _, _ in (202, Self.job) }
            #expect(ran.status != 0 && !ran.trouble.contains(BackupFolder.passphrase), "\(ran.trouble)")
        }
        #expect(await run(["create", "--passphrase-file", "/none"]) { _, _ in (202, Self.job) }.status != 0)
    }

    @Test("backups are listed, as a table or as JSON")
    func list() async {
        let text = #"[{"jobId":"j1","status":"completed","createdAt":"2026-01-02T03:04:05.000Z","lastUpdatedAt":null}]"#
        let ran = await run(["list"]) { place, _ in place == "GET /backup/jobs" ? (200, text) : nil }
        #expect(ran.status == 0, "\(ran.trouble)")
        #expect(ran.output.contains("j1  completed  2026-01-02"))
        let json = await run(["list", "--json"]) { _, _ in (200, text) }
        #expect(json.output.contains(#""jobId" : "j1""#))
    }

    @Test("verify says what a backup is, and whose it must be")
    func verify() async throws {
        let folder = try BackupFolder()
        let ran = await run(["verify", folder.path]) { _, _ in nil }
        #expect(ran.status == 0, "\(ran.trouble)")
        #expect(ran.output.hasPrefix("1 files, 2 rows of the tenant acme at 1970-01-01T00:00:00.000000Z, signed by "))
        let other = await run(["verify", folder.path, "--key", "AAAA"]) { _, _ in nil }
        #expect(other.status == 1 && other.trouble.contains("manifest.json: it is signed by another key"))
        try folder.write("notices.csv", Array(BackupFolder.csv.replacing("two", with: "six").utf8))
        try folder.write("more.csv", [])
        let changed = await run(["verify", folder.path]) { _, _ in nil }
        #expect(changed.status == 1)
        #expect(changed.trouble.contains("notices.csv: its SHA-256 is not what the manifest says"))
        #expect(changed.trouble.contains("more.csv: the manifest does not name it"))
        #expect(await run(["verify", folder.path + "/none"]) { _, _ in nil }.status != 0)
    }

    @Test("verify opens an encrypted backup with a key or passphrase, and holds its digests against the manifest without one")
    func verifyEncrypted() async throws {
        let folder = try BackupFolder(try BackupFolder.recipients())
        try folder.write("../identity-\(folder.path.suffix(36))", Array("# mine\n\(BackupFolder.secret)\n".utf8))
        let identity = "\(NSTemporaryDirectory())identity-\(folder.path.suffix(36))"
        defer { try? FileManager.default.removeItem(atPath: identity) }
        let none = await run(["verify", folder.path]) { _, _ in nil }
        #expect(none.status == 0 && none.trouble.contains("their digests were checked, not their rows"), "\(none.trouble)")
        let whole = await run(["verify", folder.path, "--identity", identity]) { _, _ in nil }
        #expect(whole.status == 0 && whole.output.contains("2 rows") && !whole.trouble.contains("digests"), "\(whole.trouble)")
        let wrong = ["WAYBILL_PASSPHRASE": BackupFolder.passphrase]
        let refused = await run(["verify", folder.path], environment: wrong) { _, _ in nil }
        #expect(refused.status == 1 && refused.trouble.contains("none of the keys"), "\(refused.trouble)")
        let bad = await run(["verify", folder.path, "--identity", "\(folder.path)/manifest.json"]) { _, _ in nil }
        #expect(bad.status == 1 && bad.trouble.contains("line 1 is no secret key"), "\(bad.trouble)")
        let locked = try BackupFolder(.passphrase(BackupFolder.passphrase))
        #expect(await run(["verify", locked.path], environment: wrong) { _, _ in nil }.status == 0)
        let name = "notices.csv.gz.age"
        var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/\(name)")))
        bytes[bytes.count - 1] ^= 1
        try folder.write(name, bytes)
        let changed = await run(["verify", folder.path]) { _, _ in nil }
        #expect(changed.status == 1 && changed.trouble.contains("\(name): its SHA-256"), "\(changed.trouble)")
        let opened = await run(["verify", folder.path, "--identity", identity]) { _, _ in nil }
        #expect(opened.status == 1 && opened.trouble.contains("\(name): it was changed, or is cut off"), "\(opened.trouble)")
    }

    @Test("restore uploads the files, the manifest last, starts with the keys, and follows the job")
    func restore() async throws {
        let folder = try BackupFolder(try BackupFolder.recipients())
        let identity = "\(NSTemporaryDirectory())identity-\(UUID().uuidString)"
        try Data("\(BackupFolder.secret)\n".utf8).write(to: URL(fileURLWithPath: identity))
        defer { try? FileManager.default.removeItem(atPath: identity) }
        let session = #"{"id":"r1","tenant":"acme","status":"open","mode":"replace","missing":[],"problems":[],"warnings":["w"]}"#
        let start = #"{"dryRun":false,"identities":["\#(BackupFolder.secret)"]}"#
        let bench = CommandBench()
        let ran = await run(["restore", folder.path, "--replace", "--identity", identity], bench: bench) { place, body in
            switch place {
            case "POST /backup/restores": body == #"{"mode":"replace"}"# ? (201, session) : (400, "{}")
            case "PUT /backup/restores/r1/documents/notices.csv.gz.age",
                "PUT /backup/restores/r1/documents/manifest.json", "GET /backup/restores/r1":
                (200, session)
            case "POST /backup/restores/r1/start": body == start ? (202, Self.job) : (400, "{}")
            case "GET /jobs/j1": (200, Self.job)
            default: nil
            }
        }
        #expect(ran.status == 0, "\(ran.trouble)")
        #expect(ran.output == "r1\n")
        #expect(ran.trouble.contains("warning: w") && !ran.trouble.contains("SECRET"))
        let puts = bench.requests.filter { $0.hasPrefix("PUT") }.map { $0.split(separator: "/").last ?? "" }
        #expect(puts == ["notices.csv.gz.age", "manifest.json"])
        // Without a key, or with a wrong one, nothing is sent.
        for environment in [["WAYBILL_TOKEN": "t"], ["WAYBILL_TOKEN": "t", "WAYBILL_PASSPHRASE": "another one"]] {
            let bench = CommandBench()
            let refused = await run(["restore", folder.path], environment: environment, bench: bench) { _, _ in nil }
            #expect(refused.status != 0 && bench.requests.isEmpty, "\(refused.trouble)")
        }
    }

    @Test("restore takes a backup that the server has, and undo takes it back")
    func from() async {
        let session = #"{"id":"r1","tenant":"acme","status":"open","mode":"empty","missing":[],"problems":[],"warnings":[]}"#
        let manifest =
            #"{"tenant":"acme","cutAt":"","waybillVersion":"","entities":[],"publicKey":"","#
            + #""encryption":{"scheme":"age","passphrase":true}}"#
        let environment = ["WAYBILL_TOKEN": "t", "WAYBILL_PASSPHRASE": BackupFolder.passphrase]
        let start = #"{"dryRun":true,"passphrase":"\#(BackupFolder.passphrase)"}"#
        let ran = await run(["restore", "--from", "b1", "--dry-run"], environment: environment) { place, body in
            switch place {
            case "GET /backup/jobs/b1": (200, #"{"jobId":"b1","status":"completed","manifest":\#(manifest)}"#)
            case "POST /backup/restores": body == #"{"from":"b1"}"# ? (201, session) : (400, "{}")
            case "GET /backup/restores/r1": (200, session)
            case "POST /backup/restores/r1/start": body == start ? (202, Self.job) : (400, "{}")
            case "GET /jobs/j1": (200, Self.job)
            default: nil
            }
        }
        #expect(ran.status == 0 && ran.output == "the backup can be restored\n", "\(ran.trouble)")
        #expect(await run(["restore"]) { _, _ in nil }.status != 0)
        let undone = await run(["undo", "r1"]) { place, _ in
            place == "POST /backup/restores/r1/undo" ? (200, session.replacing("open", with: "undone")) : nil
        }
        #expect(undone.status == 0 && undone.output == "undone\n", "\(undone.trouble)")
    }

    @Test("download writes the ZIP where it is told")
    func download() async throws {
        let path = NSTemporaryDirectory() + "waybill-download-\(UUID().uuidString).zip"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let ran = await run(["download", "j1", "--output", path]) { place, _ in
            place == "GET /backup/jobs/j1/download" ? (200, "PK") : nil
        }
        #expect(ran.status == 0, "\(ran.trouble)")
        #expect(FileManager.default.contents(atPath: path) == Data("PK".utf8))
    }
}
