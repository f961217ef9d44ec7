import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import Testing

@testable import Web

@Suite struct ConnectionGuardTests {
    private static func mount(_ catalog: RouteCatalog) {
        catalog.route(.get, "/", RouteDoc("root", "x", tag: "t", access: .open)) { _, _ in "ok" }
        catalog.route(.post, "/echo", RouteDoc("echo", "x", tag: "t", access: .open).body(media: "text/plain")) { request, _ in
            String(decoding: try await request.bytes(limit: 1000), as: UTF8.self)
        }
    }

    private func talk(_ text: String, _ limits: ServerLimits = ServerLimits()) async throws -> String {
        try await TestFloor().serve(ConnectionGuardTests.mount, setup: .live, limits: limits) { client async throws in
            let raw = try await RawClient.connect(try #require(client.port))
            try await raw.say(text)
            return await raw.hearAll()
        }
    }

    @Test("a head with too many or too large fields is 431, and the connection is closed", .timeLimit(.minutes(5)))
    func largeHead() async throws {
        let many = (0..<101).map { "X-\($0): a\r\n" }.joined()
        let large = "X-Large: " + String(repeating: "a", count: 17 * 1024) + "\r\n"
        for fields in [many, large, String(repeating: many, count: 500)] {
            let answer = try await talk("GET / HTTP/1.1\r\nHost: x\r\n\(fields)\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 431 "))
            #expect(answer.lowercased().contains("connection: close"))
            #expect(answer.contains("HEADERS_TOO_LARGE"))
        }
    }

    @Test("a first line that is too long is 414, and a method that nobody knows 501 with those that are", .timeLimit(.minutes(5)))
    func firstLine() async throws {
        let long = try await talk("GET /\(String(repeating: "a", count: 65_536)) HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(long.hasPrefix("HTTP/1.1 414 ") && long.contains("URI_TOO_LONG"))
        for method in ["FOO", "get", "BREW"] {
            let answer = try await talk("\(method) / HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 501 ") && answer.contains("METHOD_UNKNOWN"))
            #expect(answer.lowercased().contains("allow: get, head, post, put, patch, delete\r\n"))
        }
    }

    @Test(
        "a head that another server may read in another way is 400 and closes", .timeLimit(.minutes(5)),
        arguments: [
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        ])
    func ambiguous(text: String) async throws {
        let answer = try await talk(text)
        #expect(answer.hasPrefix("HTTP/1.1 400 ") && answer.contains("INVALID_REQUEST"))
        #expect(answer.lowercased().contains("connection: close"))
    }

    @Test(
        "bad framing is 400 and closes", .timeLimit(.minutes(5)),
        arguments: [
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", "GET  HTTP/1.1\r\n\r\n",
            "\0\0\0\0\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "FFFFFFFFFFFFFFFFF\r\n",
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 0x5\r\n\r\nhello",
        ])
    func framing(text: String) async throws {
        let answer = try await talk(text)
        #expect(answer.hasPrefix("HTTP/1.1 400 "))
        #expect(answer.contains("application/problem+json"))
    }

    @Test("a head or a body that comes too slowly is 408 and closes", .timeLimit(.minutes(5)))
    func slow() async throws {
        var limits = ServerLimits()
        limits.headTime = .seconds(3)
        limits.bodyStall = .seconds(3)
        let head = try await talk("GET / HTTP/1.1\r\nHo", limits)
        #expect(head.hasPrefix("HTTP/1.1 408 "))
        let nothing = try await talk("", limits)
        #expect(nothing.hasPrefix("HTTP/1.1 408 ") || nothing.isEmpty)
        let body = try await talk(
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nhello", limits)
        #expect(body.hasPrefix("HTTP/1.1 408 "))
        #expect(body.contains("REQUEST_TIMEOUT"))
        try await TestFloor().serve(ConnectionGuardTests.mount, setup: .live, limits: limits) { client async throws in
            let raw = try await RawClient.connect(try #require(client.port))
            try await raw.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(await raw.hear(until: "ok").hasPrefix("HTTP/1.1 200 "))
            try await raw.say("GET / HTTP/1.1\r\nHo")
            #expect(await raw.hearAll().hasPrefix("HTTP/1.1 408 "))
        }
    }

    @Test("a body is asked for where the client waits to be asked", .timeLimit(.minutes(5)))
    func expect100() async throws {
        try await TestFloor().serve(ConnectionGuardTests.mount, setup: .live) { client async throws in
            let raw = try await RawClient.connect(try #require(client.port))
            try await raw.say(
                "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            #expect(await raw.hear(until: "\r\n\r\n").hasPrefix("HTTP/1.1 100 Continue"))
            try await raw.say("hello")
            let answer = await raw.hear(until: "hello")
            #expect(answer.hasPrefix("HTTP/1.1 200 "))
            try await raw.close()
        }
    }

    @Test("a body that is cut off never looks like a whole one", .timeLimit(.minutes(5)))
    func cutOff() async throws {
        let seen = AsyncStream<String>.makeStream()
        func mount(_ catalog: RouteCatalog) {
            catalog.route(.post, "/take", RouteDoc("take", "x", tag: "t", access: .open).body(media: "text/plain")) {
                request, _ in
                do {
                    for try await _ in request.body {}
                    seen.continuation.yield("whole")
                } catch {
                    seen.continuation.yield("broken")
                    throw error
                }
                return "ok"
            }
        }
        var limits = ServerLimits()
        limits.bodyStall = .seconds(3)
        let head = "POST /take HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
        try await TestFloor().serve(mount, setup: .live, limits: limits) { client async throws in
            var outcomes = seen.stream.makeAsyncIterator()
            for framing in ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"] {
                for closes in [true, false] {
                    let raw = try await RawClient.connect(try #require(client.port))
                    try await raw.say(head + framing)
                    if closes { try await raw.close() }
                    #expect(await outcomes.next() == "broken")
                }
            }
            let raw = try await RawClient.connect(try #require(client.port))
            try await raw.say(head + "Content-Length: 5\r\n\r\nhello")
            #expect(await outcomes.next() == "whole")
            try await raw.close()
        }
    }

    @Test("who goes on sending after his answer is cut off", .timeLimit(.minutes(5)))
    func drain() async throws {
        var limits = ServerLimits()
        limits.drainTime = .milliseconds(200)
        let answer = try await talk(
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 100000000\r\n\r\nhello", limits)
        #expect(answer.hasPrefix("HTTP/1.1 413 "))
    }

    @Test("many requests on one connection are answered in order", .timeLimit(.minutes(5)))
    func pipelining() async throws {
        try await TestFloor().serve(ConnectionGuardTests.mount, setup: .live) { client async throws in
            let raw = try await RawClient.connect(try #require(client.port))
            let one = (0..<100).map { number in
                "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\n\(100 + number)"
            }
            try await raw.say(one.joined() + "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let answer = await raw.hearAll()
            let bodies = answer.split(separator: "\r\n\r\n").dropFirst().map { $0.prefix(3) }
            #expect(bodies.prefix(100).map(String.init) == (100..<200).map(String.init))
        }
    }
}
