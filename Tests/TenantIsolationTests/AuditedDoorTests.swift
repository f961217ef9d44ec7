import Foundation
import HTTPTypes
import HummingbirdTesting
import NIOCore
import PostgresFixture
import Synchronization
import Testing
import WaybillDatabases
import WaybillEngine
import Web

@testable import Assembly

@Suite struct AuditedDoorTests {
    /// Routes that change something and leave no event of their own, each with the reason.
    private static let silent: [String: String] = [
        "POST /audit-log/events": "what is appended are events themselves",
        "POST /api/files/upload/chunk/{taskId}/{chunkIndex}": "begin and end of the upload are recorded",
        "POST /drive/files/upload/chunk/{taskId}/{chunkIndex}": "begin and end of the upload are recorded",
    ]

    @Test("every route that changes something leaves an event of who did it, in the tenant's log")
    func everyChange() async throws {
        let doors = try await Doors()
        let seen = Mutex<[String: Int]>([:])
        let count = Mutex(0)
        try await doors.serve { client in
            let headers = try doors.token("acme")
            try await Visit(client: client, doors: doors, headers: headers) { operation in
                let events = try await doors.database.read {
                    try $0.count(
                        """
                        SELECT count(*) FROM audit_events WHERE tenant = 'acme' AND user_id = 'ann'
                            AND body LIKE '%"success"%'
                        """)
                }
                seen.withLock { $0[operation, default: 0] += events - count.withLock { $0 } }
                count.withLock { $0 = events }
            }.all()
            // The installation's own: in the log of the erasures' owner.
            let before = try await doors.count("system")
            try await Visit(client: client, doors: doors, headers: try doors.token("ops", roles: ["system"])) { _ in }
                .send(.delete, "/tenants/{tenant}", ["tenant": "globex"])
            seen.withLock { $0["DELETE /tenants/{tenant}"] = 0 }
            let after = try await doors.count("system")
            seen.withLock { $0["DELETE /tenants/{tenant}"] = after - before }
        }
        let changing = doors.catalog().operations.filter { !["GET", "HEAD", "OPTIONS"].contains($0.method) }.map {
            "\($0.method) \($0.template)"
        }
        let events = seen.withLock { $0 }
        for route in changing {
            let isSilent = Self.silent[route] != nil
            #expect(isSilent == (events[route, default: 0] == 0), "\(route) left \(events[route] ?? 0) events")
        }
        for route in Self.silent.keys { #expect(changing.contains(route), "\(route) is no route any more") }
    }

    @Test("no secret is in the log")
    func secrets() async throws {
        let doors = try await Doors()
        try await doors.serve { client in
            let key = try await Visit(client: client, doors: doors, headers: try doors.token("acme")) { _ in }
                .send(.post, "/apikeys", body: #"{"user": "bot", "roles": ["reader"], "name": "n"}"#)
            let secret = try #require(key?["secret"]?.string)
            let texts = try await doors.database.read { try $0.all("SELECT body FROM audit_events") { $0.string(0) } }
            #expect(texts.count == 1)
            #expect(texts.allSatisfy { !$0.contains(secret) && !$0.contains("wbk_") })
            #expect(texts.allSatisfy { $0.contains(#""apikey.create""#) && $0.contains(#""user":"bot""#) })
        }
    }

    @Test("a request that is sent again with its key leaves one event, and one that is refused none")
    func once() async throws {
        let doors = try await Doors()
        try await doors.serve { client in
            var headers = try doors.token("acme")
            headers[.idempotencyKey] = "k1"
            headers[.contentType] = "application/json"
            for _ in 0..<3 {
                let answer = try await client.execute(
                    uri: "/content/types/note", method: .put, headers: headers,
                    body: .init(string: #"{"fields": [{"name": "title", "type": "text"}]}"#))
                #expect(answer.status == .created)
            }
            headers[.idempotencyKey] = nil
            let refused = try await client.execute(uri: "/content/types/none", method: .delete, headers: headers)
            #expect(refused.status == .notFound)
        }
        #expect(try await doors.count("acme") == 1)
    }
}

extension Doors {
    fileprivate func count(_ tenant: String) async throws -> Int {
        try await database.read { try $0.count("SELECT count(*) FROM audit_events WHERE tenant = $1", tenant) }
    }
}
