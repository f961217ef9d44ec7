import AuditTrail
import Foundation
import HTTPTypes
import Testing
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import AuditLog

/// Exports that are asked for in the query, and those that are paused or cancelled.
@Suite struct AuditExportQueryTests {
    private static func query(_ parts: [(String, String)]) -> String {
        let escaped = parts.map { "\($0)=\($1.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")" }
        return AuditDoor.path + "?" + escaped.joined(separator: "&")
    }

    /// What is asked for in query and body, and the filter and format that come of it.
    private static let asked: [(query: [(String, String)], body: String?, filters: JSONValue, format: String)] = [
        ([("filters", "{}")], nil, [:], "json"), ([("filter", "{}"), ("format", "csv")], nil, [:], "csv"),
        (
            [("filters", #"{"usernames": ["bob", "ann"], "actions": ["LOGIN"]}"#)], nil,
            ["usernames": ["ann", "bob"], "actions": ["LOGIN"]], "json"
        ),
        (
            [("dateFrom", "2024-01-01"), ("dateTo", "2024-01-02"), ("format", "ndjson")], nil,
            ["dates": ["end": "2024-01-02T23:59:59.999999Z", "start": "2024-01-01T00:00:00.000Z"]], "ndjson"
        ),
        // What stands in both, the query says; the rest of the body stays.
        (
            [("format", "csv"), ("usernames", "bob")],
            #"{"filters": {"usernames": ["ann"], "actions": ["LOGIN"]}, "format": "json"}"#,
            ["usernames": ["bob"], "actions": ["LOGIN"]], "csv"
        ),
        (
            [("dateTo", "2024-01-03T00:00:00Z")],
            #"{"filters": {"dates": {"start": "2024-01-01", "end": "2024-01-02"}}, "format": "csv"}"#,
            ["dates": ["end": "2024-01-03T00:00:00.000Z", "start": "2024-01-01T00:00:00.000Z"]], "csv"
        ),
        (
            [("filters", #"{"usernames": ["bob"]}"#), ("actions", "LOGIN")], #"{"filters": {"usernames": ["ann"]}}"#,
            ["usernames": ["bob"], "actions": ["LOGIN"]], "json"
        ),
        ([("restartJob", "true")], #"{"filters": {"actions": ["LOGIN"]}, "restartJob": false}"#, ["actions": ["LOGIN"]], "json"),
    ]

    @Test("filters, dates, format and restartJob are taken from the query, which counts more than the body", arguments: 0..<8)
    func query(_ index: Int) async throws {
        let asked = Self.asked[index]
        let door = try await AuditDoor()
        try await door.append(1)
        try await door.serve { asking async throws in
            let made = try await asking.send(.post, Self.query(asked.query), asked.body)
            #expect(made.status == 201, "\(made.text)")
            let id = try #require(made.json["jobId"]?.string)
            let job = try await asking.show(id)
            for member in ["usernames", "actions", "dates"] {
                #expect(job["filters"]?[member] == asked.filters[member], "\(member)")
            }
            #expect(job["format"]?.string == asked.format)
            // Without restartJob the same is refused; with it, in query or body, it starts over under its id.
            let restarts = asked.query.contains { $0.0 == "restartJob" }
            let again = try await asking.send(.post, Self.query(asked.query), asked.body)
            #expect(again.status == (restarts ? 201 : 409), "\(again.text)")
            let over = try await asking.send(
                .post, Self.query(asked.query.filter { $0.0 != "restartJob" } + [("restartJob", "true")]), asked.body)
            #expect(over.status == 201 && over.json["jobId"]?.string == id, "\(over.text)")
        }
    }

    @Test(
        "what is wrong in the query is a 400 that names it",
        arguments: [
            ("filters", "{", "filters: "), ("filters", "[]", "filters: must be an object"), ("filter", "[]", "filter: must"),
            ("filters", #"{"colour": 1}"#, "colour"),
            ("format", "xlsx", "format"), ("restartJob", "maybe", "restartJob"), ("dateFrom", "soon", "dateFrom"),
            ("actions", "NO_SUCH", "NO_SUCH"), ("usernames", "", "usernames"),
        ])
    func wrong(name: String, value: String, naming: String) async throws {
        let door = try await AuditDoor()
        try await door.serve { asking async throws in
            let answer = try await asking.send(.post, Self.query([(name, value)]), #"{"filters": {}}"#)
            #expect(answer.status == 400, "\(answer.text)")
            #expect(answer.text.contains(naming), "\(answer.text)")
        }
        #expect(try await door.count("SELECT count(*) FROM engine_jobs") == 0)
    }

    @Test("the dates of a query select whole days, and instants, with both ends")
    func dates() async throws {
        let door = try await AuditDoor()
        let day: Int64 = 86_400_000_000
        let times = [0, day - 1, day, 2 * day - 1, 2 * day]
        try await door.append(
            times.map { AuditEvent(at: Timestamp(microseconds: $0), user: "bob", action: AuditAction(rawValue: "LOGIN")) })
        try await door.serve { asking async throws in
            for (from, to, seqs) in [
                ("1970-01-02", "1970-01-02", [3, 4]), ("1970-01-01", "1970-01-01", [1, 2]),
                ("1970-01-01T23:59:59.999999Z", "1970-01-02T00:00:00Z", [2, 3]),
            ] as [(String, String, [Int64])] {
                let path = Self.query([("dateFrom", from), ("dateTo", to)])
                let id = try #require(try await asking.send(.post, path).json["jobId"]?.string)
                try await door.work()
                #expect(try await asking.files(id).seqs() == seqs)
            }
        }
    }

    // MARK: Control

    @Test("a paused export is exporting, also when all of its rows are written, and goes on to its end")
    func paused() async throws {
        let door = try await AuditDoor()
        try await door.append(120)
        try await door.serve { asking async throws in
            let id = try await asking.start()
            let job = try #require(JobID(id))
            var pausedAt: Set<String> = []
            for commit in 1...12 {
                door.tester.crash(job, .init(attempt: commit, commit: 1, isCommitted: true))
                guard try await door.tester.runNext() else { break }
                let status = try await asking.show(id)["status"]?.string ?? ""
                if status == "completed" { break }
                pausedAt.insert(status)
                let paused = try await door.tester.engine.pause(job)
                #expect(paused.state == .paused)
                let shown = try await asking.show(id)
                #expect(shown["status"]?.string == "exporting" && shown["isPaused"]?.bool == true)
                let list = try await asking.send(.get, AuditDoor.path + "?status=exporting").json
                #expect(list["jobs"]?.array?.first?["status"]?.string == "exporting")
                _ = try await door.tester.engine.resume(job)
                #expect(try await asking.show(id)["status"]?.string == status)
            }
            #expect(pausedAt == ["exporting", "uploading"])
            #expect(try await asking.show(id)["status"]?.string == "completed")
            #expect(try await asking.files(id).seqs() == Array(1...120))
        }
    }

    @Test("one that is cancelled after it has written files has failed with that reason, and its files go at once")
    func cancelled() async throws {
        let blobs = FailingBlobs(failing: nil)
        let door = try await AuditDoor(blobs: blobs)
        try await door.append(120)
        try await door.serve { asking async throws in
            let id = try await asking.start()
            door.tester.crash(try #require(JobID(id)), .afterCommit(5))
            try await door.tester.runNext()
            #expect(try await door.count("SELECT count(*) FROM engine_artifacts") > 0)
            let before = try await blobs.count()
            #expect(before > 0)
            #expect(try await asking.send(.post, "\(AuditDoor.path)/\(id)/cancel").status == 202)
            let shown = try await asking.show(id)
            #expect(shown["status"]?.string == "failed" && shown["reason"]?.string == "cancelled")
            #expect(try await asking.send(.get, "\(AuditDoor.path)/\(id)/download").status == 409)
            #expect(try await door.count("SELECT count(*) FROM engine_artifacts") == 0)
            for _ in 0..<4 { try await door.tester.engine.sweepNext() }
            #expect(try await blobs.count() == 0)
            #expect(try await door.count("SELECT count(*) FROM audit_holds") == 0)
            #expect(try await asking.send(.post, "\(AuditDoor.path)/\(id)/cancel").status == 409)
        }
    }

    @Test("pages of the list of events end where they are said to, to the event", arguments: [1, 2, 3, 4, 5, 6, 7])
    func pages(_ limit: Int) async throws {
        let door = try await AuditDoor()
        try await door.append(6)
        try await door.serve { asking async throws in
            var (seqs, sizes): ([Int64], [Int]) = ([], [])
            var cursor = ""
            while sizes.count < 10 {
                let page = try await asking.send(.get, "/audit-log/events?order=asc&limit=\(limit)\(cursor)").json
                let some = (page["events"]?.array ?? []).compactMap { $0["seq"]?.integer }
                seqs += some
                sizes.append(some.count)
                guard let next = page["next"]?.integer else { break }
                cursor = "&cursor=\(next)"
            }
            #expect(seqs == [1, 2, 3, 4, 5, 6])
            #expect(sizes.dropLast().allSatisfy { $0 == limit } && (sizes.last ?? 0) <= limit, "\(sizes)")
        }
    }
}
