import HTTPTypes
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

@Suite struct UploadRoutesTests {
    private static let path = Asking.path

    // MARK: Create

    @Test("chunks are counted, and have 5 MiB if nobody says")
    func counts() async throws {
        try await DriveDoor(configuration: .init()).serve { asking async throws in
            for (size, count) in [(10_485_760, 2), (10_485_761, 3), (1, 1)] {
                let body = #"""
                    {"fileName": "f", "fileSize": \#(size), "contentType": "video/mp4",
                        "hash": "\#(TestFile(1, seed: UInt64(size)).hash)"}
                    """#
                let answer = try await asking.json(.post, "\(Self.path)/create", body)
                #expect(answer.status == 200 && answer.json["fileExists"] == false)
                #expect(answer.number("chunkSize") == 5_242_880 && answer.number("chunksCount") == Int64(count))
            }
            let example = try await asking.json(
                .post, "\(Self.path)/create",
                #"""
                {"fileName": "large-video.mp4", "fileSize": 1073741824, "contentType": "video/mp4", "chunkSize": 8388608,
                    "hash": "sha256:\#(TestFile(2).hash.uppercased())"}
                """#)
            #expect(example.number("chunksCount") == 128)
            let task = try #require(example["taskId"])
            let chunk = [UInt8](repeating: 7, count: 8_388_608)
            #expect(try await asking.put(chunk, 127, of: task).status == 200)
        }
    }

    @Test(
        "a create that makes no sense is a 400 that names the field",
        arguments: [
            (#""fileSize": 0"#, "fileSize"), (#""fileSize": -5"#, "fileSize"), (#""fileSize": 1.5"#, "fileSize"),
            (#""fileSize": "10""#, "fileSize"), (#""fileSize": 1e300"#, "fileSize"), (#""chunkSize": 0"#, "chunkSize"),
            (#""chunkSize": -1"#, "chunkSize"), (#""chunkSize": 16777217"#, "chunkSize"), (#""fileName": """#, "fileName"),
            (#""fileName": null"#, "fileName"), (#""contentType": "nothing""#, "contentType"),
            (#""contentType": "a/b\r\nx: y""#, "contentType"), (#""hash": "abc""#, "hash"), (#""hash": "zz""#, "hash"),
            (#""expiredAt": "1970-01-01T00:00:00Z""#, "expiredAt"), (#""expiredAt": "soon""#, "expiredAt"),
            (#""fileSize": 2000000000, "chunkSize": 1024"#, "chunkSize"),
            (#""encryptPassword": "kurz""#, "encryptPassword"), (#""colour": "red""#, "colour"),
        ])
    func badCreate(member: String, field: String) async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let name = member.split(separator: "\"").first.map(String.init) ?? ""
            let standard = [
                ("fileName", #""a""#), ("fileSize", "10"), ("contentType", #""text/plain""#),
                ("hash", #""\#(TestFile(10).hash)""#),
            ]
            let members = standard.filter { $0.0 != name }.map { #""\#($0.0)": \#($0.1)"# } + [member]
            let answer = try await asking.json(.post, "\(Self.path)/create", "{\(members.joined(separator: ", "))}")
            #expect(answer.status == 400, "\(answer.text)")
            #expect(answer.text.contains(field) && !answer.text.contains("geheim"))
        }
        #expect(try await door.count("SELECT count(*) FROM drive_uploads") == 0)
    }

    @Test("each missing field is named, and a file that is too long is a 413")
    func missingFields() async throws {
        try await DriveDoor().serve { asking async throws in
            let answer = try await asking.json(.post, "\(Self.path)/create", #"{"poolId": "\#(Pool.standardID)"}"#)
            #expect(answer.status == 400)
            let named = answer.json["details"]?.array?.compactMap { $0["field"]?.string }
            #expect(named == ["fileName", "fileSize", "contentType", "hash"])
            let huge = #"""
                {"fileName": "f", "fileSize": 10000000000000, "contentType": "a/b", "hash": "\#(TestFile(1).hash)"}
                """#
            #expect(try await asking.json(.post, "\(Self.path)/create", huge).status == 413)
            let none = try await asking.json(
                .post, "\(Self.path)/create",
                asking.createBody(TestFile(10), more: #", "poolId": "01890a5d-ac96-774b-bcce-b302099a8057""#))
            #expect(none.status == 404)
        }
    }

    // MARK: Chunks

    @Test("chunks in reverse order make the same bytes; at the gateway's prefix as well")
    func reverse() async throws {
        let door = try await DriveDoor()
        let file = TestFile(4500)
        try await door.serve { asking async throws in
            let task = try await asking.create(file)
            for index in (0..<5).reversed() {
                let path = "/drive/files/upload/chunk/\(task)/\(index)"
                let answer = try await asking.send(.post, path, file.chunk(index), media: "application/octet-stream")
                #expect(answer.status == 200 && answer.number("chunksUploaded") == Int64(5 - index))
            }
            let done = try await asking.complete(task)
            #expect(done.status == 200 && done["id"] == task && done["hash"] == file.hash && done.number("size") == 4500)
            #expect(try await asking.content(task) == file.bytes)
        }
        try await door.checkQuota()
        #expect(try await door.stored() == (1, 0))
    }

    @Test("a chunk may come as the part of a form, whatever else is in it")
    func form() async throws {
        let file = TestFile(1500)
        try await DriveDoor().serve { asking async throws in
            let task = try await asking.create(file)
            let path = "\(Self.path)/chunk/\(task)"
            let (media, body) = asking.form([("note", [1]), ("chunk", file.chunk(0))])
            #expect(try await asking.send(.post, "\(path)/0", body, media: media).status == 200)
            let (_, none) = asking.form([("file", file.chunk(1))])
            #expect(try await asking.send(.post, "\(path)/1", none, media: media).status == 400)
            let (_, twice) = asking.form([("chunk", file.chunk(1)), ("chunk", file.chunk(1))])
            #expect(try await asking.send(.post, "\(path)/1", twice, media: media).status == 400)
            let (_, broken) = asking.form([("chunk", file.chunk(1))], ends: false)
            #expect(try await asking.send(.post, "\(path)/1", broken, media: media).status == 400)
            #expect(try await asking.send(.post, "\(path)/1", [], media: media).status == 400)
            #expect(try await asking.send(.post, "\(path)/1", file.chunk(1), media: "text/plain").status == 415)
            #expect(try await asking.get("\(Self.path)/resume/\(task)").json["uploadedChunks"] == [0])
            let (_, right) = asking.form([("chunk", file.chunk(1))])
            #expect(try await asking.send(.post, "\(path)/1", right, media: media).status == 200)
            #expect(try await asking.complete(task).status == 200)
            #expect(try await asking.content(task) == file.bytes)
        }
    }

    @Test("a chunk that is there is a 409, and stays as it was first")
    func duplicate() async throws {
        let file = TestFile(1500)
        try await DriveDoor().serve { asking async throws in
            let task = try await asking.create(file)
            try await asking.put(file.chunk(0), 0, of: task)
            for bytes in [file.chunk(0), [UInt8](repeating: 9, count: 1000)] {
                let again = try await asking.put(bytes, 0, of: task)
                #expect(again.status == 409 && again.code == "CHUNK_STORED")
            }
            #expect(try await asking.get("\(Self.path)/progress/\(task)").number("chunksUploaded") == 1)
            try await asking.put(file.chunk(1), 1, of: task)
            #expect(try await asking.complete(task).status == 200)
            #expect(try await asking.content(task) == file.bytes)
        }
    }

    @Test("a chunk of a wrong length or index is a 400, over the limit a 413, and its neighbours stay")
    func wrong() async throws {
        let file = TestFile(2500)
        try await DriveDoor().serve { asking async throws in
            let task = try await asking.create(file)
            try await asking.put(file.chunk(0), 0, of: task)
            try await asking.put(file.chunk(2), 2, of: task)
            for count in [0, 999, 1001, 2000] {
                #expect(try await asking.put([UInt8](repeating: 1, count: count), 1, of: task).status == 400, "\(count)")
            }
            #expect(try await asking.put([UInt8](repeating: 1, count: 2001), 1, of: task).status == 413)
            let (media, body) = asking.form([("chunk", [UInt8](repeating: 1, count: 2500))])
            #expect(try await asking.send(.post, "\(Self.path)/chunk/\(task)/1", body, media: media).status == 413)
            for index in ["-1", "3", "abc", "1.5", "99999999999999999999", "%2B1"] {
                let answer = try await asking.send(
                    .post, "\(Self.path)/chunk/\(task)/\(index)", file.chunk(1), media: "application/octet-stream")
                #expect(answer.status == 400, "\(index)")
            }
            for id in ["..%2f..%2fetc", "x", "01890a5d-ac96-774b-bcce-b302099a8057"] {
                #expect(try await asking.put(file.chunk(0), 0, of: id).status == 404, "\(id)")
            }
            try await asking.put(file.chunk(1), 1, of: task)
            #expect(try await asking.complete(task).status == 200)
            #expect(try await asking.content(task) == file.bytes)
        }
    }

    @Test("of many chunks at once none is lost")
    func parallel() async throws {
        let file = TestFile(40_000)
        try await DriveDoor().serve { asking async throws in
            let task = try await asking.create(file)
            try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<40 { group.addTask { try await asking.put(file.chunk(index), index, of: task).status } }
                for try await status in group { #expect(status == 200) }
            }
            #expect(try await asking.get("\(Self.path)/progress/\(task)").number("progress") == 100)
            #expect(try await asking.complete(task).status == 200)
            #expect(try await asking.content(task) == file.bytes)
        }
    }

    @Test("the same chunk sent by many at once is stored once, and whole")
    func sameChunk() async throws {
        let file = TestFile(1000)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let task = try await asking.create(file)
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<16 { group.addTask { try await asking.put(file.chunk(0), 0, of: task).status } }
                var statuses: [Int] = []
                for try await status in group { statuses.append(status) }
                #expect(statuses.count { $0 == 200 } == 1 && statuses.count { $0 == 409 } == 15, "\(statuses)")
            }
            #expect(try await asking.complete(task).status == 200)
        }
        try await door.checkQuota()
    }

    // MARK: Complete

    @Test("while chunks are missing it is a 409 that lists them, and it can be tried again")
    func incomplete() async throws {
        let file = TestFile(4500)
        try await DriveDoor().serve { asking async throws in
            let task = try await asking.create(file)
            for index in [0, 2, 4] { try await asking.put(file.chunk(index), index, of: task) }
            let early = try await asking.complete(task)
            #expect(early.status == 409 && early.code == "CHUNKS_MISSING")
            #expect(early.json["missingChunks"] == [1, 3])
            let shown = try await asking.get("\(Self.path)/progress/\(task)")
            #expect(shown["status"] == "InProgress" && shown.json["uploadedChunks"] == [0, 2, 4])
            #expect(shown.json["progress"]?.number == 55.56)
            for index in [1, 3] { try await asking.put(file.chunk(index), index, of: task) }
            #expect(try await asking.complete(task).status == 200)
        }
    }

    @Test("completed twice, or by many at once, it is the same file")
    func twice() async throws {
        let file = TestFile(2500)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let task = try await asking.create(file)
            for index in (0..<3).reversed() { try await asking.put(file.chunk(index), index, of: task) }
            try await withThrowingTaskGroup(of: Asking.Answer.self) { group in
                for _ in 0..<8 { group.addTask { try await asking.complete(task) } }
                for try await answer in group { #expect(answer.status == 200 && answer["id"] == task, "\(answer.text)") }
            }
            #expect(try await asking.complete(task)["id"] == task)
            #expect(try await asking.get("/api/files").array.count == 1)
            #expect(try await asking.put(file.chunk(0), 0, of: task).status == 409)
        }
        try await door.checkQuota()
        #expect(try await door.count("SELECT count(*) FROM audit_events WHERE body LIKE '%file.store%'") == 1)
    }

    @Test("bytes that are not those announced are a 422: the upload has failed, nothing is published, and its room is back")
    func wrongHash() async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let task = try await asking.create(TestFile(1500))
            let other = TestFile(1500, seed: 2)
            for index in 0..<2 { try await asking.put(other.chunk(index), index, of: task) }
            let answer = try await asking.complete(task)
            #expect(answer.status == 422 && answer.code == "HASH_MISMATCH")
            let shown = try await asking.get("\(Self.path)/progress/\(task)")
            #expect(shown["status"] == "Failed" && shown["errorMessage"]?.isEmpty == false)
            #expect(try await asking.complete(task).code == "HASH_MISMATCH", "whoever asks again hears the same")
            #expect(try await asking.get("/api/files").array.isEmpty)
            #expect(try await asking.get("/jobs/\(task)")["state"] == "failed")
        }
        try await door.checkQuota()
        #expect(try await door.stored() == (0, 0))
    }

    // MARK: Resuming

    @Test("after a crash the same chunks are there, and the rest completes it", arguments: [[0, 1, 2], [4, 2, 0]])
    func crash(first: [Int]) async throws {
        let file = TestFile(4500)
        let door = try await DriveDoor()
        let task = try await door.serve { asking async throws in
            let task = try await asking.create(file)
            for index in first { try await asking.put(file.chunk(index), index, of: task) }
            return task
        }
        let next = try await door.restarted()
        try await next.serve { asking async throws in
            let resume = try await asking.get("\(Self.path)/resume/\(task)")
            #expect(resume.json["uploadedChunks"]?.array?.compactMap(\.integer) == first.sorted().map(Int64.init))
            #expect(resume.number("chunksCount") == 5 && resume.number("chunkSize") == 1000)
            for index in 0..<5 where !first.contains(index) {
                #expect(try await asking.put(file.chunk(index), index, of: task).status == 200)
            }
            #expect(try await asking.complete(task).status == 200)
            #expect(try await asking.content(task) == file.bytes)
        }
        try await next.checkQuota()
    }

    @Test("a chunk is told only when it is durable: whatever the power cut takes, the bytes are those that were sent")
    func power() async throws {
        let file = TestFile(3000)
        var door = try await DriveDoor()
        let task = try await door.serve { try await $0.create(file) }
        for index in 0..<3 {
            try await door.serve { asking async throws in
                #expect(try await asking.put(file.chunk(index), index, of: task).status == 200)
            }
            door = try await door.restarted()
        }
        #expect(door.staging.flushes >= 3)
        try await door.serve { asking async throws in
            #expect(try await asking.complete(task).status == 200)
            #expect(try await asking.content(task) == file.bytes)
        }
    }

    @Test("where the staged bytes have gone the upload fails, and says so")
    func lost() async throws {
        let file = TestFile(2000)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let task = try await asking.create(file)
            try await asking.put(file.chunk(0), 0, of: task)
            try await door.staging.drop(try #require(BlobKey(task)))
            #expect(try await asking.put(file.chunk(1), 1, of: task).status == 410)
            #expect(try await asking.get("\(Self.path)/progress/\(task)")["status"] == "Failed")
        }
        try await door.checkQuota()
    }

    @Test("an upload whose bytes are at another node is a 503 there, and stays as it is")
    func elsewhere() async throws {
        let file = TestFile(2000)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let task = try await asking.create(file)
            try await asking.put(file.chunk(0), 0, of: task)
            try await door.database.write { try $0.execute("UPDATE drive_uploads SET place = 'node-2:/data'") }
            let answer = try await asking.put(file.chunk(1), 1, of: task)
            #expect(answer.status == 503 && answer.code == "UPLOAD_ELSEWHERE" && answer.headers[.retryAfter] == "1")
            try await door.database.write { try $0.execute("UPDATE drive_uploads SET place = ''") }
            #expect(try await asking.put(file.chunk(1), 1, of: task).status == 200)
            #expect(try await asking.complete(task).status == 200)
        }
    }

    @Test("an upload whose job has ended without telling is ended by the sweep")
    func mending() async throws {
        let file = TestFile(2000)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let task = try await asking.create(file)
            try await asking.put(file.chunk(0), 0, of: task)
            try await door.database.write { try $0.execute("DELETE FROM engine_jobs") }
            door.time.advance(to: door.time.now().advanced(by: .seconds(86_400 + 3601)))
            try await door.feature.sweep(now: door.time.now(), withStrays: true)
            #expect(try await asking.get("\(Self.path)/progress/\(task)")["status"] == "Expired")
        }
        try await door.feature.sweep(now: door.time.now(), withStrays: false)
        try await door.checkQuota()
        #expect(try await door.stored() == (0, 0))
    }

    @Test("what was to come in one request and was cut off by a crash is ended by the sweep after it, and nothing else is")
    func plainCrash() async throws {
        let file = TestFile(2000)
        let door = try await DriveDoor()
        let task = try await door.serve { asking async throws in
            let task = try await asking.create(file)
            try await asking.put(file.chunk(0), 0, of: task)
            return task
        }
        try await door.database.write { try $0.execute("UPDATE drive_uploads SET wire = 'plain'") }
        try await door.feature.sweep(now: door.time.now(), withStrays: true)
        door.time.advance(to: door.time.now().advanced(by: .seconds(1)))
        let next = try await door.restarted()
        try await next.serve { asking async throws in
            let kept = try await asking.create(file)
            #expect(try await asking.get("\(Self.path)/progress/\(task)")["status"] == "InProgress")
            try await next.feature.sweep(now: next.time.now(), withStrays: true)
            #expect(try await asking.get("\(Self.path)/progress/\(task)")["status"] == "Failed")
            #expect(try await asking.get("\(Self.path)/progress/\(kept)")["status"] == "InProgress")
        }
        try await next.checkQuota()
    }

    // MARK: Ends

    @Test("cancelled, its bytes and its room are back, and nothing more is taken")
    func cancel() async throws {
        let file = TestFile(2000)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let task = try await asking.create(file)
            try await asking.put(file.chunk(0), 0, of: task)
            let cancelled = try await asking.send(.delete, "\(Self.path)/task/\(task)")
            #expect(cancelled.status == 200 && cancelled["status"] == "Cancelled")
            #expect(try await asking.send(.delete, "\(Self.path)/task/\(task)").status == 409)
            #expect(try await asking.put(file.chunk(1), 1, of: task).status == 409)
            #expect(try await asking.complete(task).status == 409)
            let done = try #require(try await asking.upload(file)["id"])
            #expect(try await asking.send(.delete, "\(Self.path)/task/\(done)").status == 409)
            #expect(try await asking.content(done) == file.bytes)
        }
        try await door.checkQuota()
        #expect(try await door.stored() == (1, 0))
    }

    @Test("an upload is a job: listed, shown, cancelled like any other, and neither paused nor retried")
    func job() async throws {
        let file = TestFile(2000)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let task = try await asking.create(file)
            try await asking.put(file.chunk(0), 0, of: task)
            let job = try await asking.get("/jobs/\(task)")
            #expect(job["kind"] == "file.upload" && job["state"] == "running" && job.number("progress") == 50)
            #expect(try await asking.get("/jobs").number("total") == 1)
            let events = try await asking.get("/jobs/\(task)/events").json["events"]?.array?.compactMap { $0["type"]?.string }
            #expect(events == ["job.created", "job.started", "job.progress"])
            #expect(try await asking.send(.post, "/jobs/\(task)/pause").code == "JOB_WORKED_OUTSIDE")
            #expect(try await door.tester.runNext() == false, "no node may claim it")
            #expect(try await asking.send(.post, "/jobs/\(task)/cancel").status == 202)
            #expect(try await asking.get("\(Self.path)/progress/\(task)")["status"] == "Cancelled")
            #expect(try await asking.send(.post, "/jobs/\(task)/retry").code == "JOB_WORKED_OUTSIDE")
        }
        try await door.feature.sweep(now: door.time.now(), withStrays: true)
        try await door.checkQuota()
        #expect(try await door.stored() == (0, 0))
    }

    @Test("idle for a day it expires, a minute earlier not, and each chunk begins the day anew")
    func expiry() async throws {
        let file = TestFile(3000)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let task = try await asking.create(file)
            for index in 0..<2 {
                door.time.advance(to: door.time.now().advanced(by: .seconds(86_340)))
                try await door.tester.engine.sweepNext()
                #expect(try await asking.put(file.chunk(index), index, of: task).status == 200)
            }
            door.time.advance(to: door.time.now().advanced(by: .seconds(86_401)))
            try await door.tester.engine.sweepNext()
            #expect(try await asking.get("\(Self.path)/progress/\(task)")["status"] == "Expired")
            #expect(try await asking.put(file.chunk(2), 2, of: task).status == 409)
            #expect(try await asking.get("/jobs/\(task)")["state"] == "expired")
        }
        try await door.feature.sweep(now: door.time.now(), withStrays: false)
        try await door.checkQuota()
        #expect(try await door.stored() == (0, 0))
    }

    @Test("a sweep that races a completion wins or loses, never both")
    func race() async throws {
        let door = try await DriveDoor()
        for seed in 0..<10 as Range<UInt64> {
            let file = TestFile(1000, seed: seed + 10)
            try await door.serve { asking async throws in
                let task = try await asking.create(file)
                try await asking.put(file.chunk(0), 0, of: task)
                door.time.advance(to: door.time.now().advanced(by: .seconds(86_401)))
                async let swept: Void = door.tester.engine.sweepNext()
                let answer = try await asking.complete(task)
                try await swept
                let status = try await asking.get("\(Self.path)/progress/\(task)")["status"]
                if answer.status == 200 {
                    #expect(status == "Completed")
                    #expect(try await asking.content(task) == file.bytes)
                } else {
                    #expect(answer.status == 409 && status == "Expired", "\(answer.text)")
                    #expect(try await asking.get("/api/files/\(task)").status == 404)
                }
            }
            try await door.feature.sweep(now: door.time.now(), withStrays: false)
            try await door.checkQuota()
        }
    }

    @Test("a key that is sent again gets the same answer, and nothing is done twice")
    func idempotent() async throws {
        let file = TestFile(1000)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let body = asking.createBody(file)
            let first = try await asking.json(.post, "\(Self.path)/create", body, headers: [.idempotencyKey: "c"])
            let again = try await asking.json(.post, "\(Self.path)/create", body, headers: [.idempotencyKey: "c"])
            #expect(first.body == again.body)
            let task = try #require(first["taskId"])
            for _ in 0..<2 {
                let answer = try await asking.send(
                    .post, "\(Self.path)/chunk/\(task)/0", file.bytes, media: "application/octet-stream",
                    headers: [.idempotencyKey: "k"])
                #expect(answer.status == 200)
            }
            for _ in 0..<2 {
                let answer = try await asking.send(.post, "\(Self.path)/complete/\(task)", headers: [.idempotencyKey: "f"])
                #expect(answer.status == 200)
            }
        }
        #expect(try await door.count("SELECT count(*) FROM drive_uploads") == 1)
        try await door.checkQuota()
    }
}
