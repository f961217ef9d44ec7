import HTTPTypes
import TenantData
import Testing
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import AuditLog
@testable import AuditTrail

/// Exports and lists of a log that restores have brought events into.
@Suite struct AuditSegmentExportTests {
    /// A log of `own` events behind a segment of 130, of which some may have gone by their age.
    private func door(own: Int = 70, pruned: Int64 = 0) async throws -> AuditDoor {
        let door = try await AuditDoor()
        let backup = BackupOrigin(installation: "key", tenant: "old", job: "job", manifest: "ab")
        try await door.append(own)
        let store = AuditStore(isEnabled: true)
        try await door.database.write(of: door.tenant) { [tenant = door.tenant] session in
            let number = try store.makeSegment(
                from: AuditOrigin(backup: backup, entity: "audit-events", log: "key/old"), for: "r", of: tenant, in: session)
            for start in [1, 61] {
                let events = (start..<start + (start == 1 ? 60 : 70)).map { number in
                    let event = AuditEvent(
                        id: "old\(number)", at: Timestamp(microseconds: Int64(number)), user: number % 2 == 0 ? "eve" : "bob",
                        action: AuditAction(rawValue: "OLD"))
                    return AuditEarlierEvent(
                        origin: Int64(number), id: event.id, at: event.at.microseconds, user: event.user,
                        action: event.action.rawValue, body: event.body())
                }
                try store.add(events, to: number, log: nil, of: tenant, in: session)
            }
            try store.show(number, of: tenant, at: Timestamp(microseconds: 1), in: session)
            try session.execute("UPDATE audit_segments SET pruned = $1", pruned)
            try session.execute("DELETE FROM audit_earlier WHERE ordinal <= $1", pruned)
        }
        return door
    }

    @Test("an export begins with the segment, in files of equal length, and says that each chain holds")
    func exports() async throws {
        let door = try await door()
        try await door.serve { asking in
            let (job, files) = try await asking.export()
            #expect(job["status"]?.string == "completed", "\(job)")
            #expect(job["count"]?.integer == 200 && job["lastExportedId"]?.integer == 70)
            #expect(try files.seqs() == Array(-129...70))
            #expect(files.names.count == 5)
            let manifest = try files.manifest
            #expect(manifest["firstId"]?.integer == -129 && manifest["lastId"]?.integer == 70)
            #expect(manifest["files"]?.array?.map { $0["rows"]?.integer } == [50, 50, 50, 50])
            let chain = manifest["chain"]
            #expect(chain?["holds"]?.bool == true && (chain?["through"]?.integer ?? 0) >= 70)
            let segment = chain?["segments"]?.array?.first
            #expect(segment?["firstId"]?.integer == -129 && segment?["lastId"]?.integer == 0)
            #expect(segment?["jobId"]?.string == "job" && segment?["publicKey"]?.string == "key")
        }
    }

    @Test("numbers that have gone move no file's end, and filters count over both", arguments: [0, 60] as [Int64])
    func gaps(pruned: Int64) async throws {
        let door = try await door(pruned: pruned)
        let all = Array(-129 + pruned...70)
        try await door.serve { asking in
            let (_, files) = try await asking.export()
            #expect(try files.seqs() == all)
            let rows = try files.manifest["files"]?.array?.compactMap { $0["rows"]?.integer } ?? []
            #expect(rows.dropLast().allSatisfy { $0 == 50 } && rows.reduce(0, +) == Int64(all.count))
            #expect(try files.manifest["chain"]?["holds"]?.bool == true)
            let (job, some) = try await asking.export(#"{"filters": {"usernames": ["eve"], "actions": ["OLD"]}}"#)
            #expect(try some.seqs() == all.filter { $0 <= 0 && ($0 + 130) % 2 == 0 })
            #expect(job["lastExportedId"]?.integer == 0)
        }
    }

    @Test("an export whose process dies has the same files, across the end of the segment", arguments: 1...6)
    func dies(commit: Int) async throws {
        let door = try await door(pruned: 60)
        try await door.serve { asking in
            let id = try await asking.start()
            let job = try #require(JobID(id))
            door.tester.crash(job, .beforeCommit(commit))
            door.tester.crash(job, .afterCommit(commit, attempt: 2))
            try await door.work()
            let files = try await asking.files(id)
            #expect(try files.seqs() == Array(-69...70))
            let rows = try files.manifest["files"]?.array?.compactMap { $0["rows"]?.integer }
            #expect(rows == [50, 50, 40])
        }
    }

    @Test("a changed event of a segment is named in the manifest")
    func broken() async throws {
        let door = try await door()
        try await door.database.write { session in
            _ = try session.execute("UPDATE audit_earlier SET body = '[]' WHERE ordinal = 100")
        }
        try await door.serve { asking in
            let (job, _) = try await asking.export()
            #expect(job["chain"]?["holds"]?.bool == false)
            #expect(job["chain"]?["firstBrokenId"]?.integer == -30)
        }
    }

    @Test("lists go through both, in pages, with the cursors that they give")
    func lists() async throws {
        let door = try await door(own: 5)
        try await door.serve { asking in
            for order in ["asc", "desc"] {
                var seen: [Int64] = []
                var cursor = ""
                while true {
                    let page = try await asking.send(.get, "/audit-log/events?limit=40&order=\(order)\(cursor)")
                    #expect(page.status == 200, "\(page.text)")
                    seen += page.json["events"]?.array?.compactMap { $0["seq"]?.integer } ?? []
                    guard let next = page.json["next"]?.integer else { break }
                    cursor = "&cursor=\(next)"
                }
                #expect(seen == (order == "asc" ? Array(-129...5) : Array((-129...5).reversed())))
            }
        }
    }
}
