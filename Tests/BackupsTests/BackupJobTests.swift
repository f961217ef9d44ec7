import Crypto
import Datasets
import Formats
import Foundation
import TenantData
import Testing
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Backups
@testable import ContentExport

@Suite struct BackupJobTests {
    private static let fields = [
        ContentField(name: "title", kind: .text, isIndexed: true), ContentField(name: "count", kind: .integer),
        ContentField(name: "size", kind: .number), ContentField(name: "done", kind: .boolean),
        ContentField(name: "at", kind: .datetime), ContentField(name: "tags", kind: .tags),
        ContentField(name: "more", kind: .json),
        ContentField(name: "sizes", kind: .number, isList: true),
    ]

    private static let items = [
        #"{"id":"a","title":"a, \"b\"\r\nc","count":-9223372036854775808,"size":0.1,"done":true,"at":"2013-01-01T03:00:00Z"}"#,
        #"{"id":"b","title":"","tags":["x","é"],"more":{"a":[1,null]},"sizes":[1,2.5e-9],"language":"de","readers":["role:x"]}"#,
        #"{"id":"c","title":"=1+1"}"#, #"{"id":"d","title":" é😀\u0001","done":false,"more":"text"}"#,
    ]

    @Test("a backup has a file for each type, with values that are told without loss")
    func values() async throws {
        let fixture = try await BackupFixture()
        try await fixture.put("note.x", Self.fields, Self.items)
        let result = try await fixture.backup()
        #expect(result.job.state == .completed)
        let files = try result.files()
        let lines = [
            "id,language,readers,title,count,size,done,at,tags,more,sizes",
            #"a,,,"a, ""b"""#, #"c",-9223372036854775808,0.1,true,2013-01-01T03:00:00.000Z,,,"#,
            #"b,de,"[""role:x""]","",,,,,"[""x"",""é""]","{""a"":[1,null]}","[1,2.5e-9]""#, "c,,,=1+1,,,,,,,",
            "d,,, é😀\u{1},,,false,,,\"\"\"text\"\"\",", "",
        ]
        #expect(files["items-note~x.csv"]?.components(separatedBy: "\r\n") == lines)
        #expect(files["content-types.csv"]?.hasPrefix("name,fields,readers,createdAt,updatedAt\r\nnote.x,\"[{") == true)
        #expect(files["content-types.csv"]?.hasSuffix(",1970-01-01T00:00:01.000001Z,1970-01-01T00:00:01.000001Z\r\n") == true)
    }

    @Test("an empty tenant has every file, with a header and no rows")
    func empty() async throws {
        let fixture = try await BackupFixture()
        let result = try await fixture.backup()
        let files = try result.files()
        #expect(
            files.keys.sorted() == [
                "api-keys.csv", "audit-events.csv", "content-types.csv", "drive-bundles.csv", "drive-files.csv",
                "drive-pools.csv", "drive-quotas.csv", "notices.csv", "schedules.csv",
            ])
        #expect(files.values.allSatisfy { $0.components(separatedBy: "\r\n").count == 2 && $0.hasSuffix("\r\n") })
        #expect(try result.manifest().entities.allSatisfy { $0.rows == 0 && $0.files.count == 1 })
    }

    @Test("the manifest says what the files are")
    func manifest() async throws {
        let fixture = try await BackupFixture()
        try await fixture.put("note", Self.fields, Self.items)
        let result = try await fixture.backup()
        let manifest = try result.manifest()
        #expect(manifest.tenant == "acme")
        #expect(manifest.jobId == result.job.id.text)
        #expect(manifest.waybillVersion == "test")
        let files = try result.files()
        #expect(manifest.files.map(\.name).sorted() == files.keys.sorted())
        for file in manifest.files {
            let bytes = Array(try #require(files[file.name]).utf8)
            #expect(file.bytes == Int64(bytes.count))
            #expect(file.sha256 == HexText.of(SHA256.hash(data: bytes)))
        }
        let items = try #require(manifest.entities.first { $0.name == "items-note" })
        #expect(items.rows == 4)
        #expect(
            items.columns.map(\.type) == [.text, .text, .list, .text, .integer, .number, .boolean, .instant, .list, .json, .list])
    }

    @Test("no row of another tenant, no secret and no signing key is in any file")
    func foreign() async throws {
        let fixture = try await BackupFixture()
        try await fixture.put("note", [ContentField(name: "title", kind: .text)], [#"{"id":"ours"}"#])
        try await fixture.put("note", [ContentField(name: "title", kind: .text)], [#"{"id":"theirs"}"#], tenant: "other")
        let now = fixture.floor.time.now()
        var secrets: [String] = []
        for tenant in ["acme", "other"] {
            secrets.append(
                try await fixture.floor.keys.create(
                    id: "key-of-\(tenant)", tenant: try fixture.principal(tenant).tenant, user: "bot", roles: ["reader"],
                    name: "", expiresAt: nil, random: Array(repeating: tenant == "acme" ? 1 : 2, count: 31) + [3], now: now))
        }
        let files = try await fixture.backup().files()
        let all = files.values.joined()
        #expect(all.contains("ours") && all.contains("key-of-acme"))
        for text in ["theirs", "key-of-other", "a key for tests"] + secrets { #expect(!all.contains(text)) }
    }

    @Test("what is written after the cut is not in the backup, and nothing that was there is missing")
    func cut() async throws {
        let fixture = try await BackupFixture(commitsOften: true)
        let fields = [ContentField(name: "n", kind: .integer)]
        try await fixture.put("note", fields, (0..<9000).map { #"{"id":"i\#(10000 + $0)","n":\#($0)}"# })
        let whole = try await fixture.backup().files()
        // The cut is in the first commit: then the process dies, and everything is changed.
        try await fixture.know()
        let job = try await fixture.tester.engine.enqueue(
            BackupJob.self, BackupRequest(entities: nil, blobs: true), for: try fixture.principal())
        try await fixture.dieAfterFirstCommit(of: job.id)
        try await fixture.put("note", fields, (0..<9100).map { #"{"id":"i\#(10000 + $0)","n":0}"# })
        try await fixture.put("later", fields, [])
        let schedule = JobSchedule(
            name: "s", cron: "0 0 * * *", kind: BackupJob.kind, principal: try fixture.principal(),
            input: try JobCoding.encode(BackupRequest(entities: nil, blobs: true)))
        try await fixture.tester.engine.put(schedule)
        let files = try await fixture.tester.finish(job.id).files()
        #expect(files == whole)
        #expect(try await fixture.count("backup_copied") == 0)
        #expect(try await fixture.count("content_cuts") == 0)
    }

    @Test("notices are those of the cut, in chunks, and read as they were read then")
    func notices() async throws {
        let fixture = try await BackupFixture()
        let now = fixture.floor.time.now().microseconds
        try await fixture.database.write { session in
            for (tenant, count) in [("acme", 5000), ("other", 3)] {
                try session.execute("INSERT INTO notify_cursors (tenant, number) VALUES ($1, $2)", tenant, count)
                for number in 1...(count + 1) {
                    try session.execute(
                        """
                        INSERT INTO notify_entries (tenant, user_id, number, job_id, kind, outcome, title, message, created_at,
                            read_at) VALUES ($1, $2, $3, 'j', 'k', 'completed', $4, '', $5, $6)
                        """, tenant, "user\(number % 2)", number, "\(tenant) \(number)", now - 10,
                        number == 2 ? now - 5 : number == 4 ? now + 1 : nil)
                }
            }
        }
        let result = try await fixture.backup(BackupRequest(entities: ["notices"], blobs: true))
        let lines = try #require(try result.files()["notices.csv"]?.components(separatedBy: "\r\n"))
        #expect(lines.count == 5002)
        #expect(lines[1].hasPrefix("user0,j,k,completed,acme 2,\"\",,") && !lines[1].hasSuffix(","))
        #expect(lines[2].hasPrefix("user0,j,k,completed,acme 4,\"\",,") && lines[2].hasSuffix("Z,"))
        #expect(lines[5000].hasPrefix("user1,j,k,completed,acme 4999,"))
    }

    @Test("a backup whose process dies has the same bytes", arguments: [1, 2, 3, 5, 8])
    func crashes(_ commit: Int) async throws {
        let fixture = try await BackupFixture(archiveBytes: 60_000, commitsOften: true)
        let fields = [ContentField(name: "n", kind: .integer), ContentField(name: "text", kind: .text)]
        let items = (0..<20_000).map { #"{"id":"i\#(10000 + $0)","n":\#($0),"text":"\#($0 * 7919 % 1000)"}"# }
        try await fixture.put("note", fields, items)
        let whole = try await fixture.backup()
        let other = try await fixture.backup(crashes: [
            .beforeCommit(commit), .afterCommit(commit, attempt: 2), .beforeCommit(2, attempt: 3),
        ])
        #expect(other.attempts >= 2)
        #expect(try other.files() == whole.files())
        #expect(try other.manifest().files == whole.manifest().files)
    }

    @Test("an entity that is too long for a file goes on in a next one, to the byte")
    func paging() async throws {
        let fields = [ContentField(name: "text", kind: .text)]
        let items = (0..<100).map { #"{"id":"\#(100 + $0)","text":"\#(String(repeating: "x", count: 20))"}"# }
        // A row has 3 + 3 + 20 + 2 bytes, and the header 26.
        let header = 26
        let row = 28
        for (rows, first, names) in [(100, 100, 1), (99, 99, 2), (50, 50, 2)] {
            let fixture = try await BackupFixture(archiveBytes: Int64(header + rows * row))
            try await fixture.put("note", fields, items)
            let result = try await fixture.backup(BackupRequest(entities: ["content"], blobs: true))
            let entity = try #require(try result.manifest().entities.first { $0.name == "items-note" })
            #expect(entity.files.map(\.name) == ["items-note.csv", "items-note.2.csv"].prefix(names).map(\.self))
            #expect(entity.files.first?.rows == Int64(first))
            #expect(entity.files.first?.bytes == Int64(header + rows * row))
            #expect(entity.rows == 100)
        }
    }

    @Test("a row that fits into no file fails the backup with a reason")
    func tooLong() async throws {
        let fixture = try await BackupFixture(archiveBytes: 1000)
        let text = String(repeating: "x", count: 1000)
        try await fixture.put("n", [ContentField(name: "t", kind: .text)], [#"{"id":"a","t":"\#(text)"}"#])
        let result = try await fixture.backup(BackupRequest(entities: ["content"], blobs: true))
        #expect(result.job.state == .failed)
        #expect(result.job.failure?.code == "ROW_TOO_LARGE")
        #expect(try await fixture.count("backup_copied") == 0)
    }

    @Test("one who may not make backups any more gets none")
    func rights() async throws {
        let fixture = try await BackupFixture()
        let job = try await fixture.tester.run(
            BackupJob.self, BackupRequest(entities: nil, blobs: true), for: try fixture.principal("nobody"))
        #expect(job.job.failure?.code == "RIGHTS_LOST")
    }
}

extension BackupFixture {
    /// Runs a job's first attempt until its first commit, and starts another process.
    func dieAfterFirstCommit(of job: JobID) async throws {
        tester.crash(job, .afterCommit(1))
        try await tester.runNext()
    }
}
