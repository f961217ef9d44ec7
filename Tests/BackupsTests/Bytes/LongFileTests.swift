import AgeFiles
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

/// Bytes that are longer than what a restore puts to one place.
@Suite struct LongFileTests {
    /// Of four pieces, the last of which is short.
    private static let long = String(repeating: "0123456789abcdef", count: 200_000)
    private static let pieceBytes: Int64 = 1_000_000
    /// Of two pieces, both full.
    private static let even = String(repeating: "x", count: 2_000_000)

    private func fixture() async throws -> BackupFixture {
        try await BackupFixture(commitsOften: true, restoredPieceBytes: Self.pieceBytes)
    }

    private func filled() async throws -> BackupFixture {
        let fixture = try await fixture()
        for (number, text) in ["short", Self.long, Self.even, "", "another"].enumerated() {
            try await fixture.store(number + 1, text)
        }
        return fixture
    }

    /// What the pieces are that a file consists of.
    private func pieces(
        of text: String, store: String = BlobStores.own, tenant: String, in fixture: BackupFixture
    ) async throws -> [Int64] {
        let tenant = try #require(TenantID(tenant))
        let content = FileContent(
            sha256: try #require(HexBytes.of(text)), length: Int64(text.utf8.count), store: store)
        let found = try await fixture.database.read(of: tenant) { try ContentsStore().pieces(of: content, tenant, in: $0) }
        return try #require(found).map(\.length)
    }

    @Test("long files come back in pieces, are read and backed up as they were, and go with their pieces", arguments: 0...6)
    func comesBack(crash: Int) async throws {
        let source = try await filled()
        let backup = try await source.backup()
        let other = try await fixture()
        let crashes: [JobTester.Crash] =
            crash == 0 ? [] : [.afterCommit(crash * 2), .beforeCommit(crash, attempt: 2), .afterCommit(crash, attempt: 3)]
        let shown = try await other.restore([backup], tenant: "globex", crashes: crashes)
        #expect(shown?["status"]?.string == "completed", "\(String(describing: shown))")
        #expect(try await other.driveFiles("globex") == source.driveFiles())
        #expect(try await pieces(of: Self.long, tenant: "globex", in: other) == [1_000_000, 1_000_000, 1_000_000, 200_000])
        #expect(try await pieces(of: Self.even, tenant: "globex", in: other) == [1_000_000, 1_000_000])
        #expect(try await pieces(of: "short", tenant: "globex", in: other) == [5])
        try await other.tidyDrive()
        try await other.checkDrive()
        #expect(try await other.backup(tenant: "globex").blobTexts() == backup.blobTexts())
        for number in [2, 3] { try await other.remove(try await other.file(number, tenant: "globex")) }
        try await other.tidyDrive()
        try await other.checkDrive()
        #expect(try await other.count("drive_parts") == 0)
    }

    @Test("what is interrupted in a long file goes on behind the last piece that is there", arguments: [false, true])
    func goesOn(isEncrypted: Bool) async throws {
        let fixture = try await filled()
        let recipients = isEncrypted ? ["\(try AgeSecretKey(TestKeys.secrets[0]).recipient)"] : nil
        let job = try await fixture.backup(BackupRequest(entities: nil, blobs: true, recipients: recipients)).job.id
        let token = try await fixture.token("globex", roles: ["admin", "system"])
        let tenant = try #require(TenantID("globex"))
        try await fixture.serve { caller in
            let opened = try await caller.send(.post, "/backup/restores", token, body: #"{"from": "\#(job)"}"#)
            let id = try #require(opened.json?["id"]?.string, "\(opened.text)")
            let body = isEncrypted ? #"{"identities": ["\#(TestKeys.secrets[0])"]}"# : "{}"
            let started = try await caller.send(.post, "/backup/restores/\(id)/start", token, body: body)
            let restore = try #require(started.json?["jobId"]?.string.flatMap { JobID($0) }, "\(started.text)")
            // It dies again and again, until two pieces of the longest file are there. What is encrypted comes in smaller
            // pieces, with a commit after each.
            var first: BlobKey?
            for attempt in 1...60 where first == nil {
                fixture.tester.crash(restore, .afterCommit(isEncrypted ? 40 : 3, attempt: attempt))
                try await fixture.tester.runNext()
                let state = try await fixture.tester.engine.find(restore)?.checkpoint.map {
                    try JobCoding.decode(RestoreJob.Checkpoint.self, $0)
                }
                guard let begun = state?.bytes?.begun, begun.pieces >= 2, begun.sha256 == sha256(Array(Self.long.utf8)) else {
                    continue
                }
                first = try await fixture.blobs.list(prefix: "files/\(tenant)/", after: nil, limit: 100).map(\.key)
                    .first { $0.text.hasSuffix("\(begun.sha256)-0") }
            }
            // Whoever writes it again writes the right bytes.
            let key = try #require(first)
            let writer = try await fixture.blobs.writer(key)
            try await writer.append(Array(repeating: UInt8(ascii: "?"), count: Int(Self.pieceBytes)))
            _ = try await writer.finish()
            let result = try await fixture.tester.finish(restore)
            #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
        }
        let restored = try #require(try await fixture.driveFiles("globex").first { $0.key.contains("002 ann") }?.value)
        let expected = String(repeating: "?", count: Int(Self.pieceBytes)) + Self.long.dropFirst(Int(Self.pieceBytes))
        #expect(restored == expected, "the first piece was written again, or others were not written rightly")
    }

    @Test("a restore that fails in a long file leaves none of its pieces")
    func leavesNothing() async throws {
        let fixture = try await filled()
        let backup = try await fixture.backup()
        for (artifact, segments) in try await fixture.tester.engine.artifacts(of: backup.job)
        where artifact.name == blobName(Self.long) {
            let last = try #require(segments.last)
            var bytes: [UInt8] = []
            for try await chunk in try await fixture.blobs.read(last.key, range: 0..<last.length) { bytes += chunk }
            let writer = try await fixture.blobs.writer(last.key)
            try await writer.append(bytes.dropLast() + [UInt8(ascii: "?")])
            _ = try await writer.finish()
        }
        let token = try await fixture.token("globex", roles: ["admin", "system"])
        try await fixture.serve { caller in
            let opened = try await caller.send(.post, "/backup/restores", token, body: #"{"from": "\#(backup.job.id)"}"#)
            let id = try #require(opened.json?["id"]?.string, "\(opened.text)")
            let started = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            let result = try await fixture.tester.finish(try #require(started.json?["jobId"]?.string.flatMap { JobID($0) }))
            #expect(result.job.failure?.code == "BACKUP_REFUSED", "\(String(describing: result.job.failure))")
        }
        #expect(try await !fixture.blobs.list(prefix: "files/globex/", after: nil, limit: 100).isEmpty)
        try await fixture.tidyDrive()
        try await fixture.checkDrive()
        #expect(try await fixture.blobs.list(prefix: "files/globex/", after: nil, limit: 100).isEmpty)
    }

    @Test("a drill of a backup with long files finds them to be what they were")
    func drill() async throws {
        let fixture = try await filled()
        _ = try await fixture.backup()
        let result = try await fixture.tester.run(
            DrillJob.self, DrillJob.Input(backup: nil), for: try fixture.principal(),
            crashes: [.afterCommit(9), .afterCommit(4, attempt: 2)])
        #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
        let left = try await fixture.blobs.list(prefix: "files/", after: nil, limit: 100).map(\.key.text)
        #expect(left.count == 5 && left.allSatisfy { $0.hasPrefix("files/acme/") })
        #expect(try await fixture.count("drive_parts") == 0)
    }
}

private enum HexBytes {
    static func of(_ text: String) -> [UInt8]? {
        let digits = Array(sha256(Array(text.utf8)).utf8)
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
        }
    }
}
