import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

@testable import WaybillClient

/// Against a real socket: what only the HTTP library below can get wrong.
@Suite struct AsyncHTTPTransportTests {
    /// Answers each request by its path.
    private final class Responder: ChannelInboundHandler, Sendable {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard case .head(let head) = unwrapInboundIn(data) else { return }
            switch head.uri {
            case "/jobs/redirect": answer(context, .temporaryRedirect, ["location": "/jobs/there"], "")
            case "/jobs/broken": answer(context, .ok, ["content-length": "1000"], "{", ending: false)
            default:
                let secret = head.headers.first(name: "ApiSecret") ?? ""
                answer(context, .ok, [:], #"{"jobId":"\#(secret)","state":"pending"}"#)
            }
        }

        private func answer(
            _ context: ChannelHandlerContext, _ status: HTTPResponseStatus, _ headers: [String: String], _ text: String,
            ending: Bool = true
        ) {
            var head = HTTPResponseHead(version: .http1_1, status: status)
            for (name, value) in headers { head.headers.add(name: name, value: value) }
            if headers["content-length"] == nil { head.headers.add(name: "content-length", value: "\(text.utf8.count)") }
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
            if ending {
                context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            } else {
                context.flush()
                context.close(promise: nil)
            }
        }
    }

    private func withServer(_ body: (WaybillClient) async throws -> Void) async throws {
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Responder())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        do {
            try await WaybillClient.with(url: "http://127.0.0.1:\(port)/", credential: .apiSecret("k"), body)
        } catch {
            try await server.close()
            throw error
        }
        try await server.close()
    }

    @Test("a call goes there and back with its credential")
    func roundTrip() async throws {
        try await withServer { client in
            let job = try await client.jobs.get("a")
            #expect(job.jobId == "k")
        }
    }

    @Test("a redirect is not followed")
    func redirect() async throws {
        try await withServer { client in
            let error = await #expect(throws: WaybillClientError.self) { try await client.jobs.get("redirect") }
            #expect(error?.code == .unexpectedAnswer)
            #expect(error?.status == 307)
        }
    }

    @Test("an answer that breaks off is a lost connection")
    func brokenAnswer() async throws {
        try await withServer { client in
            let error = await #expect(throws: WaybillClientError.self) { try await client.jobs.get("broken") }
            #expect(error?.code == .connectionLost)
        }
    }

    @Test("a port where nobody listens is unreachable, and says so shortly")
    func nobody() async throws {
        // A port that was free a moment ago.
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup).bind(host: "127.0.0.1", port: 0)
            .get()
        let port = try #require(server.localAddress?.port)
        try await server.close()
        try await WaybillClient.with(url: "http://127.0.0.1:\(port)", credential: nil) { client in
            let error = await #expect(throws: WaybillClientError.self) { try await client.jobs.get("a") }
            #expect(error?.code == .unreachable)
            #expect(error?.message == "the server can't be reached: Connection refused")
        }
    }
}
