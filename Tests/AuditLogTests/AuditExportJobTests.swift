import AuditTrail
import Crypto
import HTTPTypes
import Logging
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

import enum Formats.HexText

@testable import AuditLog

@Suite struct AuditExportJobTests {
    @Test(
        "files hold so many events each, in order, none twice, and no file is empty but the only one",
        arguments: [(53, [50, 3]), (50, [50]), (100, [50, 50]), (101, [50, 50, 1]), (1, [1]), (0, [0])] as [(Int, [Int])])
    func files(count: Int, sizes: [Int]) async throws {
        let door = try await AuditDoor()
        try await door.append(count)
        let (job, files) = try await door.serve { try await $0.export() }
        let id = try #require(job["jobId"]?.string)
        #expect(files.names == sizes.indices.map { "audit-logs-\(id)-0\($0).json" } + ["manifest.json"])
        let lengths = try files.files.dropLast().map { try JSONValue.parse(Array($0.text.utf8)).array?.count }
        #expect(lengths == sizes)
        #expect(try files.seqs() == Array(0..<Int64(count)).map { $0 + 1 })
        #expect(job["status"]?.string == "completed")
        #expect(job["count"]?.integer == Int64(count))
        #expect(job["lastExportedId"]?.integer == (count == 0 ? nil : Int64(count)))
        #expect(job["completedAt"]?.string != nil && job["files"]?.integer == Int64(sizes.count))
    }

    @Test("numbers of files have two digits at least, and three from the hundredth on")
    func manyFiles() async throws {
        let door = try await AuditDoor()
        for part in 0..<6 { try await door.append(1000, from: part * 1000 + 1) }
        let (job, files) = try await door.serve { try await $0.export() }
        let id = try #require(job["jobId"]?.string)
        #expect(files.names.contains("audit-logs-\(id)-99.json") && files.names.contains("audit-logs-\(id)-100.json"))
        #expect(try files.seqs() == Array(1...6000))
    }

    @Test("the manifest tells files with their SHA-256, counts, filters, and that the chain holds")
    func manifest() async throws {
        let door = try await AuditDoor()
        try await door.append(53)
        try await door.append(7, user: "eve")
        let (job, files) = try await door.serve { try await $0.export(#"{"filters": {"usernames": ["bob"]}}"#) }
        let manifest = try files.manifest
        #expect(manifest["jobId"] == job["jobId"])
        #expect(manifest["count"]?.integer == 53)
        #expect(manifest["filters"]?["usernames"]?.array == ["bob"])
        #expect(manifest["format"]?.string == "json" && manifest["rowsPerFile"]?.integer == 50)
        #expect(manifest["firstId"]?.integer == 1 && manifest["lastId"]?.integer == 60)
        #expect(manifest["chain"]?["holds"]?.bool == true)
        // To the end of the seal that covers them, in which the request's own event is as well.
        #expect(manifest["chain"]?["through"]?.integer == 61)
        #expect(job["chain"] == manifest["chain"])
        let told = try #require(manifest["files"]?.array)
        #expect(told.count == 2)
        for (file, entry) in zip(files.files, told) {
            #expect(entry["name"]?.string == file.name)
            #expect(entry["bytes"]?.integer == Int64(file.text.utf8.count))
            #expect(entry["sha256"]?.string == HexText.of(SHA256.hash(data: Array(file.text.utf8))))
        }
        #expect(told.map { $0["rows"]?.integer } == [50, 3])
    }

    @Test("a log that was tampered with is exported, and the manifest says from where on it can't be trusted")
    func tampered() async throws {
        let door = try await AuditDoor()
        try await door.append(120)
        let sealer = AuditSealer(database: door.database, time: door.time)
        try await sealer.seal()
        try await door.database.write { session in
            try session.execute("UPDATE audit_events SET body = replace(body, 'bob', 'eve') WHERE seq = 77")
            try session.execute("DELETE FROM audit_events WHERE seq >= 101 AND seq <= 103")
        }
        let (job, files) = try await door.serve { try await $0.export() }
        #expect(job["chain"]?["holds"]?.bool == false)
        #expect(job["chain"]?["firstBrokenId"]?.integer == 101)
        #expect(job["chain"]?["reason"]?.string == "eventMissing")
        #expect(try files.seqs() == Array(1...100) + Array(104...120))
    }

    @Test(
        "a filter selects what it says: names that nobody has nothing, both ends of the time, whole days",
        arguments: [
            (#"{"usernames": ["nobody"]}"#, []), (#"{"usernames": ["nobody", "ghost"]}"#, []),
            (#"{"usernames": ["bob", "nobody"]}"#, [1, 2]), (#"{"actions": ["LOGOUT"]}"#, [2, 4]),
            (#"{"usernames": ["ann"], "actions": ["LOGOUT"]}"#, [4]), (#"{"actions": ["apikey.create"]}"#, []),
            (#"{"dates": {"start": "2024-01-02", "end": "2024-01-02"}}"#, [2, 3]),
            (#"{"dates": {"end": "2024-01-02"}}"#, [1, 2, 3]), (#"{"dates": {"start": "2024-01-03"}}"#, [4, 5]),
            (#"{"dateFrom": "2024-01-01T12:00:00Z", "dateTo": "2024-01-02T00:00:00Z"}"#, [1, 2]),
            (#"{"dateFrom": "2024-01-01T12:00:00.001Z", "dateTo": "2024-01-01T23:59:59.999Z"}"#, []),
        ] as [(String, [Int64])])
    func filters(filter: String, seqs: [Int64]) async throws {
        let door = try await AuditDoor()
        func event(_ at: String, _ user: String?, _ action: String) throws -> AuditEvent {
            let json: JSONValue = ["at": .string(at), "action": .string(action), "target": "t"]
            return try AuditEventReader.event(user.map { json.setting("user", .string($0)) } ?? json)
        }
        try await door.append([
            event("2024-01-01T12:00:00Z", "bob", "LOGIN"), event("2024-01-02T00:00:00Z", "bob", "LOGOUT"),
            event("2024-01-02T23:59:59.999999Z", "ann", "LOGIN"), event("2024-01-03T00:00:00Z", "ann", "LOGOUT"),
            event("2024-01-04T00:00:00Z", nil, "LOGIN"),
        ])
        let (job, files) = try await door.serve { try await $0.export(#"{"filters": \#(filter)}"#) }
        #expect(try files.seqs() == seqs)
        #expect(job["count"]?.integer == Int64(seqs.count) && job["total"]?.integer == Int64(seqs.count))
    }

    @Test("no match is a completed export of an empty file, and a notice that says so")
    func nothing() async throws {
        let door = try await AuditDoor()
        try await door.append(3)
        let (job, files) = try await door.serve { try await $0.export(#"{"filters": {"usernames": ["nobody"]}}"#) }
        #expect(job["status"]?.string == "completed" && job["count"]?.integer == 0)
        #expect(files.names.count == 2 && files.files[0].text == "[\n]\n")
        #expect(try await door.notices() == ["completed: No event matched."])
        _ = try await door.serve { try await $0.export() }
        #expect(try await door.notices().last == "completed: 4 events exported.")
    }

    @Test("texts come out as they went in, what nobody did has no user, and what has no value no member")
    func texts() async throws {
        let door = try await AuditDoor()
        let names = ["Zoë \"the\" O'Brien\\", "日本語\u{1F600}", "tab\tline\nend\u{7F}", "</script>,;=cmd"]
        let given = names.map { name in
            AuditEvent(
                at: Timestamp(microseconds: 1), user: name, action: AuditAction(rawValue: "A\"B"), target: name, address: "::1",
                requestID: "r", outcome: "failure")
        }
        try await door.append(
            given + [AuditEvent(at: Timestamp(microseconds: 1_234_567), user: nil, action: .init(rawValue: "X"))])
        let events = try await door.serve { try await $0.export() }.files.events()
        #expect(events.prefix(4).map { $0["user"]?.string } == names)
        #expect(events.prefix(4).map { $0["target"]?.string } == names)
        #expect(events[0]["action"]?.string == "A\"B")
        #expect(events[4].members?.map(\.name) == ["seq", "at", "action"])
        #expect(events[4]["at"]?.string == "1970-01-01T00:00:01.234567Z")
        let csv = try await door.serve { try await $0.export(#"{"filters": {"actions": ["X"]}, "format": "csv"}"#) }.files
        #expect(
            csv.files[0].text
                == "seq,id,at,user,action,target,address,requestId,outcome,details\r\n5,,1970-01-01T00:00:01.234567Z,,X,,,,,\r\n")
        let lines = try await door.serve { try await $0.export(#"{"filters": {"actions": ["X"]}, "format": "ndjson"}"#) }.files
        #expect(lines.files[0].text == #"{"seq":5,"at":"1970-01-01T00:00:01.234567Z","action":"X"}"# + "\n")
    }

    @Test("what is written after the export was asked for is not in it, its own event neither")
    func cut() async throws {
        let door = try await AuditDoor()
        try await door.append(60)
        try await door.serve { asking async throws in
            let id = try await asking.start()
            try await door.append(60, from: 100)
            let job = try #require(JobID(id))
            door.tester.crash(job, .afterCommit(3))
            try await door.tester.runNext()
            try await door.append(60, from: 200)
            try await door.work()
            #expect(try await asking.files(id).seqs() == Array(1...60))
        }
    }

    @Test("what an export reads does not go by its age before it has ended")
    func retention() async throws {
        let door = try await AuditDoor()
        try await door.append(60)
        let keeper = AuditService(
            database: door.database, retention: .seconds(60), time: door.time, logger: Logger(label: "test"))
        try await AuditSealer(database: door.database, time: door.time).seal()
        try await door.serve { asking async throws in
            let id = try await asking.start()
            door.time.advance(by: .seconds(80_000))
            try await keeper.prune()
            try await door.work()
            #expect(try await asking.files(id).seqs() == Array(1...60))
            try await keeper.prune()
            #expect(try await door.count("SELECT count(*) FROM audit_events WHERE seq <= 60") == 0)
        }
    }

    @Test("whenever the process dies, the files are those of an export that was never disturbed", arguments: [1, 50, 7])
    func crashes(seed: Int) async throws {
        let filter = seed == 7 ? #"{"filters": {"usernames": ["bob"]}}"# : #"{"filters": {}}"#
        func made(_ crashes: [JobTester.Crash]) async throws -> (texts: [String], attempts: Int, commits: Int) {
            let door = try await AuditDoor()
            for round in 0..<4 {
                try await door.append(43, from: round * 100)
                try await door.append(9, user: "eve", from: round * 100)
            }
            return try await door.serve { asking async throws in
                let id = try await asking.start(filter)
                let result = try await door.tester.finish(try #require(JobID(id)), crashes: crashes)
                #expect(result.job.state == .completed)
                let files = try await asking.files(id)
                #expect(files.names.first == "audit-logs-\(id)-00.json")
                // No blob of a broken attempt is left behind once it is swept, and none that is needed has gone.
                let manifest = try files.manifest
                for (file, entry) in zip(files.files, manifest["files"]?.array ?? []) {
                    #expect(entry["sha256"]?.string == HexText.of(SHA256.hash(data: Array(file.text.utf8))))
                }
                let commits = result.events.count
                return (files.files.dropLast().map(\.text), result.attempts, commits)
            }
        }
        let whole = try await made([])
        #expect(whole.texts.count == (seed == 7 ? 4 : 5))
        var crashes = 0
        for commit in 1...16 {
            for isCommitted in [true, false] {
                let broken = try await made([.init(attempt: 1, commit: commit, isCommitted: isCommitted)])
                #expect(broken.texts == whole.texts, "commit \(commit), \(isCommitted)")
                if broken.attempts > 1 { crashes += 1 }
            }
        }
        #expect(crashes > 8)
        let often = try await made((1...6).map { .init(attempt: $0, commit: $0 < 3 ? 2 : 3, isCommitted: true) })
        #expect(often.texts == whole.texts)
    }

    @Test("an export that stops after its last event goes on to uploading, and is complete")
    func stopBeforeUploading() async throws {
        let door = try await AuditDoor()
        try await door.append(60)
        try await door.serve { asking async throws in
            let id = try await asking.start()
            let job = try #require(JobID(id))
            var seen: Set<String> = []
            for commit in 1...12 {
                door.tester.crash(job, .init(attempt: commit, commit: 1, isCommitted: true))
                guard try await door.tester.runNext() else { break }
                seen.insert(try await asking.show(id)["status"]?.string ?? "")
            }
            #expect(seen == ["exporting", "uploading", "completed"])
            let shown = try await asking.show(id)
            #expect(shown["count"]?.integer == 60)
            #expect(try await asking.files(id).seqs() == Array(1...60))
        }
    }

    @Test("one whose user has lost the right fails, and is told so")
    func rightsLost() async throws {
        let door = try await AuditDoor()
        try await door.append(3)
        try await door.serve { asking async throws in
            let id = try await asking.start()
            door.rights.take(from: "ann")
            try await door.work()
            let job = try await asking.show(id)
            #expect(job["status"]?.string == "failed" && job["reason"]?.string == "RIGHTS_LOST")
            #expect(try await asking.send(.get, "\(AuditDoor.path)/\(id)/download").status == 409)
        }
        #expect(try await door.notices().count == 1)
    }

    @Test("when files can't be stored it fails after its attempts, is told, and leaves no file")
    func broken() async throws {
        let blobs = FailingBlobs(failing: .write)
        let door = try await AuditDoor(blobs: blobs)
        try await door.append(120)
        try await door.serve { asking async throws in
            let id = try await asking.start()
            let result = try await door.tester.finish(try #require(JobID(id)))
            #expect(result.job.state == .failed && result.attempts == 3)
            #expect(try await asking.show(id)["status"]?.string == "failed")
        }
        #expect(try await door.notices().map { $0.prefix(7) } == ["failed:"])
        #expect(try await door.count("SELECT count(*) FROM engine_artifacts") == 0)
        #expect(try await door.count("SELECT count(*) FROM audit_holds") == 0)
    }

    @Test("one that has not ended after 24 hours expires, and its user is told once")
    func expires() async throws {
        let door = try await AuditDoor()
        try await door.serve { asking async throws in
            let id = try await asking.start()
            door.time.advance(by: AuditDoor.day - .seconds(1))
            try await door.tester.engine.sweepNext()
            #expect(try await asking.show(id)["status"]?.string == "exporting")
            door.time.advance(by: .seconds(1))
            for _ in 0..<3 { try await door.tester.engine.sweepNext() }
            let job = try await asking.show(id)
            #expect(job["status"]?.string == "failed" && job["reason"]?.string == "expired")
            for _ in 0..<3 {
                #expect(try await door.notices() == ["expired: Its deadline passed before it ended."])
            }
            #expect(try await asking.start() != id)
        }
    }

    @Test("of two that wait where one may run, the older one runs first, and the other is untouched")
    func order() async throws {
        let door = try await AuditDoor(perTenant: 1)
        try await door.append(2)
        try await door.serve { asking async throws in
            let first = try await asking.start()
            let second = try await asking.start(user: "zoe")
            try await door.tester.runNext()
            #expect(try await asking.show(first)["status"]?.string == "completed")
            let waiting = try await asking.show(second, user: "zoe")
            #expect(waiting["status"]?.string == "exporting" && waiting["startedAt"] == nil)
        }
    }
}
