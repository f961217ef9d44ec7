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

/// Documents of a restore that come range by range.
@Suite struct RangeUploadTests {
    private static let file = "items-note.csv"

    private func backup() async throws -> LoadedBackup {
        let fixture = try await BackupFixture()
        try await fixture.put(
            "note", [ContentField(name: "t", kind: .text)], (0..<500).map { #"{"id":"\#(1000 + $0)","t":"text \#($0)"}"# })
        return try LoadedBackup(try await fixture.backup())
    }

    private func open(_ caller: Caller, _ token: HTTPFields) async throws -> String {
        try #require(try await caller.send(.post, "/backup/restores", token).json?["id"]?.string)
    }

    /// The uploaded bytes that are stored.
    private func stored(_ fixture: BackupFixture) async throws -> Int {
        try await fixture.blobs.list(prefix: "restores/", after: nil, limit: 500).count
    }

    @Test("a document that comes in ranges is restored, and one that breaks off goes on where GET tells")
    func ranges() async throws {
        let backup = try await backup()
        let other = try await BackupFixture()
        let token = try await other.token("globex")
        let bytes = Array(try #require(backup.files[Self.file]).utf8)
        try await other.serve { [backup] caller in
            let id = try await caller.upload(backup, token, leavingOut: [Self.file])
            for (start, end) in [(0, 1000), (1000, 1001), (1001, bytes.count - 7)] {
                let put = try await caller.put(id, Self.file, bytes, start..<end, token)
                #expect(put.status == 200, "\(put.text)")
                let shown = try await caller.document(Self.file, of: id, token)
                #expect(shown?["state"]?.string == "partial" && shown?["received"]?.integer == Int64(end))
                #expect(shown?["total"]?.integer == Int64(bytes.count) && shown?["sha256"] == nil)
            }
            let refused = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            #expect(refused.status == 409)
            let reason = "\(Self.file): only \(bytes.count - 7) of its \(bytes.count) bytes have come"
            #expect(refused.json?["detail"]?.string == reason, "\(refused.text)")
            // Another process goes on with it.
            try await other.tester.restart()
            let received = try #require(try await caller.document(Self.file, of: id, token)?["received"]?.integer)
            let last = try await caller.put(id, Self.file, bytes, Int(received)..<bytes.count, token)
            #expect(last.status == 200, "\(last.text)")
            let shown = try await caller.document(Self.file, of: id, token)
            #expect(shown?["state"]?.string == "ok" && shown?["total"] == nil && shown?["sha256"]?.string == sha256(bytes))
            #expect(try await caller.send(.post, "/backup/restores/\(id)/start", token).status == 202)
            try await other.work()
            #expect(try await caller.restore(id, token)?["status"]?.string == "completed")
        }
        #expect(try await other.backup(tenant: "globex").files()[Self.file] == backup.files[Self.file])
    }

    @Test("a range that does not follow what is there is a 409 that tells where the next one begins")
    func gaps() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        let bytes = Array(repeating: UInt8(ascii: "x"), count: 100)
        try await fixture.serve { caller in
            let id = try await open(caller, token)
            func refused(_ range: Range<Int>, total: Int = 100) async throws -> Int64? {
                let answer = try await caller.put(id, Self.file, bytes, range, token, total: total)
                #expect(answer.status == 409 && answer.json?["code"]?.string == "RESTORE_RANGE", "\(answer.text)")
                return answer.json?["received"]?.integer
            }
            #expect(try await refused(10..<20) == 0)
            #expect(try await caller.put(id, Self.file, bytes, 0..<10, token).status == 200)
            for range in [11..<20, 9..<20, 5..<10] { #expect(try await refused(range) == 10) }
            #expect(try await refused(10..<20, total: 101) == 10)
            #expect(try await stored(fixture) == 1)
            #expect(try await caller.put(id, Self.file, bytes, 10..<100, token).status == 200)
            // What is whole is not gone on with, but it can be sent again.
            #expect(try await refused(50..<100) == 0)
            #expect(try await caller.put(id, Self.file, bytes, 0..<10, token).status == 200)
            #expect(try await caller.document(Self.file, of: id, token)?["received"]?.integer == 10)
            #expect(try await stored(fixture) == 1)
            // As a whole, it takes the place of the ranges.
            #expect(try await caller.put(id, Self.file, bytes, token).status == 200)
            #expect(try await caller.document(Self.file, of: id, token)?["sha256"]?.string == sha256(bytes))
            #expect(try await stored(fixture) == 1)
            #expect(try await caller.send(.delete, "/backup/restores/\(id)", token).status == 204)
            #expect(try await stored(fixture) == 0)
        }
    }

    @Test(
        "what is no range, or not of its length, is a 400, and nothing of it is stored",
        arguments: [
            "bytes 0-9", "bytes 0-9/*", "bytes */10", "bytes 9-0/10", "bytes 0-10/10", "0-9/10", "bytes a-9/10", "bytes 0-8/10",
            "bytes 0-10/20", "bytes -1-9/10", "bytes 0-9/99999999999999999999",
        ])
    func invalid(_ range: String) async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let id = try await open(caller, token)
            var headers = token
            headers[.contentRange] = range
            let answer = try await caller.put(id, Self.file, Array("0123456789".utf8), headers)
            #expect(answer.status == 400 && answer.text.contains("Content-Range"), "\(answer.text)")
            #expect(try await caller.restore(id, token)?["documents"]?.array?.isEmpty == true)
        }
        #expect(try await stored(fixture) == 0)
    }

    @Test("bytes of files come in ranges too; those that have another digest are a 422, and only their last range goes")
    func blobs() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        let bytes = Array((0..<3000).map { UInt8($0 % 251) })
        let name = BackupBlobs.prefix + sha256(bytes)
        try await fixture.serve { caller in
            let id = try await open(caller, token)
            let first = try await caller.put(id, name, bytes, 0..<1500, token)
            #expect(first.status == 200 && first.json?["state"]?.string == "partial", "\(first.text)")
            #expect(first.json?["received"]?.integer == 1500)
            let wrong = try await caller.put(id, name, Array(bytes.reversed()), 1500..<3000, token)
            #expect(wrong.status == 422, "\(wrong.text)")
            #expect(try await stored(fixture) == 1)
            let right = try await caller.put(id, name, bytes, 1500..<3000, token)
            #expect(right.status == 200 && right.json?["state"]?.string == "ok", "\(right.text)")
            #expect(right.json?["sha256"]?.string == sha256(bytes) && right.json?["total"] == nil)
            // The manifest comes as a whole.
            var headers = token
            headers[.contentRange] = "bytes 0-1/2"
            #expect(try await caller.put(id, "manifest.json", Array("{}".utf8), headers).status == 400)
        }
    }

    @Test("of equal ranges at once one is stored, and nothing is doubled")
    func together() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        let bytes = Array("0123456789".utf8)
        try await fixture.serve { caller in
            let id = try await open(caller, token)
            #expect(try await caller.put(id, Self.file, bytes, 0..<4, token).status == 200)
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<4 { group.addTask { try await caller.put(id, Self.file, bytes, 4..<8, token).status } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses.sorted() == [200, 409, 409, 409])
            #expect(try await caller.put(id, Self.file, bytes, 8..<10, token).status == 200)
            #expect(try await caller.document(Self.file, of: id, token)?["sha256"]?.string == sha256(bytes))
            #expect(try await stored(fixture) == 3)
        }
    }

    @Test("ranges that wait for more are not swept away with what belongs to nobody")
    func swept() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        let bytes = Array("0123456789".utf8)
        try await fixture.serve { caller in
            let id = try await open(caller, token)
            #expect(try await caller.put(id, Self.file, bytes, 0..<4, token).status == 200)
            let sweep = RestoreSweep(database: fixture.database, blobs: fixture.blobs)
            let orphan = try await fixture.blobs.writer(try #require(BlobKey("restores/acme/\(id)/orphan")))
            try await orphan.append(bytes)
            _ = try await orphan.finish()
            #expect(try await stored(fixture) == 2)
            // As the store of the bytes counts time.
            let later = Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)).advanced(by: .seconds(60))
            try await sweep.run(olderThan: .seconds(100 * 365 * 86_400), orphansOlderThan: .zero, now: later)
            #expect(try await stored(fixture) == 1)
            #expect(try await caller.put(id, Self.file, bytes, 4..<10, token).status == 200)
        }
    }
}

extension Caller {
    /// Uploads a range of a document.
    fileprivate func put(
        _ id: String, _ name: String, _ bytes: [UInt8], _ range: Range<Int>, _ headers: HTTPFields, total: Int? = nil
    ) async throws -> Answer {
        var headers = headers
        headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(total ?? bytes.count)"
        return try await put(id, name, Array(bytes[range]), headers)
    }

    fileprivate func document(_ name: String, of id: String, _ headers: HTTPFields) async throws -> JSONValue? {
        try await restore(id, headers)?["documents"]?.array?.first { $0["name"]?.string == name }
    }
}
