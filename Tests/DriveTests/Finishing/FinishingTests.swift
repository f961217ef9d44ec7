import Foundation
import HTTPTypes
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

/// Ends of uploads that take long.
@Suite struct FinishingTests {
    private static let path = "/api/files/upload"

    private func door() async throws -> DriveDoor {
        try await DriveDoor(
            configuration: .init(
                fileBytesMax: 10_000_000, chunkBytes: 1000, chunkBytesMin: 1, chunkBytesMax: 2000, finishedAtOnceMax: 1000))
    }

    private func job(_ answer: Asking.Answer) throws -> JobID { try #require(answer["jobId"].flatMap { JobID($0) }) }

    @Test("what came in order is a file at once, however large; what did not is made one by a job that is seen")
    func job() async throws {
        let file = TestFile(5500)
        let door = try await door()
        try await door.serve { asking async throws in
            #expect(try await asking.upload(file).status == 200)
            let other = TestFile(5500, seed: 2)
            let task = try await asking.putBackwards(other)
            let answer = try await asking.complete(task)
            #expect(answer.status == 202 && answer["id"] == task && answer["status"] == "InProgress", "\(answer.text)")
            #expect(answer.headers[.retryAfter] == "1" && answer.headers[.location] == "/api/files/\(task)")
            let job = try job(answer)
            let again = try await asking.complete(task)
            #expect(again.status == 202 && again["jobId"] == job.text)
            let shown = try await asking.get("\(Self.path)/progress/\(task)")
            #expect(shown["finishingJobId"] == job.text && shown["status"] == "InProgress" && shown.number("progress") == 100)
            #expect(try await asking.get("/api/files/\(task)").status == 404)
            #expect(try await asking.put(other.chunk(0), 0, of: task).code == "CHUNK_STORED")
            let listed = try await asking.get("/jobs/\(job)")
            #expect(listed.status == 200 && listed["kind"] == "file.finish", "\(listed.text)")
            #expect(try await asking.get("/jobs/\(job)", user: "bob").status == 404)

            try await door.work()
            let done = try await asking.complete(task)
            #expect(done.status == 200 && done["hash"] == other.hash && done["id"] == task)
            #expect(try await asking.content(task) == other.bytes)
            #expect(try await asking.get("/jobs/\(job)").number("progress") == 100)
            #expect(try await asking.get("\(Self.path)/progress/\(task)")["finishingJobId"] == nil)
        }
        #expect(try await door.count("SELECT count(*) FROM audit_events WHERE action = 'file.store'") == 2)
        #expect(try await door.stored() == (blobs: 2, staged: 0))
        try await door.checkQuota()
    }

    @Test(
        "wherever the process dies, the job goes on, and there is one file with its bytes once", arguments: [1, 2],
        [false, true])
    func crashes(commit: Int, isEncrypted: Bool) async throws {
        for isCommitted in [false, true] {
            try await crash(.init(attempt: 1, commit: commit, isCommitted: isCommitted), isEncrypted)
        }
    }

    private func crash(_ crash: JobTester.Crash, _ isEncrypted: Bool) async throws {
        let file = TestFile(3500)
        let door = try await door()
        let (task, job) = try await door.serve { asking async throws in
            let task = try await asking.putBackwards(file, more: isEncrypted ? #", "encryptPassword": "correct horse""# : "")
            return (task, try self.job(try await asking.complete(task)))
        }
        door.tester.crash(job, crash)
        try await door.work()
        let next = try await door.restarted()
        try await next.work()
        #expect(try await next.tester.engine.find(job)?.state == .completed)
        try await next.serve { asking async throws in
            let headers: HTTPFields = isEncrypted ? [FilePassword.field: #""correct horse""#] : [:]
            let answer = try await asking.send(.get, "/api/files/\(task)/content", headers: headers)
            #expect(answer.status == 200 && answer.body == file.bytes, "\(answer.text.prefix(200))")
            #expect(try await asking.get("/api/files").array.count == 1)
        }
        try await next.feature.sweep(now: next.time.now(), withStrays: false)
        let left = try await next.stored()
        #expect(left == (blobs: 1, staged: 0))
        try await next.checkQuota()
    }

    @Test("bytes that are not those announced fail the upload and the job, and nothing is left")
    func otherHash() async throws {
        let (file, other) = (TestFile(3000), TestFile(3000, seed: 2))
        let door = try await door()
        try await door.serve { asking async throws in
            let task = try await asking.create(file)
            for index in [2, 1, 0] { try await asking.put(other.chunk(index), index, of: task) }
            let job = try job(try await asking.complete(task))
            try await door.work()
            let ended = try await door.tester.engine.find(job)
            #expect(ended?.state == .failed && ended?.failure?.code == "HASH_MISMATCH")
            for _ in 0..<2 {
                let again = try await asking.complete(task)
                #expect(again.status == 422 && again.code == "HASH_MISMATCH", "whoever asks again hears the same: \(again.text)")
            }
            #expect(try await asking.get("\(Self.path)/progress/\(task)")["errorMessage"]?.contains("announced") == true)
        }
        #expect(try await door.stored() == (blobs: 0, staged: 0))
        try await door.checkQuota()
    }

    @Test("why a job made no file is told once, and then another one is begun; nobody begins one unasked")
    func unfinished() async throws {
        let file = TestFile(3000)
        let door = try await door()
        try await door.serve { asking async throws in
            let task = try await asking.putBackwards(file)
            let first = try job(try await asking.complete(task))
            // As where the store refuses it again and again.
            _ = try await door.tester.engine.cancel(first)
            try await door.work()
            try await door.database.write { session in
                _ = try session.execute(
                    "UPDATE drive_uploads SET failure = 'The store is full.', wire = 'tus' WHERE id = $1", task)
            }
            #expect(try await asking.get("\(Self.path)/progress/\(task)")["errorMessage"] == "The store is full.")
            door.time.advance(to: door.time.now().advanced(by: .seconds(31)))
            try await door.feature.sweep(now: door.time.now(), withStrays: false)
            #expect(try await asking.get("\(Self.path)/progress/\(task)")["finishingJobId"] == nil)
            let told = try await asking.complete(task)
            #expect(told.code == "UPLOAD_UNFINISHED" && told["detail"]?.hasPrefix("The store is full.") == true, "\(told.text)")
            let second = try job(try await asking.complete(task))
            #expect(first != second)
            try await door.work()
            #expect(try await asking.complete(task).status == 200)
            #expect(try await asking.get("\(Self.path)/progress/\(task)")["errorMessage"] == nil)
            #expect(try await asking.content(task) == file.bytes)
        }
        try await door.checkQuota()
    }

    @Test("an upload that is taken back takes its job along; a job that is, leaves the upload as it was")
    func cancel() async throws {
        let file = TestFile(3000)
        let door = try await door()
        try await door.serve { asking async throws in
            let task = try await asking.putBackwards(file)
            let first = try job(try await asking.complete(task))
            #expect(try await asking.send(.post, "/jobs/\(first)/cancel").status == 202)
            try await door.work()
            let second = try job(try await asking.complete(task))
            #expect(first != second)
            #expect(try await asking.send(.delete, "\(Self.path)/task/\(task)").status == 200)
            try await door.work()
            #expect(try await door.tester.engine.find(second)?.state == .cancelled)
            #expect(try await asking.get("\(Self.path)/progress/\(task)")["status"] == "Cancelled")
        }
        #expect(try await door.stored() == (blobs: 0, staged: 0))
        try await door.checkQuota()
    }

    @Test("a job whose bytes are at another node waits for that one, and its tries don't count")
    func elsewhere() async throws {
        let file = TestFile(3000)
        let door = try await door()
        try await door.serve { asking async throws in
            let task = try await asking.putBackwards(file)
            let job = try job(try await asking.complete(task))
            try await door.database.write { try $0.execute("UPDATE drive_uploads SET place = 'node-2:/data'") }
            try await door.work()
            let waiting = try await door.tester.engine.find(job)
            #expect(waiting?.state == .pending && waiting?.attempts == 0)
            try await door.database.write { try $0.execute("UPDATE drive_uploads SET place = ''") }
            #expect(try await door.tester.finish(job).job.state == .completed)
            #expect(try await asking.content(task) == file.bytes)
        }
    }

    @Test("whoever uploads by the IETF's protocol hears that all has come, asks again, and gets the file")
    func resumable() async throws {
        let file = TestFile(3000)
        let door = try await door()
        let url = try await door.serve { asking async throws in
            try await ResumableClient(asking: asking).create(Array(file.bytes[..<2500]))
        }
        // The hash of what came before is not known any more.
        let next = try await door.restarted()
        try await next.serve { asking async throws in
            let client = ResumableClient(asking: asking)
            let answer = try await client.patch(url, 2500, Array(file.bytes[2500...]), last: true)
            #expect(answer.status == 202 && answer.headers[ResumableFields.complete] == "?1", "\(answer.text)")
            #expect(answer.headers[ResumableFields.offset] == "3000")
            let head = try await client.head(url)
            #expect(head.headers[ResumableFields.complete] == "?1" && head.headers[ResumableFields.offset] == "3000")
            #expect(try await client.patch(url, 3000, nil, last: true).status == 202)
            #expect(try await client.patch(url, 3000, [1], last: true).status == 409)
            try await next.work()
            let last = try await client.patch(url, 3000, nil, last: true)
            #expect(last.status == 201 && last["hash"] == file.hash)
            #expect(try await asking.content(try #require(last["id"])) == file.bytes)
        }
        try await next.checkQuota()
    }

    @Test("by tus the last bytes are taken, and the file comes a little later; what a crash has left the sweep does")
    func tus() async throws {
        let file = TestFile(3000)
        let door = try await door()
        let version: HTTPFields = [TusFields.resumable: "1.0.0"]
        let url = try await door.serve { asking async throws in
            var fields = version
            fields[TusFields.length] = "3000"
            let answer = try await asking.send(
                .post, "/api/files/tus", file.chunk(0), media: TusFields.mediaType, headers: fields)
            return try #require(answer.headers[.location])
        }
        let next = try await door.restarted()
        try await next.serve { asking async throws in
            var fields = version
            fields[TusFields.offset] = "1000"
            let answer = try await asking.send(
                .patch, url, Array(file.bytes[1000...]), media: TusFields.mediaType, headers: fields)
            #expect(answer.status == 204 && answer.headers[TusFields.offset] == "3000")
            #expect(try await asking.send(.head, url, headers: version).headers[TusFields.offset] == "3000")
            // Its job is lost with whoever has taken it back; nobody will ask for the end.
            let id = try #require(url.split(separator: "/").last)
            let job = try #require(try await asking.get("\(Self.path)/progress/\(id)")["finishingJobId"])
            #expect(try await asking.send(.post, "/jobs/\(job)/cancel").status == 202)
            next.time.advance(to: next.time.now().advanced(by: .seconds(60)))
            try await next.feature.sweep(now: next.time.now(), withStrays: false)
            try await next.work()
            #expect(try await asking.content(String(id)) == file.bytes)
        }
        try await next.checkQuota()
    }
}
