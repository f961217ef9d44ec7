import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Testing

@testable import Web

@Suite struct InterimTests {
    private static func mount(_ catalog: RouteCatalog) {
        let doc = RouteDoc("sum", "x", tag: "t", access: .open).body(media: "text/plain")
        catalog.route(.post, "/sum", doc) { request, context in
            await context.inform(HTTPResponse.Status(code: 104, reasonPhrase: "Still Coming"), [.location: "/there"])
            let text = String(decoding: try await request.bytes(limit: 1000), as: UTF8.self)
            let name = try #require(HTTPField.Name("X-Sum"))
            return "\(text)=\(await context.trailers()[name] ?? "none")"
        }
        catalog.route(.post, "/early", doc) { _, context in
            await context.inform(.ok, [:])
            return "early"
        }
    }

    private static func request(_ path: String, _ text: String, trailer: String = "", close: Bool = false) -> String {
        "POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n\(close ? "Connection: close\r\n" : "")"
            + "Transfer-Encoding: chunked\r\n\r\n\(text.utf8.count)\r\n\(text)\r\n0\r\n\(trailer)\r\n"
    }

    @Test(
        "an interim answer goes ahead of the final one, and fields behind a body belong to its request", .timeLimit(.minutes(5)))
    func interim() async throws {
        let heard = try await TestFloor().serve(Self.mount, setup: .live) { client async throws in
            let raw = try await RawClient.connect(try #require(client.port))
            // All at once: the fields behind the second body are there before the first one is answered.
            try await raw.say(
                Self.request("/sum", "one", trailer: "X-Sum: 1\r\n") + Self.request("/early", "no")
                    + Self.request("/sum", "two") + Self.request("/sum", "three", trailer: "X-Sum: 3\r\n", close: true))
            return await raw.hearAll()
        }
        let heads = heard.components(separatedBy: "HTTP/1.1 ").dropFirst()
        let statuses = heads.map { String($0.prefix(3)) }
        #expect(statuses == ["104", "200", "200", "104", "200", "104", "200"])
        let first = try #require(heads.first)
        #expect(first.hasPrefix("104 Still Coming\r\n") && first.lowercased().contains("location: /there\r\n"))
        #expect(!first.lowercased().contains("content-length") && !first.lowercased().contains("transfer-encoding"))
        #expect(heard.contains("one=1") && heard.contains("two=none") && heard.contains("three=3"))
    }

    @Test("where there is no connection there are no fields behind the body, and nobody to inform")
    func noConnection() async throws {
        try await TestFloor().serve(Self.mount) { client async throws in
            let answer = try await client.execute(
                uri: "/sum", method: .post, headers: [.contentType: "text/plain"], body: .init(string: "a"))
            #expect(answer.status == .ok && String(buffer: answer.body) == "a=none")
        }
    }
}
