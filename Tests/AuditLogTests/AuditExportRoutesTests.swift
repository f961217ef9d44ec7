import AuditTrail
import HTTPTypes
import Testing
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import AuditLog

@Suite struct AuditExportRoutesTests {
    private let login = #"{"filters": {"actions": ["LOGIN"]}}"#

    @Test("an empty filter is a job that exports, with nothing in it yet")
    func starts() async throws {
        let door = try await AuditDoor()
        try await door.serve { asking async throws in
            let answer = try await asking.post(#"{"filters": {}, "format": null}"#)
            #expect(answer.status == 201)
            let id = try #require(answer.json["jobId"]?.string)
            #expect(answer.headers[.location] == "\(AuditDoor.path)/\(id)")
            let job = try await asking.show(id)
            #expect(job["status"]?.string == "exporting")
            #expect(job["count"]?.integer == 0)
            #expect(job["format"]?.string == "json")
            #expect(job["filters"]?.members?.isEmpty == true)
            #expect(job["lastExportedId"] == nil)
        }
    }

    @Test("without credentials it is 401, without the scope 403, and no job is made")
    func access() async throws {
        let door = try await AuditDoor()
        try await door.serve { asking async throws in
            #expect(try await asking.send(.post, AuditDoor.path, #"{"filters": {}}"#, headers: [:]).status == 401)
            for roles in [["reader"], ["editor"], ["operator"], []] as [Set<String>] {
                #expect(try await asking.post(#"{"filters": {}}"#, roles: roles).status == 403)
            }
            #expect(try await asking.post(#"{"filters": {}}"#, user: "eve", roles: ["admin"]).status == 201)
        }
        #expect(try await door.count("SELECT count(*) FROM engine_jobs") == 1)
    }

    @Test(
        "what is wrong is a 400 that names it, in both forms, and no job is made",
        arguments: [
            ("{}", "filters"), (#"{"filters": null}"#, "filters"), (#"{"filters": "all"}"#, "filters"),
            (#"{"filters": []}"#, "filters"), (#"{"filters": {"usernames": [1, 2]}}"#, "usernames"),
            (#"{"filters": {"actions": ["NO_SUCH"]}}"#, "NO_SUCH"), (#"{"filters": {"dateFrom": "soon"}}"#, "dateFrom"),
            (#"{"filters": {"dates": {"start": "2024-01-02", "end": "2024-01-01"}}}"#, "dates"),
            (#"{"filters": {}, "format": "xlsx"}"#, "format"), (#"{"filters": {}, "restartJob": "yes"}"#, "restartJob"),
            (#"{"filters": {"colour": 1}}"#, "colour"), (#"{"filters": {}, "more": 1}"#, "more"),
            (#"{"filters": {}, "filter": {}}"#, "filter"), ("[]", "body"), ("{", "byte"),
        ])
    func invalid(body: String, naming: String) async throws {
        let door = try await AuditDoor()
        try await door.append(1)
        try await door.serve { asking async throws in
            let answer = try await asking.post(body)
            #expect(answer.status == 400, "\(answer.text)")
            #expect(answer.code == "validation_failed")
            #expect(answer.text.contains(naming))
        }
        #expect(try await door.count("SELECT count(*) FROM engine_jobs") == 0)
    }

    @Test("the same filter again is a 409 that tells when the first was made, whatever its order, doubles and zones")
    func duplicates() async throws {
        let door = try await AuditDoor()
        try await door.append(1)
        try await door.append(1, action: "LOGOUT")
        try await door.serve { asking async throws in
            let body = """
                {"filters": {"usernames": ["ann", "bob"], "actions": ["LOGIN", "LOGOUT"], "dateFrom": "2024-01-01T00:00:00Z"}}
                """
            let first = try await asking.start(body)
            let createdAt = try await asking.show(first)["createdAt"]?.string
            door.time.advance(by: .seconds(5))
            let others = [
                body,
                """
                {"filters": {"actions": ["LOGOUT", "LOGIN", "LOGIN"], "usernames": ["bob", "ann", "bob"],
                    "dates": {"start": "2024-01-01T02:00:00.000+02:00"}}}
                """,
                #"{"filter": {"usernames": ["ann", "bob"], "actions": ["LOGIN", "LOGOUT"], "dateFrom": "2024-01-01"}}"#,
                """
                {"filters": {"usernames": ["ann", "bob"], "actions": ["LOGIN", "LOGOUT"]}, "dateFrom": "2024-01-01",
                    "format": "csv"}
                """,
            ]
            for other in others {
                let answer = try await asking.post(other)
                #expect(answer.status == 409, "\(answer.text)")
                let error = answer.json["errors"]?.array?.first
                #expect(error?["code"]?.string == "audit_log_bulk_export.duplicate_export_job_error")
                #expect(error?["args"]?["duplicateJob"]?["createdAt"]?.string == createdAt)
                #expect(answer.json["code"]?.string == "DUPLICATE_JOB")
            }
            let inQuery = try await asking.send(
                .post, AuditDoor.path + "?usernames=bob,ann&actions=LOGIN,LOGOUT&dateFrom=2024-01-01")
            #expect(inQuery.status == 409)
            // Another filter, and another user.
            _ = try await asking.start(#"{"filters": {"usernames": ["ann"]}}"#)
            _ = try await asking.start(body, user: "zoe")
        }
        #expect(try await door.count("SELECT count(*) FROM engine_jobs") == 3)
    }

    @Test("once the first has ended, the same filter is a new job", arguments: ["completed", "cancelled"])
    func again(state: String) async throws {
        let door = try await AuditDoor()
        try await door.serve { asking async throws in
            let first = try await asking.start()
            if state == "completed" {
                try await door.work()
            } else {
                #expect(try await asking.send(.post, "\(AuditDoor.path)/\(first)/cancel").status == 202)
                let job = try await asking.show(first)
                #expect(job["status"]?.string == "failed")
                #expect(job["reason"]?.string == "cancelled")
            }
            #expect(try await asking.start() != first)
        }
    }

    @Test("two equal requests at the same moment: one is made, the other is a 409")
    func race() async throws {
        let door = try await AuditDoor()
        try await door.serve { asking async throws in
            for round in 0..<10 {
                let body = #"{"filters": {"usernames": ["u\#(round)"]}}"#
                let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<4 { group.addTask { try await asking.post(body).status } }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(statuses.sorted() == [201, 409, 409, 409])
            }
        }
        #expect(try await door.count("SELECT count(*) FROM engine_jobs") == 10)
    }

    @Test("restartJob without an unfinished export is an ordinary new one")
    func restartOfNone() async throws {
        let door = try await AuditDoor()
        try await door.serve { asking async throws in
            let first = try await asking.export(#"{"filters": {}, "restartJob": true}"#).job
            #expect(first["status"]?.string == "completed")
            #expect(try await asking.start(#"{"filters": {}, "restartJob": true}"#) != first["jobId"]?.string)
        }
    }

    @Test("restartJob starts an unfinished export over under its id, with what is there now")
    func restart() async throws {
        let door = try await AuditDoor()
        try await door.append(120)
        try await door.serve { asking async throws in
            let id = try await asking.start()
            let job = try #require(JobID(id))
            // Its process dies at a checkpoint in the middle.
            door.tester.crash(job, .afterCommit(4))
            #expect(try await door.tester.runNext())
            let before = try await asking.show(id)
            #expect((before["count"]?.integer ?? 0) > 0)
            try await door.append(30, from: 1000)
            let answer = try await asking.post(#"{"filters": {}, "restartJob": true, "format": "ndjson"}"#)
            #expect(answer.status == 201)
            #expect(answer.json["jobId"]?.string == id)
            let over = try await asking.show(id)
            #expect(over["status"]?.string == "exporting")
            #expect(over["count"]?.integer == 0)
            #expect(over["lastExportedId"] == nil)
            #expect(try await door.count("SELECT count(*) FROM engine_artifacts") == 0)
            try await door.work()
            let files = try await asking.files(id)
            #expect(files.names == (0...3).map { "audit-logs-\(id)-0\($0).ndjson" } + ["manifest.json"])
            // 150, and what the first request has left.
            #expect(try await asking.show(id)["count"]?.integer == 151)
            let actions = try await door.database.read {
                try $0.all("SELECT action FROM audit_events WHERE action LIKE 'job.%' ORDER BY seq") { $0.string(0) }
            }
            #expect(actions == ["job.start", "job.restart"])
        }
    }

    @Test("an export is its owner's and the admin's; to anybody else it is not there")
    func foreign() async throws {
        let door = try await AuditDoor()
        try await door.serve { asking async throws in
            let id = try await asking.export().job["jobId"]?.string ?? ""
            for path in ["/\(id)", "/\(id)/download", "/\(id)/monitor"] {
                #expect(try await asking.send(.get, AuditDoor.path + path, user: "zoe").status == 404)
            }
            #expect(try await asking.send(.delete, "\(AuditDoor.path)/\(id)", user: "zoe").status == 404)
            #expect(try await asking.send(.get, AuditDoor.path, user: "zoe").json["total"]?.integer == 0)
            #expect(try await asking.send(.get, "\(AuditDoor.path)/\(id)", user: "root", roles: ["admin"]).status == 200)
            let list = try await asking.send(.get, AuditDoor.path + "?status=completed").json
            #expect(list["jobs"]?.array?.first?["jobId"]?.string == id)
            #expect(try await asking.send(.get, AuditDoor.path + "?status=failed").json["total"]?.integer == 0)
        }
    }

    @Test("a signed link downloads without credentials, and another path's does not")
    func link() async throws {
        let door = try await AuditDoor()
        try await door.serve { asking async throws in
            let url = try #require(try await asking.export().job["downloadUrl"]?.string)
            #expect(try await asking.send(.get, url, headers: [:]).status == 200)
            let other = try await asking.export(#"{"filters": {"usernames": ["x"]}}"#).job["jobId"]?.string ?? ""
            let query = url.drop { $0 != "?" }
            #expect(try await asking.send(.get, "\(AuditDoor.path)/\(other)/download\(query)", headers: [:]).status == 403)
        }
    }

    @Test("where the log is off, a clear answer and no job")
    func disabled() async throws {
        let door = try await AuditDoor(isEnabled: false)
        try await door.serve { asking async throws in
            let answer = try await asking.post(#"{"filters": {}}"#)
            #expect(answer.status == 409)
            #expect(answer.code == "AUDIT_LOG_DISABLED")
            #expect(answer.text.contains("audit.enabled"))
        }
        #expect(try await door.count("SELECT count(*) FROM engine_jobs") == 0)
    }
}
