import AuditTrail
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Synchronization
import Testing
import WaybillDatabases
import WaybillEngine

@testable import Web

@Suite struct IdempotencyTests {
    private struct Note: JSONBody {
        static let fields: Set<String> = ["text"]
        var text: String
    }

    /// A route that adds a row to `notes` for each request that is carried out. The text `fail` breaks the write after its
    /// settling.
    private func serve(
        _ test: TestFloor, settles: Bool = true, gate: AsyncStream<Void>? = nil, entered: AsyncStream<Void>.Continuation? = nil,
        _ body: @Sendable (any TestClientProtocol) async throws -> Void
    ) async throws {
        try await test.database.write { session in
            _ = try session.execute("CREATE TABLE IF NOT EXISTS notes (number INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        }
        let database = test.database
        try await test.serve { catalog in
            let doc = RouteDoc("addNote", "x", tag: "t", access: .signedIn).body(.anyObject)
            catalog.change(.post, "/notes", doc) { request, _, ticket in
                let note = try await request.json(Note.self).value
                entered?.yield()
                if let gate { for await _ in gate { break } }
                return try await database.write { session in
                    try session.execute("INSERT INTO notes SELECT coalesce(max(number), 0) + 1, $1 FROM notes", note.text)
                    let number = try session.count("SELECT MAX(number) FROM notes")
                    let answer = try StoredAnswer.accepted(
                        ["number": .integer(Int64(number))] as JSONValue, location: "/notes/\(number)")
                    if settles { try ticket.settle(session, answer, auditing: nil) }
                    if note.text == "fail" { throw SQLError(.full, "x") }
                    return answer
                }
            }
            let stream = RouteDoc("addNotes", "x", tag: "t", access: .signedIn).body(media: "text/plain")
            catalog.change(.post, "/stream", stream) { request, _, ticket in
                var bytes = 0
                entered?.yield()
                for try await buffer in request.body { bytes += buffer.readableBytes }
                let length = bytes
                return try await database.write { session in
                    try session.execute("INSERT INTO notes SELECT coalesce(max(number), 0) + 1, $1 FROM notes", "\(length)")
                    let answer = StoredAnswer(status: 200, body: Array("\(length)".utf8))
                    if settles { try ticket.settle(session, answer, auditing: nil) }
                    return answer
                }
            }
            let secret = RouteDoc("makeSecret", "x", tag: "t", access: .signedIn).holdingSecret()
            catalog.change(.post, "/secrets", secret) { _, _, ticket in
                try await database.write { session in
                    try session.execute("INSERT INTO notes SELECT coalesce(max(number), 0) + 1, 'made' FROM notes")
                    let answer = StoredAnswer(status: 201, body: Array("open sesame".utf8))
                    try ticket.settle(session, answer, auditing: nil)
                    return answer
                }
            }
        } _: {
            try await body($0)
        }
    }

    private func count(_ test: TestFloor) async throws -> Int {
        try await test.database.read { try $0.count("SELECT COUNT(*) FROM notes") }
    }

    private func post(_ client: any TestClientProtocol, _ test: TestFloor, key: String?, text: String = "a", user: String = "ann")
        async throws -> TestResponse
    {
        var headers = try test.bearer(user)
        if let key { headers[.idempotencyKey] = key }
        return try await client.post("/notes", headers, json: "{\"text\":\"\(text)\"}")
    }

    @Test("the same key and request get the same answer, and the work is done once", arguments: [true, false])
    func replay(settles: Bool) async throws {
        let test = try await TestFloor()
        try await serve(test, settles: settles) { client async throws in
            let first = try await post(client, test, key: "k-1")
            #expect(first.status == .accepted)
            #expect(first.headers[.location] == "/notes/1")
            #expect(first.headers[.idempotentReplayed] == nil)
            // Bare and quoted are the same key.
            for key in ["k-1", "\"k-1\""] {
                let again = try await post(client, test, key: key)
                #expect(again.status == .accepted)
                #expect(again.text == first.text)
                #expect(again.headers[.location] == "/notes/1")
                #expect(again.headers[.contentType] == "application/json")
                #expect(again.headers[.retryAfter] == "1")
                #expect(again.headers[.idempotentReplayed] == "true")
            }
            #expect(try await count(test) == 1)
            // Another user's key is another key, and no key is none.
            #expect(try await post(client, test, key: "k-1", user: "bob").headers[.location] == "/notes/2")
            #expect(try await post(client, test, key: nil).headers[.location] == "/notes/3")
            #expect(try await post(client, test, key: nil).headers[.location] == "/notes/4")
        }
    }

    @Test("another request with the same key is refused and changes nothing")
    func reused() async throws {
        let test = try await TestFloor()
        try await serve(test) { client async throws in
            _ = try await post(client, test, key: "k")
            let other = try await post(client, test, key: "k", text: "b")
            #expect(other.status.code == 422)
            #expect(try other.code() == "IDEMPOTENCY_KEY_REUSED")
            #expect(try await count(test) == 1)
        }
    }

    @Test("what failed is not stored, and can be tried again")
    func failure() async throws {
        let test = try await TestFloor()
        try await serve(test) { client async throws in
            for _ in 0..<2 {
                #expect(try await post(client, test, key: "k", text: "fail").status.code == 507)
                #expect(try await count(test) == 0)
            }
            #expect(try await post(client, test, key: "k", text: "good").status == .accepted)
        }
    }

    @Test("while the first is being worked on the same is 409 with Retry-After, another 422")
    func inFlight() async throws {
        let test = try await TestFloor()
        let gate = AsyncStream<Void>.makeStream()
        let entered = AsyncStream<Void>.makeStream()
        try await serve(test, gate: gate.stream, entered: entered.continuation) { client async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    let first = try await post(client, test, key: "k")
                    #expect(first.status == .accepted)
                }
                for await _ in entered.stream { break }
                let second = try await post(client, test, key: "k")
                #expect(second.status == .conflict)
                #expect(second.headers[.retryAfter] == "1")
                #expect(try second.code() == "REQUEST_IN_FLIGHT")
                #expect(try await post(client, test, key: "k", text: "b").status.code == 422)
                gate.continuation.yield()
                try await group.waitForAll()
            }
            #expect(try await post(client, test, key: "k").headers[.idempotentReplayed] == "true")
        }
    }

    @Test("a stream is known by its bytes, and read once", arguments: [true, false])
    func streams(settles: Bool) async throws {
        let test = try await TestFloor()
        try await serve(test, settles: settles) { client async throws in
            func send(_ text: String) async throws -> TestResponse {
                var headers = try test.bearer()
                (headers[.idempotencyKey], headers[.contentType]) = ("k", "text/plain")
                return try await client.execute(uri: "/stream", method: .post, headers: headers, body: ByteBuffer(string: text))
            }
            let text = String(repeating: "abc", count: 100_000)
            #expect(try await send(text).text == "300000")
            let again = try await send(text)
            #expect(again.text == "300000" && again.headers[.idempotentReplayed] == "true")
            #expect(try await send(text + "d").code() == "IDEMPOTENCY_KEY_REUSED")
            #expect(try await count(test) == 1)
        }
    }

    @Test("an answer with a secret is given again, and can't be read from the database")
    func secrets() async throws {
        let test = try await TestFloor()
        try await serve(test) { client async throws in
            var headers = try test.bearer()
            headers[.idempotencyKey] = "k"
            for _ in 0..<2 {
                let answer = try await client.execute(uri: "/secrets", method: .post, headers: headers)
                #expect(answer.status == .created && answer.text == "open sesame")
            }
            #expect(try await count(test) == 1)
            let kept = try await test.database.read { try $0.all("SELECT body FROM web_idempotency") { $0.bytes(0) } }
            #expect(kept.count == 1 && !kept[0].isEmpty)
            #expect(!String(decoding: kept[0], as: UTF8.self).contains("sesame"))
            // It is bound to its row.
            try await test.database.write { _ = try $0.execute("UPDATE web_idempotency SET key = 'l'") }
            headers[.idempotencyKey] = "l"
            #expect(try await client.execute(uri: "/secrets", method: .post, headers: headers).status == .conflict)
            #expect(try await count(test) == 1)
        }
    }

    @Test("a key ends after a day and is pruned")
    func expiry() async throws {
        let test = try await TestFloor()
        try await serve(test) { client async throws in
            _ = try await post(client, test, key: "k")
            _ = try await post(client, test, key: "l")
            #expect(try await test.floor.idempotency.prune() == 0)
            test.time.advance(IdempotencyStore.lifetime)
            #expect(try await post(client, test, key: "k").headers[.location] == "/notes/3")
            #expect(try await test.floor.idempotency.prune() == 1)
            #expect(try await post(client, test, key: "k").headers[.idempotentReplayed] == "true")
        }
    }

    @Test(
        "a key that is none is refused",
        arguments: [
            "", "a b", "\"a", "a\"b", "\"\"", "é", "\"é\"", "\"a\" x", String(repeating: "a", count: 256),
            String(repeating: "a", count: 10_000),
        ])
    func badKeys(key: String) async throws {
        let test = try await TestFloor()
        try await serve(test) { client async throws in
            #expect(try await post(client, test, key: key).status == .badRequest)
            #expect(try await count(test) == 0)
        }
    }

    @Test("a settled key of another process wins")
    func race() async throws {
        let test = try await TestFloor()
        let other = IdempotencyStore(
            test.database, key: test.key, time: test.time, audit: AuditStore(isEnabled: false))
        let request = Request(
            head: .init(method: .post, scheme: nil, authority: nil, path: "/x", headerFields: [.idempotencyKey: "k"]),
            body: .init(buffer: .init()))
        let source = ApplicationRequestContextSource(channel: TestChannel.make(), logger: test.floor.logger)
        var context = WebContext(source: source)
        context.access = .granted(Identity(principal: Principal(tenant: try #require(TenantID("acme")), user: "ann", roles: [])))
        let asked = context
        let database = test.database
        let answer = try await test.floor.idempotency.perform(request, asked, bodyDigest: []) { mine in
            _ = try await other.perform(request, asked, bodyDigest: []) { theirs in
                try await database.write { session in
                    try theirs.settle(session, StoredAnswer(status: 202, body: [1]), auditing: nil)
                    return StoredAnswer(status: 202, body: [1])
                }
            }
            return try await database.write { session in
                try mine.settle(session, StoredAnswer(status: 202, body: [2]), auditing: nil)
                return StoredAnswer(status: 202, body: [2])
            }
        }
        #expect(answer.body == [1])
    }
}
