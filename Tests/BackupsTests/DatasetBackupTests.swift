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

/// Tables of others in backups.
@Suite struct DatasetBackupTests {
    private static let file = "dataset-outside.csv"

    private static let lines = [
        "id,owner,readers,text,big,size", #"1,acme,everyone,"a, ""b"""#, #"c",-9223372036854775808,0.1"#,
        #"2,acme,role:press,"",,-2.5e-9"#, "3,acme,user:eve,,9223372036854775807,", "5,acme,everyone, é😀 =1+1,0,1e+300", "",
    ]

    private func fixture(_ outside: Outside, archiveBytes: Int64 = 100 << 20) async throws -> BackupFixture {
        let fixture = try await BackupFixture(
            archiveBytes: archiveBytes, commitsOften: true, datasets: try await outside.catalog())
        try await fixture.put("note", [ContentField(name: "t", kind: .text)], (0..<50).map { #"{"id":"\#(100 + $0)","t":"x"}"# })
        return fixture
    }

    @Test("a backup has the tenant's rows of a table of others, whoever may read them, without loss, and nobody else's")
    func rows() async throws {
        let outside = try await Outside()
        let fixture = try await fixture(outside)
        let result = try await fixture.backup()
        let text = try #require(try result.files()[Self.file])
        #expect(text.components(separatedBy: "\r\n") == Self.lines, "\(text)")
        let entity = try #require(try result.manifest().entities.first { $0.name == "dataset-outside" })
        #expect(entity.isExternal && entity.group == "datasets" && entity.key == [])
        #expect(entity.rows == 4 && entity.files.map(\.rows) == [4])
        #expect(entity.columns.map(\.name) == ["id", "owner", "readers", "text", "big", "size"])
        #expect(entity.columns.map(\.type.rawValue) == ["integer", "text", "text", "text", "integer", "number"])
        let content = try await fixture.backup(BackupRequest(entities: ["content"], blobs: true))
        #expect(try content.files()[Self.file] == nil)
        let alone = try await fixture.backup(BackupRequest(entities: ["datasets"], blobs: true), tenant: "other")
        #expect(
            try alone.files() == [
                Self.file: "id,owner,readers,text,big,size\r\n4,other,everyone,of another tenant,4,4.5\r\n"
            ])
    }

    @Test("a restore holds the rows of others against the manifest, skips them, and has all of the rest")
    func skipped() async throws {
        let outside = try await Outside()
        let backup = try LoadedBackup(try await fixture(outside).backup())
        let other = try await BackupFixture()
        let shown = try await restore(backup, in: other)
        #expect(shown?["status"]?.string == "completed", "\(String(describing: shown))")
        let entities = shown?["result"]?["entities"]?.array
        let skipped = try #require(entities?.first { $0["name"]?.string == "dataset-outside" })
        #expect(skipped["isSkipped"]?.bool == true && skipped["rows"]?.integer == 4)
        #expect(entities?.filter { $0["isSkipped"]?.bool == true }.count == 1)
        let again = try await other.backup().files()
        #expect(again[Self.file] == nil && again["items-note.csv"] == backup.files["items-note.csv"])
    }

    /// Changes of the file, the manifest being made anew around it, and what is said of them.
    static let damages: [(from: String, to: String, reason: String)] = [
        ("3,acme,user:eve,,9223372036854775807,\r\n", "", "dataset-outside.csv: it has 3 rows, and the manifest says 4"),
        ("user:eve,,", "user:eve,,,", "dataset-outside.csv, line 5: 7 fields, and the header has 6"),
        ("id,owner,", "id,owned,", "dataset-outside.csv, line 1: "),
        (#"role:press,"""#, #"role:press,""#, "dataset-outside.csv, line 4: a quoted field is not closed before the end"),
    ]

    @Test("rows of others that are not as the manifest says are refused with file, line and reason", arguments: 0..<4)
    func refused(_ index: Int) async throws {
        let damage = Self.damages[index]
        let outside = try await Outside()
        var backup = try LoadedBackup(try await fixture(outside).backup())
        let text = try #require(backup.files[Self.file])
        try #require(text.contains(damage.from))
        backup.files[Self.file] = text.replacing(damage.from, with: damage.to, maxReplacements: 1)
        try backup.seal()
        for body in ["{}", #"{"dryRun": true}"#] {
            let other = try await BackupFixture()
            let empty = try await other.backup().files()
            let shown = try await restore(backup, in: other, start: body)
            let reason = shown?["error"]?["message"]?.string
            #expect(reason?.contains(damage.reason) == true, "\(String(describing: reason))")
            #expect(shown?["result"] == nil)
            #expect(try await other.backup().files() == empty)
        }
    }

    @Test("values of others that were changed after the manifest was signed are refused before anything starts")
    func changed() async throws {
        let outside = try await Outside()
        var backup = try LoadedBackup(try await fixture(outside).backup())
        backup.files[Self.file] = backup.files[Self.file]?.replacing(",0.1\r\n", with: ",0.2\r\n")
        let other = try await BackupFixture()
        let token = try await other.token()
        try await other.serve { [backup] caller in
            let id = try await caller.upload(backup, token)
            let refused = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            #expect(refused.status == 409, "\(refused.text)")
            #expect(refused.json?["details"]?.array?.first?["file"]?.string == Self.file)
            #expect(refused.json?["details"]?.array?.first?["reason"]?.string == "its SHA-256 is not what the manifest says")
        }
    }

    @Test("a drill holds the files of others against the manifest")
    func drill() async throws {
        let outside = try await Outside()
        let fixture = try await fixture(outside)
        _ = try await fixture.backup()
        let drilled = try await fixture.tester.run(DrillJob.self, DrillJob.Input(backup: nil), for: try fixture.principal())
        #expect(drilled.job.state == .completed, "\(String(describing: drilled.job.failure))")
        let report = try #require(try drilled.output(DrillReport.self))
        let entity = try #require(report.entities.first { $0.name == "dataset-outside" })
        #expect(entity.comparison == .files && entity.rowsExpected == 4 && report.outcome == .passed)
    }

    @Test("a drill of a backup whose rows of others were lost in the store is a drift that names the file")
    func drift() async throws {
        let outside = try await Outside()
        let fixture = try await fixture(outside)
        let backup = try await fixture.backup()
        for (artifact, segments) in try await fixture.tester.engine.artifacts(of: backup.job) where artifact.name == Self.file {
            for segment in segments { try await fixture.blobs.delete(segment.key) }
        }
        let drilled = try await fixture.tester.run(DrillJob.self, DrillJob.Input(backup: nil), for: try fixture.principal())
        #expect(drilled.job.failure?.code == "DRILL_DRIFT")
        #expect(drilled.job.failure?.message.contains(Self.file) == true, "\(String(describing: drilled.job.failure))")
    }

    @Test("a backup whose process dies in the rows of others has the same bytes", arguments: [1, 2, 3, 4, 6, 9])
    func crashes(_ commit: Int) async throws {
        let outside = try await Outside()
        try await outside.fill(20_000)
        let fixture = try await fixture(outside, archiveBytes: 200_000)
        let whole = try await fixture.backup()
        #expect(try whole.files()["dataset-outside.3.csv"] != nil)
        let other = try await fixture.backup(crashes: [
            .beforeCommit(commit), .afterCommit(commit + 1, attempt: 2), .beforeCommit(commit, attempt: 3),
        ])
        #expect(other.job.state == .completed, "\(String(describing: other.job.failure))")
        #expect(other.attempts >= 2)
        #expect(try other.files() == whole.files())
        #expect(try other.manifest().files == whole.manifest().files)
    }

    @Test("an attempt that begins again in the rows of others has them as they are by then, each once")
    func begunAgain() async throws {
        let outside = try await Outside()
        try await outside.fill(20_000)
        let fixture = try await fixture(outside, archiveBytes: 200_000)
        try await fixture.know()
        let job = try await fixture.tester.engine.enqueue(
            BackupJob.self, BackupRequest(entities: nil, blobs: true), for: try fixture.principal())
        // All entities of the cut, and some rows of the table.
        fixture.tester.crash(job.id, .afterCommit(4))
        try await fixture.tester.runNext()
        let text = try #require(try await fixture.tester.engine.find(job.id)?.checkpoint)
        let start = try JobCoding.decode(BackupJob.Checkpoint.self, text)
        try #require(start.position.group >= start.entities.count, "it has not come to the table: \(start.position)")
        try await outside.write(
            "DELETE FROM things WHERE nr = 1", "UPDATE things SET text = 'by then' WHERE nr = 1001",
            "INSERT INTO things VALUES (99999, 'acme', 'everyone', 'new', 1, 1)")
        let result = try await fixture.tester.finish(job.id)
        let entity = try #require(try result.manifest().entities.first { $0.name == "dataset-outside" })
        #expect(entity.rows == 20_004)
        let files = try result.files()
        let written = entity.files.compactMap { files[$0.name] }.joined()
        let ids = written.components(separatedBy: "\r\n").compactMap { Int($0.prefix { $0 != "," }) }
        #expect(ids == [2, 3, 5] + Array(1001...21_000) + [99_999])
        #expect(written.contains("\r\n1001,acme,everyone,by then,"))
    }

    @Test("a table that can't be read fails the backup with a reason, and leaves nothing copied")
    func gone() async throws {
        let outside = try await Outside()
        let fixture = try await fixture(outside)
        try await outside.write("DROP TABLE things")
        let result = try await fixture.backup()
        #expect(result.job.state == .failed)
        #expect(result.job.failure?.code.hasPrefix("DATASET_") == true, "\(String(describing: result.job.failure))")
        #expect(try await fixture.count("backup_copied") == 0)
    }

    /// Uploads a backup, restores it, and says what has become of it.
    private func restore(_ backup: LoadedBackup, in other: BackupFixture, start: String = "{}") async throws -> JSONValue? {
        let token = try await other.token()
        let shown = ResultBox()
        try await other.serve { caller in
            let id = try await caller.upload(backup, token)
            let started = try await caller.send(.post, "/backup/restores/\(id)/start", token, body: start)
            #expect(started.status == 202, "\(started.text)")
            try await other.work()
            shown.set(try await caller.restore(id, token))
        }
        return shown.value
    }
}
