import Datasets
import Formats
import TenantData
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Backups
@testable import Drive

/// Files in increments and drills.
@Suite struct FileIncrementTests {
    private func filled() async throws -> BackupFixture {
        let fixture = try await BackupFixture(commitsOften: true)
        for number in 1...9 { try await fixture.store(number, "text \(number % 7)", account: "user\(number % 3)") }
        return fixture
    }

    /// Renames one, deletes two, adds two: one with bytes that are there.
    private func change(_ fixture: BackupFixture) async throws {
        try await fixture.rename(try await fixture.file(1), "renamed")
        try await fixture.remove(try await fixture.file(3))
        try await fixture.remove(try await fixture.file(9))
        try await fixture.store(10, "text 5")
        try await fixture.store(11, "new")
        try await fixture.tidyDrive()
    }

    @Test("an increment has the changed rows, the keys of deleted ones, and bytes that no backup before it has")
    func increment() async throws {
        let fixture = try await filled()
        let full = try await fixture.backup()
        #expect(full.blobFiles().count == 7)
        try await change(fixture)
        let increment = try await fixture.increment(of: full)
        #expect(try increment.scopes()["drive-files"] == "changes" && increment.scopes()["drive-bundles"] == "whole")
        #expect(try increment.lines("drive-files.csv").map { String($0.prefix(36)) }.map { $0.suffix(2) } == ["01", "10", "11"])
        #expect(try increment.lines("drive-deleted.csv").map { String($0.prefix(36)) }.map { $0.suffix(2) } == ["03", "09"])
        #expect(increment.blobTexts() == [blobName("new"): "new"])
        #expect(try increment.manifest().entities.first { $0.name == "drive-files" }?.total == 9)
        let third = try await fixture.increment()
        #expect(try third.blobFiles().isEmpty && third.lines("drive-files.csv").isEmpty && third.manifest().blobs == [])

        let other = try await BackupFixture(commitsOften: true)
        let shown = try await other.restore([full, increment, third], tenant: "globex", crashes: [.beforeCommit(6)])
        #expect(shown?["status"]?.string == "completed", "\(String(describing: shown))")
        #expect(try await other.driveFiles("globex") == fixture.driveFiles())
        try await other.tidyDrive()
        try await other.checkDrive()
        let left = try await other.state("globex").filter { $0.key.hasPrefix("drive-") }
        #expect(try await left == fixture.state().filter { $0.key.hasPrefix("drive-") })
    }

    @Test("an increment of a backup without bytes has the bytes of all files")
    func increments() async throws {
        let fixture = try await filled()
        let full = try await fixture.backup(BackupRequest(entities: nil, blobs: false))
        try await change(fixture)
        let increment = try await fixture.increment(of: full)
        #expect(try increment.lines("drive-files.csv").count == 3)
        #expect(increment.blobFiles().count == 7)
        let other = try await BackupFixture(commitsOften: true)
        try await other.restore([full, increment], tenant: "globex")
        #expect(try await other.driveFiles("globex") == fixture.driveFiles())
        try await other.tidyDrive()
        try await other.checkDrive()
    }

    @Test("after a restore an increment has all files, for they are others than before")
    func afterRestore() async throws {
        let fixture = try await filled()
        let full = try await fixture.backup()
        _ = try await fixture.restored(from: #"{"mode": "replace", "from": "\#(full.job.id)"}"#)
        let increment = try await fixture.increment(of: full)
        #expect(try increment.scopes()["drive-files"] == "whole")
        #expect(try increment.lines("drive-files.csv").count == 9)
        #expect(increment.blobFiles().isEmpty, "their bytes are in the backup before it")
        let other = try await BackupFixture(commitsOften: true)
        try await other.restore([full, increment], tenant: "globex")
        #expect(try await other.driveFiles("globex") == fixture.driveFiles())
    }

    private func drill(_ fixture: BackupFixture, _ crashes: [JobTester.Crash] = []) async throws -> JobTester.Result {
        try await fixture.tester.run(
            DrillJob.self, DrillJob.Input(backup: nil), for: try fixture.principal(), crashes: crashes)
    }

    @Test("a drill restores the bytes of files as well, takes their digests again, and leaves none", arguments: [0, 6, 9, 14])
    func drills(crash: Int) async throws {
        let fixture = try await filled()
        _ = try await fixture.backup()
        try await change(fixture)
        _ = try await fixture.increment()
        let result = try await drill(fixture, crash == 0 ? [] : [.beforeCommit(crash), .afterCommit(crash, attempt: 2)])
        #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
        let report = try #require(try result.output(DrillReport.self))
        #expect(report.blobs?.expected == 7 && report.blobs?.found == 7 && (report.blobs?.bytes ?? 0) > 30)
        let files = try #require(report.entities.first { $0.name == "drive-files" })
        #expect(files.comparison == .bytes && files.rowsFound == 9)
        try await fixture.tidyDrive()
        try await fixture.checkDrive()
        let keys = try await fixture.blobs.list(prefix: "files/", after: nil, limit: 100).map(\.key.text)
        #expect(keys.allSatisfy { $0.hasPrefix("files/acme/") })
        for table in ["drive_cuts", "drive_versions", "drive_spaces"] { #expect(try await fixture.count(table) == 0) }
    }

    @Test("a drill of a backup whose bytes are damaged fails and names them; one without bytes compares none")
    func drift() async throws {
        let fixture = try await filled()
        let backup = try await fixture.backup()
        let damaged = blobName("text 3")
        for (artifact, segments) in try await fixture.tester.engine.artifacts(of: backup.job) where artifact.name == damaged {
            let writer = try await fixture.blobs.writer(segments[0].key)
            try await writer.append(Array("text 4".utf8))
            _ = try await writer.finish()
        }
        let failed = try await drill(fixture)
        #expect(failed.job.failure?.code == "DRILL_DRIFT" && failed.job.failure?.message.contains(damaged) == true)
        _ = try await fixture.backup(BackupRequest(entities: nil, blobs: false))
        let passed = try await drill(fixture)
        #expect(passed.job.state == .completed, "\(String(describing: passed.job.failure))")
        let report = try #require(try passed.output(DrillReport.self))
        #expect(report.blobs == nil && report.entities.first { $0.name == "drive-files" }?.comparison == .files)
        try await fixture.tidyDrive()
        try await fixture.checkDrive()
    }
}
