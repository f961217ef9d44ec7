import NIOCore
import NIOHTTP1
import NIOPosix

/// A request as it came in.
struct ReceivedRequest: Sendable {
    var method: String
    var path: String
    var query: [String: String]
    /// Names in small letters.
    var headers: [String: String]
    var body: [UInt8]
}

/// What the server does about a request.
enum Reaction: Sendable {
    case answer(status: Int, headers: [(String, String)] = [], body: [UInt8] = [])
    /// Says that more comes than does, then closes the connection.
    case truncated(status: Int, headers: [(String, String)], body: [UInt8], promised: Int)
    /// Closes the connection without a word.
    case cut
    /// Never answers, and keeps the connection.
    case silence
}

/// A real HTTP server on loopback that does to each request what a test wants.
final class ScriptedServer: Sendable {
    let port: Int
    private let channel: any Channel

    init(_ react: @escaping @Sendable (ReceivedRequest) -> Reaction) async throws {
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(react))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    func stop() async throws {
        try await channel.close()
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let react: @Sendable (ReceivedRequest) -> Reaction
        private var head: HTTPRequestHead?
        private var body: [UInt8] = []

        init(_ react: @escaping @Sendable (ReceivedRequest) -> Reaction) {
            self.react = react
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                self.head = head
                body = []
            case .body(let buffer): body += buffer.readableBytesView
            case .end:
                guard let head else { return }
                perform(react(Handler.received(head, body)), head, context)
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }

        private func perform(_ reaction: Reaction, _ request: HTTPRequestHead, _ context: ChannelHandlerContext) {
            switch reaction {
            case .cut: context.close(promise: nil)
            case .silence: break
            case .answer(let status, let headers, let body):
                var all = headers
                if request.method != .HEAD || !headers.contains(where: { $0.0 == "content-length" }) {
                    all.append(("content-length", "\(body.count)"))
                }
                write(status, all, request.method == .HEAD ? [] : body, context)
                context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            case .truncated(let status, let headers, let body, let promised):
                write(status, headers + [("content-length", "\(promised)")], body, context)
                context.close(promise: nil)
            }
        }

        private func write(_ status: Int, _ headers: [(String, String)], _ body: [UInt8], _ context: ChannelHandlerContext) {
            let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: HTTPHeaders(headers))
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            if !body.isEmpty { context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil) }
            context.flush()
        }

        private static func received(_ head: HTTPRequestHead, _ body: [UInt8]) -> ReceivedRequest {
            let halves = head.uri.split(separator: "?", maxSplits: 1)
            var query: [String: String] = [:]
            for pair in halves.count > 1 ? halves[1].split(separator: "&") : [] {
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                query[String(parts[0])] = parts.count > 1 ? String(parts[1]) : ""
            }
            let headers = Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first }
            return ReceivedRequest(
                method: head.method.rawValue, path: String(halves[0]), query: query, headers: headers, body: body)
        }
    }
}
