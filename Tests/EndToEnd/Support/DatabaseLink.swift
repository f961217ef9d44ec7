import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// A link over TCP to a PostgreSQL database of the tests, which can fall silent: it stands, takes bytes and connections, and
/// nothing comes over it any more.
final class DatabaseLink: Sendable {
    /// Of the database behind it.
    let url: String
    let port: Int
    private let listener: any Channel
    private let passages = Passages()

    /// - Parameters:
    ///   - database: as the fixture tells it, by the folder of its socket.
    ///   - port: where to listen; 0 for any.
    init(to database: String, port: Int = 0) async throws {
        guard let parts = URLComponents(string: database),
            let folder = parts.queryItems?.first(where: { $0.name == "host" })?.value,
            let user = parts.queryItems?.first(where: { $0.name == "user" })?.value
        else { throw E2EError("\(database) has no socket") }
        listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { [passages] near in
                ClientBootstrap(group: near.eventLoop).connect(unixDomainSocketPath: folder + "/.s.PGSQL.5432").flatMap { far in
                    passages.add(near, far)
                    return near.pipeline.addHandler(Passage(to: far, passages)).and(
                        far.pipeline.addHandler(Passage(to: near, passages))
                    ).map { _ in }
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        self.port = listener.localAddress?.port ?? 0
        url = "postgres://\(user)@127.0.0.1:\(self.port)\(parts.path)"
    }

    func fallSilent() { passages.silence(true) }

    /// Lets new connections through. Those that were there are closed: what they lost can't be had again.
    func heal() { passages.silence(false) }

    func close() async throws {
        try await listener.close()
        heal()
    }
}

private final class Passages: Sendable {
    private struct State {
        var isSilent = false
        var channels: [any Channel] = []
    }

    private let state = Mutex(State())
    var isSilent: Bool { state.withLock { $0.isSilent } }

    func add(_ channels: any Channel...) { state.withLock { $0.channels += channels } }

    func silence(_ isSilent: Bool) {
        let broken = state.withLock { state in
            state.isSilent = isSilent
            guard !isSilent else { return [any Channel]() }
            defer { state.channels = [] }
            return state.channels
        }
        for channel in broken { channel.close(promise: nil) }
    }
}

/// One direction of a connection.
private final class Passage: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    private let other: any Channel
    private let passages: Passages

    init(to other: any Channel, _ passages: Passages) {
        self.other = other
        self.passages = passages
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !passages.isSilent { other.writeAndFlush(unwrapInboundIn(data), promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        // Of an end nothing is heard either.
        if !passages.isSilent { other.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
