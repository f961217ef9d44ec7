import Datasets
import Foundation
import HTTPTypes
import TenantData
import Testing
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Backups
@testable import ContentExport

@Suite struct BackupDoorTests {
    private func schedule(_ caller: Caller, _ headers: HTTPFields, body: String? = nil) async throws -> String {
        let answer = try await caller.send(.post, "/backup/schedule", headers, body: body)
        #expect(answer.status == 202, "\(answer.text)")
        return try #require(answer.json?["jobId"]?.string)
    }

    @Test("a backup is scheduled, listed as pending, made, and listed as completed")
    func life() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let none = try await caller.send(.get, "/backup/jobs", token)
            #expect(none.status == 200)
            #expect(none.text == "[]")
            let id = try await schedule(caller, token)
            let pending = try await caller.send(.get, "/backup/jobs", token).json?.array
            #expect(pending?.count == 1)
            #expect(pending?.first?["jobId"]?.string == id)
            #expect(pending?.first?["status"]?.string == "pending")
            #expect(pending?.first?["createdAt"]?.string != nil)
            #expect(pending?.first?["lastUpdatedAt"] == .null)
            try await fixture.work()
            let done = try await caller.send(.get, "/backup/jobs/\(id)", token).json
            #expect(done?["status"]?.string == "completed")
            #expect(done?["lastUpdatedAt"]?.string != nil)
            #expect(done?["manifest"]?["tenant"]?.string == "acme")
        }
    }

    @Test("a second backup is refused while one is unfinished, and not after it")
    func second() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        try await fixture.serve { caller in
            _ = try await schedule(caller, token)
            let refused = try await caller.send(.post, "/backup/schedule", token)
            #expect(refused.status == 409)
            #expect(refused.json?["code"]?.string == "DUPLICATE_JOB")
            #expect(try await caller.send(.get, "/backup/jobs", token).json?.array?.count == 1)
            // Another tenant is not hindered, and neither sees the other's.
            let other = try await fixture.token("other")
            _ = try await schedule(caller, other)
            #expect(try await caller.send(.get, "/backup/jobs", other).json?.array?.count == 1)
            try await fixture.work()
            _ = try await schedule(caller, token)
            fixture.tester.time.advance(by: .seconds(1))
            try await fixture.work()
            _ = try await schedule(caller, token)
            let times = try await caller.send(.get, "/backup/jobs", token).json?.array?.compactMap { $0["createdAt"]?.string }
            #expect(times?.count == 3)
            #expect(times == times?.sorted() && Set(times ?? []).count > 1)
        }
    }

    @Test("of many calls at once one is taken")
    func race() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<8 { group.addTask { try await caller.send(.post, "/backup/schedule", token).status } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses.count { $0 == 202 } == 1)
            #expect(statuses.count { $0 == 409 } == 7)
        }
    }

    @Test("its time of change is null while it waits, moves when it runs, and moves again when it has ended")
    func times() async throws {
        let fixture = try await BackupFixture(commitsOften: true)
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let id = try await schedule(caller, token)
            let job = try #require(JobID(id))
            func changed() async throws -> String? {
                try await caller.send(.get, "/backup/jobs/\(id)", token).json?["lastUpdatedAt"]?.string
            }
            #expect(try await changed() == nil)
            fixture.tester.time.advance(by: .seconds(5))
            try await fixture.dieAfterFirstCommit(of: job)
            let begun = try #require(try await changed())
            fixture.tester.time.advance(by: .seconds(5))
            try await fixture.work()
            let ended = try #require(try await changed())
            #expect(begun < ended, "\(begun), \(ended)")
        }
    }

    @Test("nothing of a backup that has not completed can be loaded down, and what failed is made anew as a whole")
    func unfinished() async throws {
        let fixture = try await BackupFixture(archiveBytes: 1000)
        let fields = [ContentField(name: "t", kind: .text)]
        try await fixture.put("a", fields, [#"{"id":"a"}"#])
        try await fixture.put("n", fields, [#"{"id":"a","t":"\#(String(repeating: "x", count: 1000))"}"#])
        let token = try await fixture.token()
        try await fixture.serve { caller in
            func statuses(_ id: String) async throws -> [Int] {
                var all: [Int] = []
                for path in ["archives/items-a.csv", "archives/manifest.json", "download"] {
                    all.append(try await caller.send(.get, "/backup/jobs/\(id)/\(path)", token).status)
                }
                return all
            }
            let id = try await schedule(caller, token)
            #expect(try await statuses(id) == [409, 409, 409])
            try await fixture.dieAfterFirstCommit(of: try #require(JobID(id)))
            #expect(try await statuses(id) == [409, 409, 409])
            // It fails in a later entity than the one that is written by then.
            _ = try await fixture.tester.finish(try #require(JobID(id)))
            let failed = try await caller.send(.get, "/backup/jobs/\(id)", token).json
            #expect(failed?["status"]?.string == "failed" && failed?["error"]?["code"]?.string == "ROW_TOO_LARGE")
            #expect(try await statuses(id).allSatisfy { $0 >= 400 })
            try await fixture.put("n", fields, [#"{"id":"a","t":"short"}"#])
            let next = try await schedule(caller, token)
            try await fixture.work()
            #expect(try await statuses(next) == [200, 200, 200])
            let made = try await caller.send(.get, "/backup/jobs/\(next)", token).json?["manifest"]?["entities"]?.array
            #expect(made?.compactMap { $0["name"]?.string }.contains("items-n") == true)
        }
    }

    @Test("each file comes as it was, with its type, and all together as a ZIP")
    func files() async throws {
        let fixture = try await BackupFixture(archiveBytes: 2000)
        try await fixture.put(
            "note", [ContentField(name: "title", kind: .text)], (0..<300).map { #"{"id":"\#(1000 + $0)","title":"t"}"# })
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let id = try await schedule(caller, token)
            #expect(try await caller.send(.get, "/backup/jobs/\(id)/archives/items-note.csv", token).status == 409)
            try await fixture.work()
            let found = try await fixture.tester.engine.find(try #require(JobID(id)))
            let job = try #require(found)
            let whole = try await fixture.tester.result(of: job)
            let files = try whole.files()
            #expect(files["items-note.2.csv"] != nil)
            for (name, text) in files {
                let answer = try await caller.send(.get, "/backup/jobs/\(id)/archives/\(name)", token)
                #expect(answer.status == 200)
                #expect(answer.text == text)
                #expect(answer.headers[.contentType]?.hasPrefix("text/csv") == true)
                #expect(answer.headers[.contentLength] == "\(text.utf8.count)")
            }
            let manifest = try await caller.send(.get, "/backup/jobs/\(id)/archives/manifest.json", token)
            let sealed = try whole.manifest()
            #expect(try BackupManifest.open(manifest.body) == sealed)
            #expect(try await caller.send(.get, "/backup/jobs/\(id)/archives/none.csv", token).status == 404)
            let zip = try await caller.send(.get, "/backup/jobs/\(id)/download", token)
            #expect(zip.status == 200)
            #expect(zip.headers[.contentType] == "application/zip")
            #expect(zip.body.starts(with: [0x50, 0x4B, 3, 4]))
            // What it takes to read is not his.
            let other = try await fixture.token("other")
            #expect(try await caller.send(.get, "/backup/jobs/\(id)/download", other).status == 404)
        }
    }

    @Test("whoever may read backups sees those of the tenant, whoever made them")
    func shared() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        let operating = try await fixture.token(user: "bob", roles: ["operator"])
        let reading = try await fixture.token(user: "eve", roles: ["reader"])
        try await fixture.serve { caller in
            let id = try await schedule(caller, token)
            try await fixture.work()
            #expect(try await caller.send(.get, "/backup/jobs/\(id)", operating).status == 200)
            #expect(try await caller.send(.get, "/backup/jobs", reading).status == 403)
            #expect(try await caller.send(.post, "/backup/schedule", reading).status == 403)
        }
    }

    @Test("a backup is removed once it has ended, and its files with it")
    func removal() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let id = try await schedule(caller, token)
            #expect(try await caller.send(.delete, "/backup/jobs/\(id)", token).status == 409)
            try await fixture.work()
            #expect(try await caller.send(.delete, "/backup/jobs/\(id)", token).status == 204)
            #expect(try await caller.send(.get, "/backup/jobs/\(id)", token).status == 404)
            #expect(try await caller.send(.get, "/backup/jobs", token).text == "[]")
        }
    }

    @Test("a cancelled backup leaves nothing")
    func cancelled() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let id = try await schedule(caller, token)
            #expect(try await caller.send(.post, "/backup/jobs/\(id)/cancel", token).status == 202)
            #expect(try await caller.send(.get, "/backup/jobs/\(id)", token).json?["status"]?.string == "cancelled")
            _ = try await schedule(caller, token)
        }
    }

    @Test("with cron a schedule is made, which fires when its time has come")
    func cron() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let body = #"{"cron": "0 3 * * *", "entities": ["content"]}"#
            let made = try await caller.send(.post, "/backup/schedule", token, body: body)
            #expect(made.status == 201)
            let id = try #require(made.json?["scheduleId"]?.string)
            // The same one is not made twice.
            #expect(try await caller.send(.post, "/backup/schedule", token, body: body).json?["scheduleId"]?.string == id)
            let list = try await caller.send(.get, "/backup/schedules", token).json?.array
            #expect(list?.count == 1)
            #expect(list?.first?["cron"]?.string == "0 3 * * *")
            fixture.tester.time.advance(by: .seconds(86_400))
            try await fixture.tester.engine.sweepNext()
            #expect(try await caller.send(.get, "/backup/jobs", try await fixture.token()).json?.array?.count == 1)
            // It is the one backup that may be under way.
            #expect(try await caller.send(.post, "/backup/schedule", try await fixture.token()).status == 409)
            #expect(try await caller.send(.delete, "/backup/schedules/\(id)", try await fixture.token()).status == 204)
            #expect(try await caller.send(.get, "/backup/schedules", try await fixture.token()).text == "[]")
            #expect(try await caller.send(.delete, "/backup/schedules/\(id)", try await fixture.token()).status == 404)
            let wrong = try await caller.send(
                .post, "/backup/schedule", try await fixture.token(), body: #"{"cron": "every day"}"#)
            #expect(wrong.status == 400)
        }
    }

    @Test("a body says what is backed up; what it can't mean is refused")
    func body() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        try await fixture.serve { caller in
            for body in [#"{"entities": ["nothing"]}"#, #"{"entities": []}"#, #"{"all": true}"#, "[]", #"{"blobs": 1}"#] {
                #expect(try await caller.send(.post, "/backup/schedule", token, body: body).status == 400)
            }
            let id = try await schedule(caller, token, body: #"{"entities": ["notices"]}"#)
            try await fixture.work()
            let manifest = try await caller.send(.get, "/backup/jobs/\(id)", token).json?["manifest"]
            #expect(manifest?["entities"]?.array?.compactMap { $0["name"]?.string } == ["notices"])
        }
    }

    @Test("another method is a 405")
    func method() async throws {
        let fixture = try await BackupFixture()
        let token = try await fixture.token()
        try await fixture.serve { caller async throws in
            let answer = try await caller.send(.get, "/backup/schedule", token)
            #expect(answer.status == 405)
        }
    }

    @Test("a paused backup is pending, an expired one has failed, in the list and by itself")
    func words() async throws {
        let fixture = try await BackupFixture(commitsOften: true)
        let fields = [ContentField(name: "t", kind: .text)]
        try await fixture.put("n", fields, (0..<9000).map { #"{"id":"\#(10_000 + $0)","t":"x"}"# })
        let token = try await fixture.token()
        try await fixture.serve { caller in
            func status(_ id: String) async throws -> String? {
                let token = try await fixture.token()
                let shown = try await caller.send(.get, "/backup/jobs/\(id)", token).json?["status"]?.string
                let listed = try await caller.send(.get, "/backup/jobs", token).json?.array?.first
                #expect(listed?["jobId"]?.string == id && listed?["status"]?.string == shown)
                return shown
            }
            let id = try await schedule(caller, token)
            let job = try #require(JobID(id))
            // It has begun, and been interrupted.
            try await fixture.dieAfterFirstCommit(of: job)
            let paused = try await fixture.tester.engine.pause(job)
            #expect(paused.state == .paused && paused.startedAt != nil)
            #expect(try await status(id) == "pending")
            fixture.tester.time.advance(by: .seconds(3601))
            try await fixture.tester.engine.sweepNext()
            #expect(try await fixture.tester.engine.find(job)?.state == .expired)
            #expect(try await status(id) == "failed")
        }
        #expect(try await fixture.count("backup_copied") == 0)
    }

    @Test("a 401 says what is wrong with what was sent", arguments: [HTTPRequest.Method.get, .post])
    func credentials(_ method: HTTPRequest.Method) async throws {
        let (path, done) = method == .get ? ("/backup/jobs", 200) : ("/backup/schedule", 202)
        let fixture = try await BackupFixture()
        let secret = try await fixture.floor.keys.create(
            id: "k", tenant: try fixture.principal().tenant, user: "bot", roles: ["operator"], name: "", expiresAt: nil,
            random: Array(0..<32), now: fixture.floor.time.now())
        try await fixture.serve { caller in
            func detail(_ headers: HTTPFields) async throws -> String? {
                let answer = try await caller.send(method, path, headers)
                #expect(answer.status == 401)
                #expect(answer.headers[values: .wwwAuthenticate].joined().contains("ApiSecret"))
                return answer.json?["detail"]?.string
            }
            let apiSecret = try #require(HTTPField.Name("ApiSecret"))
            let apiKey = try #require(HTTPField.Name("ApiKey"))
            #expect(try await detail([:]) == "a bearer token or an API key is needed")
            #expect(
                try await detail([apiSecret: "acme:public:0123456789"])
                    == "the field ApiSecret holds a public key; the secret one is needed")
            #expect(try await detail([apiKey: secret]) == "the secret belongs in the field ApiSecret, not in ApiKey")
            #expect(
                try await detail([.authorization: "Bearer \(secret)"])
                    == "the secret belongs in the field ApiSecret, not in Authorization")
            #expect(try await detail([apiSecret: "0123456789abcdef"]) == "the API key ‘0123456789…’ is not valid")
            #expect(try await caller.send(method, path, [apiSecret: secret]).status == done)
            _ = try await fixture.floor.keys.revoke(
                id: "k", tenant: nil, now: fixture.floor.time.now())
            #expect(try await detail([apiSecret: secret])?.contains("is not valid") == true)
        }
    }
}
