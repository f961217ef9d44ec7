import NIOCore
import NIOPosix

/// An address that stays while the server behind it goes, or comes back at another port.
final class PortGate: Sendable {
    let port: Int
    private let channel: any Channel

    convenience init(_ server: ServerFixture) async throws { try await self.init { server.port } }

    /// - Parameters:
    ///   - port: where it is; 0: anywhere.
    ///   - target: where it leads to, asked for each connection.
    init(at port: Int = 0, to target: @escaping @Sendable () -> Int) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        channel = try await ServerBootstrap(group: group).serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { near in
                ClientBootstrap(group: near.eventLoop).connect(host: "127.0.0.1", port: target()).flatMap { far in
                    near.pipeline.addHandler(Passage(to: far)).and(far.pipeline.addHandler(Passage(to: near))).map { _ in }
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        self.port = channel.localAddress?.port ?? 0
    }

    func close() async throws { try await channel.close() }
}

/// One direction of a connection.
private final class Passage: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    private let other: any Channel

    init(to other: any Channel) { self.other = other }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        other.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
