import AuditTrail
import HTTPTypes
import Testing
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import AuditLog

@Suite struct AuditEventRoutesTests {
    private static let path = "/audit-log/events"

    private func line(_ id: String, _ more: String = "") -> String {
        #"{"id": "\#(id)", "user": "bob", "action": "LOGIN", "at": "2024-01-01T00:00:00Z", "target": "app"\#(more)}"#
    }

    @Test("an array is stored whole, and listed newest first with its numbers")
    func array() async throws {
        let door = try await AuditDoor()
        try await door.serve { asking async throws in
            let body = "[\(line("a")), \(line("b", #", "address": "::1", "requestId": "r", "outcome": "denied""#))]"
            let answer = try await asking.send(.post, Self.path, body, roles: ["audit:write"])
            #expect(answer.status == 200)
            #expect(answer.json == ["known": 0, "last": 2, "stored": 2])
            let list = try await asking.send(.get, Self.path)
            #expect(
                list.text == """
                    {"events":[{"seq":2,"id":"b","at":"2024-01-01T00:00:00.000Z","user":"bob","action":"LOGIN","target":"app",\
                    "address":"::1","requestId":"r","outcome":"denied"},{"seq":1,"id":"a","at":"2024-01-01T00:00:00.000Z",\
                    "user":"bob","action":"LOGIN","target":"app"}]}
                    """)
        }
    }

    @Test("a stream is stored in several transactions, and sending it again stores nothing twice")
    func stream() async throws {
        let door = try await AuditDoor()
        try await door.serve { asking async throws in
            let body = (0..<2500).map { line("e\($0)") }.joined(separator: "\n") + "\r\n\n"
            for stored in [2500, 0] {
                let answer = try await asking.send(
                    .post, Self.path, body, media: "application/x-ndjson", roles: ["audit:write"])
                #expect(answer.status == 200, "\(answer.text)")
                #expect(
                    answer.json == ["known": .integer(Int64(2500 - stored)), "last": 2500, "stored": .integer(Int64(stored))])
            }
        }
    }

    @Test("a bad line stops a stream and is named; what was stored before it stays")
    func badLine() async throws {
        let door = try await AuditDoor()
        try await door.serve { asking async throws in
            let body = [line("a"), line("b"), #"{"id": "c", "action": "X"}"#, line("d")].joined(separator: "\n")
            let answer = try await asking.send(.post, Self.path, body, media: "application/x-ndjson", roles: ["audit:write"])
            #expect(answer.status == 400 && answer.code == "BAD_LINE")
            #expect(answer.json["line"]?.integer == 3 && answer.json["stored"]?.integer == 2)
        }
        #expect(try await door.count("SELECT count(*) FROM audit_events") == 2)
    }

    @Test(
        "what is no event is refused, and nothing of its array is stored",
        arguments: [
            (#"{"action": "A", "at": "2024-01-01T00:00:00Z"}"#, "target"),
            (#"{"action": "A", "at": "2024-01-01", "target": "t"}"#, "at"),
            (#"{"action": "", "at": "2024-01-01T00:00:00Z", "target": "t"}"#, "action"),
            (#"{"action": "apikey.create", "at": "2024-01-01T00:00:00Z", "target": "t"}"#, "Waybill itself"),
            (#"{"action": "A", "at": "2024-01-01T00:00:00Z", "target": "t", "user": 7}"#, "user"),
            (#"{"action": "A", "at": "2024-01-01T00:00:00Z", "target": "t", "seq": 7}"#, "seq"),
            ("7", "object"),
        ])
    func refused(event: String, naming: String) async throws {
        let door = try await AuditDoor()
        try await door.serve { asking async throws in
            let answer = try await asking.send(.post, Self.path, "[\(line("a")), \(event)]", roles: ["audit:write"])
            #expect(answer.status == 400)
            #expect(answer.text.contains(naming), "\(answer.text)")
            #expect(try await asking.send(.post, Self.path, "{}", roles: ["audit:write"]).status == 400)
        }
        #expect(try await door.count("SELECT count(*) FROM audit_events") == 0)
    }

    @Test("appending takes its scope, and listing the auditor's")
    func access() async throws {
        let door = try await AuditDoor()
        try await door.serve { asking async throws in
            #expect(try await asking.send(.post, Self.path, "[]", roles: ["auditor"]).status == 403)
            #expect(try await asking.send(.post, Self.path, "[]", roles: ["admin"]).status == 200)
            #expect(try await asking.send(.get, Self.path, roles: ["audit:write"]).status == 403)
            #expect(try await asking.send(.delete, Self.path, roles: ["admin"]).status == 405)
        }
    }

    @Test("a list takes the filters of an export, and goes on by its cursor in both directions", arguments: ["asc", "desc"])
    func list(order: String) async throws {
        let door = try await AuditDoor()
        try await door.append(7)
        try await door.append(5, user: "eve", action: "LOGOUT")
        try await door.serve { asking async throws in
            var seen: [Int64] = []
            var cursor = ""
            repeat {
                let page = try await asking.send(.get, "\(Self.path)?usernames=bob,x&limit=3&order=\(order)\(cursor)").json
                seen += (page["events"]?.array ?? []).compactMap { $0["seq"]?.integer }
                cursor = page["next"]?.integer.map { "&cursor=\($0)" } ?? ""
            } while !cursor.isEmpty
            #expect(seen == (order == "asc" ? Array(1...7) : Array((1...7).reversed())))
            let some = try await asking.send(.get, "\(Self.path)?actions=LOGOUT&dateFrom=1970-01-01T00:00:03Z&order=asc").json
            #expect(some["events"]?.array?.compactMap { $0["seq"]?.integer } == [10, 11, 12])
            for query in ["order=asc&cursor=9223372036854775807", "order=desc&cursor=1"] {
                let end = try await asking.send(.get, "\(Self.path)?\(query)")
                #expect(end.text == #"{"events":[]}"#, "\(query)")
            }
            let whole = try await asking.send(.get, "\(Self.path)?order=desc&cursor=9223372036854775807&limit=1000")
            #expect(whole.json["events"]?.array?.count == 12)
            for query in ["order=up", "limit=0", "cursor=x", "dateFrom=soon", "users=a"] {
                #expect(try await asking.send(.get, "\(Self.path)?\(query)").status == 400, "\(query)")
            }
        }
    }

    @Test("where the log is off nothing is appended")
    func disabled() async throws {
        let door = try await AuditDoor(isEnabled: false)
        try await door.serve { asking async throws in
            let answer = try await asking.send(.post, Self.path, "[\(line("a"))]", roles: ["audit:write"])
            #expect(answer.status == 409 && answer.code == "AUDIT_LOG_DISABLED")
        }
    }
}
