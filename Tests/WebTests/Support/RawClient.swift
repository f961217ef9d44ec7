import NIOCore
import NIOPosix

/// A connection that says exactly what a test wants, and hears what comes back.
struct RawClient: Sendable {
    private final class Listener: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let heard: AsyncStream<String>.Continuation

        init(_ heard: AsyncStream<String>.Continuation) { self.heard = heard }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            heard.yield(String(buffer: unwrapInboundIn(data)))
        }

        func channelInactive(context: ChannelHandlerContext) { heard.finish() }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    let channel: any Channel
    private let stream: AsyncStream<String>

    static func connect(_ port: Int) async throws -> RawClient {
        let (stream, heard) = AsyncStream<String>.makeStream()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { $0.pipeline.addHandler(Listener(heard)) }
            .connect(host: "127.0.0.1", port: port).get()
        return RawClient(channel: channel, stream: stream)
    }

    func say(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)) }

    /// What is heard until it holds `mark`, or until the other side closes.
    func hear(until mark: String) async -> String {
        var all = ""
        for await text in stream {
            all += text
            if all.contains(mark) { break }
        }
        return all
    }

    /// What is heard until the other side closes.
    func hearAll() async -> String {
        var all = ""
        for await text in stream { all += text }
        return all
    }

    /// Closes; the other side may have been quicker.
    func close() async throws {
        do {
            try await channel.close()
        } catch ChannelError.alreadyClosed {}
    }
}
