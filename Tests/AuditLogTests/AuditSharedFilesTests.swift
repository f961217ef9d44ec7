import AuditTrail
import HTTPTypes
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import AuditLog

@Suite struct AuditSharedFilesTests {
    private let bob = #"{"filters": {"usernames": ["bob"]}}"#

    @Test("an identical export that has finished lends its files at once, and names say whose they are")
    func reuses() async throws {
        let blobs = FailingBlobs(failing: nil)
        let door = try await AuditDoor(blobs: blobs)
        try await door.append(60)
        try await door.serve { asking async throws in
            let (first, files) = try await asking.export(bob)
            let count = try await blobs.count()
            // The events of the first request are not of this user, so that the same match.
            let (second, same) = try await asking.export(bob, user: "zoe")
            #expect(second["reusedJobId"] == first["jobId"])
            #expect(second["status"]?.string == "completed" && second["count"]?.integer == 60)
            #expect(second["contentHash"] == first["contentHash"])
            #expect(second["lastExportedId"]?.integer == 60)
            #expect(same.names == files.names && same.files.map(\.text) == files.files.map(\.text))
            #expect(try await blobs.count() == count)
            let third = try await asking.export(bob).job
            #expect(third["reusedJobId"] == first["jobId"])
        }
    }

    @Test(
        "what differs in what matches, in format or in filter is made anew",
        arguments: [
            #"{"filters": {"usernames": ["bob"]}, "format": "ndjson"}"#, #"{"filters": {"usernames": ["bob", "nobody"]}}"#,
            #"{"filters": {"usernames": ["bob"]}}"#,
        ])
    func differs(other: String) async throws {
        let door = try await AuditDoor()
        try await door.append(60)
        try await door.serve { asking async throws in
            _ = try await asking.export(bob)
            if other == bob { try await door.append(1, from: 500) }
            #expect(try await asking.export(other).job["reusedJobId"] == nil)
        }
    }

    @Test("files are kept three days from their export's end, and then it is clear that they have expired")
    func expiry() async throws {
        let blobs = FailingBlobs(failing: nil)
        let door = try await AuditDoor(blobs: blobs)
        try await door.append(60)
        try await door.serve { asking async throws in
            let id = try #require(try await asking.export(bob).job["jobId"]?.string)
            door.time.advance(by: AuditDoor.day * 3 - .seconds(1))
            try await door.tester.engine.sweepNext()
            #expect(try await asking.show(id)["artifactState"]?.string == "ready")
            door.time.advance(by: .seconds(2))
            try await door.tester.engine.sweepNext()
            let job = try await asking.show(id)
            #expect(job["status"]?.string == "completed" && job["artifactState"]?.string == "expired")
            #expect(job["downloadUrl"] == nil)
            let answer = try await asking.send(.get, "\(AuditDoor.path)/\(id)/download")
            #expect(answer.status == 410 && answer.code == "ARTIFACT_EXPIRED")
            #expect(try await blobs.count() == 0)
            // What has expired lends nothing any more.
            #expect(try await asking.export(bob).job["reusedJobId"] == nil)
        }
    }

    @Test("shared files go with the last export that has them, once", arguments: ["expiry", "revoke", "prune"])
    func lastOne(way: String) async throws {
        let blobs = FailingBlobs(failing: nil)
        let door = try await AuditDoor(blobs: blobs)
        try await door.append(60)
        try await door.serve { asking async throws in
            let first = try #require(try await asking.export(bob).job["jobId"]?.string)
            door.time.advance(by: AuditDoor.day)
            let second = try #require(try await asking.export(bob).job["jobId"]?.string)
            let count = try await blobs.count()
            switch way {
            case "revoke":
                #expect(try await asking.send(.delete, "\(AuditDoor.path)/\(first)").status == 200)
            case "prune":
                try await door.tester.engine.delete(try #require(JobID(first)))
            default:
                door.time.advance(by: AuditDoor.day * 2 + .seconds(1))
            }
            for _ in 0..<2 { try await door.tester.engine.sweepNext() }
            #expect(try await asking.send(.get, "\(AuditDoor.path)/\(first)/download").status == (way == "prune" ? 404 : 410))
            #expect(try await blobs.count() == count)
            #expect(try await asking.files(second).seqs() == Array(1...60))
            door.time.advance(by: AuditDoor.day * 3)
            for _ in 0..<2 { try await door.tester.engine.sweepNext() }
            #expect(try await asking.show(second)["artifactState"]?.string == "expired")
            #expect(try await blobs.count() == 0)
            #expect(try await door.count("SELECT count(*) FROM engine_garbage") == 0)
        }
    }

    @Test("a file that can't be deleted is tried again, and nothing else waits for it")
    func deletionFails() async throws {
        let blobs = FailingBlobs(failing: nil)
        let door = try await AuditDoor(blobs: blobs)
        try await door.append(60)
        try await door.serve { asking async throws in
            _ = try await asking.export(bob)
            blobs.fail(.delete)
            door.time.advance(by: AuditDoor.day * 4)
            try await door.tester.engine.sweepNext()
            #expect(try await blobs.count() > 0)
            blobs.fail(nil)
            try await door.tester.engine.sweepNext()
            #expect(try await blobs.count() == 0)
        }
    }

    @Test("an export whose files have gone already can be deleted all the same")
    func alreadyGone() async throws {
        let blobs = FailingBlobs(failing: nil)
        let door = try await AuditDoor(blobs: blobs)
        try await door.append(60)
        try await door.serve { asking async throws in
            let id = try #require(try await asking.export(bob).job["jobId"]?.string)
            for entry in try await blobs.list(prefix: "", after: nil, limit: 1000) { try await blobs.delete(entry.key) }
            door.time.advance(by: AuditDoor.day * 40)
            for _ in 0..<2 { try await door.tester.engine.sweepNext() }
            #expect(try await asking.send(.get, "\(AuditDoor.path)/\(id)").status == 404)
            #expect(try await door.count("SELECT count(*) FROM engine_garbage") == 0)
        }
    }
}
