import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import Testing
import WaybillDatabases
import WaybillEngine

@testable import Web

@Suite struct SSEStreamTests {
    private func mount(
        _ test: TestFloor, _ frames: AsyncStream<SSEFrame>, isSignedIn: Bool = false
    ) -> (RouteCatalog) -> Void {
        { catalog in
            let doc = RouteDoc("watch", "x", tag: "t", access: isSignedIn ? .signedIn : .open).answer(
                200, "events", .string, media: "text/event-stream")
            catalog.route(.get, "/watch", doc) { request, context in
                _ = try SSEStream.lastEventID(request)
                let place = try test.floor.streams.open("job 1")
                let access = isSignedIn ? test.floor.streamAccess(of: context) : .unlimited
                return SSEStream(time: test.time).response(
                    request, context, access: access, place: place, jitter: 255, frames: frames)
            }
        }
    }

    @Test(
        "events come in order, with ids where they have one, and the stream ends with them",
        arguments: [TestingSetup.router, .live])
    func events(setup: TestingSetup) async throws {
        let test = try await TestFloor()
        let (frames, feed) = AsyncStream<SSEFrame>.makeStream()
        feed.yield(SSEFrame(event: "job.progress", data: "{\"progress\":5}"))
        feed.yield(SSEFrame(event: "job\r\nx: y", id: 7, data: "a\nb\r\nc\r\rd"))
        feed.finish()
        try await test.serve(mount(test, frames), setup: setup) { client async throws in
            let answer = try await client.get("/watch")
            #expect(answer.headers[.contentType] == "text/event-stream")
            #expect(answer.headers[.cacheControl] == "no-cache, no-store")
            #expect(answer.headers[.accelBuffering] == "no")
            #expect(
                answer.text
                    == "retry: 4000\n\nevent: job.progress\ndata: {\"progress\":5}\n\n"
                    + "id: 7\nevent: jobx: y\ndata: a\ndata: b\ndata: c\ndata: \ndata: d\n\n"
            )
        }
        #expect(test.floor.streams.count == 0)
        #expect(
            test.log.lines.contains {
                $0.message == "request" && $0.metadata["bytes"] != nil && "\($0.metadata["bytes"] ?? "")" != "0"
            })
    }

    @Test("streams that are over at once do no harm")
    func overAtOnce() async throws {
        let test = try await TestFloor()
        let (frames, feed) = AsyncStream<SSEFrame>.makeStream()
        feed.finish()
        try await test.serve(mount(test, frames)) { client async throws in
            for _ in 0..<300 { #expect(try await client.get("/watch").text == "retry: 4000\n\n") }
        }
        #expect(test.floor.streams.count == 0)
    }

    @Test("a HEAD, or an answer that is dropped, gives its place back")
    func head() async throws {
        let test = try await TestFloor()
        let (frames, feed) = AsyncStream<SSEFrame>.makeStream()
        try await test.serve(mount(test, frames)) { client async throws in
            #expect(try await client.execute(uri: "/watch", method: .head).status == .ok)
        }
        #expect(test.floor.streams.count == 0)
        feed.finish()
    }

    @Test("too many streams are refused before they begin")
    func tooMany() async throws {
        let test = try await TestFloor(streams: .init(total: 5, perKey: 1))
        let (frames, feed) = AsyncStream<SSEFrame>.makeStream()
        let place = try test.floor.streams.open("job 1")
        feed.finish()
        try await test.serve(mount(test, frames)) { client async throws in
            let refused = try await client.get("/watch")
            #expect(refused.status.code == 429)
            #expect(try refused.code() == "TOO_MANY_STREAMS")
            place.release()
            #expect(try await client.get("/watch").status == .ok)
        }
    }

    @Test("silence is broken by heartbeats, and a client that goes frees its place", .timeLimit(.minutes(5)))
    func heartbeat() async throws {
        let test = try await TestFloor()
        let (frames, feed) = AsyncStream<SSEFrame>.makeStream()
        let gone = AsyncStream<Void>.makeStream()
        feed.onTermination = { _ in gone.continuation.finish() }
        try await test.serve(mount(test, frames), setup: .live) { client async throws in
            let raw = try await RawClient.connect(try #require(client.port))
            try await raw.say("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = await raw.hear(until: "retry: 4000")
            for _ in 0..<2 {
                await test.time.waitForSleeper()
                test.time.advance(.seconds(15))
                #expect(await raw.hear(until: ": \n\n").contains(": \n\n"))
            }
            feed.yield(SSEFrame(event: "job.completed", id: 1, data: "{}"))
            #expect(await raw.hear(until: "data: {}").contains("event: job.completed"))
            #expect(test.floor.streams.count == 1)
            try await raw.close()
            for await _ in gone.stream {}
        }
        #expect(test.floor.streams.count == 0)
    }

    /// What ends the credentials of who listens.
    enum Ending: CaseIterable { case tokenExpires, keyIsRevoked, keyExpires, tenantIsErased }

    @Test("an open stream ends with the credentials of who listens", .timeLimit(.minutes(5)), arguments: Ending.allCases)
    func credentials(ending: Ending) async throws {
        let test = try await TestFloor()
        let (frames, feed) = AsyncStream<SSEFrame>.makeStream()
        let acme = try #require(TenantID("acme"))
        let id = "0198c000-0000-7000-8000-000000000001"
        let keys = test.floor.keys
        let secret = try await keys.create(
            id: id, tenant: acme, user: "bot", roles: ["reader"], name: "", expiresAt: test.time.now().advanced(by: .seconds(60)),
            random: test.floor.random(32), now: test.time.now())
        let isToken = ending == .tokenExpires || ending == .tenantIsErased
        let credential = isToken ? "Authorization: Bearer \(try test.token(lifetime: .seconds(61)))" : "ApiSecret: \(secret)"
        try await test.serve(mount(test, frames, isSignedIn: true), setup: .live) { client async throws in
            let raw = try await RawClient.connect(try #require(client.port))
            try await raw.say("GET /watch HTTP/1.1\r\nHost: x\r\n\(credential)\r\n\r\n")
            _ = await raw.hear(until: "retry: 4000")
            // The heartbeat sleeps, and so does the look at the credentials.
            for _ in 0..<2 { await test.time.waitForSleeper() }
            test.time.advance(.seconds(2))
            await test.time.waitForSleeper()
            #expect(test.floor.streams.count == 1, "still good")
            switch ending {
            case .tokenExpires, .keyExpires:
                for step in [Duration.seconds(13), .seconds(46)] {
                    test.time.advance(step)
                    if step == .seconds(13) { for _ in 0..<2 { await test.time.waitForSleeper() } }
                }
            case .keyIsRevoked:
                #expect(try await keys.revoke(id: id, tenant: acme, now: test.time.now()))
                test.time.advance(.seconds(2))
            case .tenantIsErased:
                let now = test.time.now()
                try await test.database.write { try test.floor.tenants.close(acme, now: now, in: $0) }
                test.time.advance(.seconds(2))
            }
            #expect(await raw.hearAll().hasSuffix("0\r\n\r\n"))
        }
        #expect(test.floor.streams.count == 0)
        feed.finish()
    }

    @Test("an open stream ends when the server goes down", .timeLimit(.minutes(5)))
    func shutdown() async throws {
        let test = try await TestFloor()
        let (frames, feed) = AsyncStream<SSEFrame>.makeStream()
        let raw = try await test.serve(mount(test, frames), setup: .live) { client async throws in
            let raw = try await RawClient.connect(try #require(client.port))
            try await raw.say("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = await raw.hear(until: "retry: 4000")
            return raw
        }
        // Serving has ended, so that the stream must have: its last chunk came.
        #expect(await raw.hearAll().hasSuffix("0\r\n\r\n"))
        #expect(test.floor.streams.count == 0)
        feed.finish()
    }

    @Test(
        "a Last-Event-ID that is no number is refused",
        arguments: ["x", "-1", "1.5", "99999999999999999999", String(repeating: "1", count: 65), "1 2", "0x1", "*"])
    func lastEventID(text: String) async throws {
        let test = try await TestFloor()
        let (frames, feed) = AsyncStream<SSEFrame>.makeStream()
        feed.finish()
        try await test.serve(mount(test, frames)) { client async throws in
            let answer = try await client.get("/watch", [.lastEventID: text])
            #expect(answer.status == .badRequest)
            #expect(answer.text.contains("Last-Event-ID"))
            #expect(try await client.get("/watch", [.lastEventID: "42"]).status == .ok)
        }
    }
}
