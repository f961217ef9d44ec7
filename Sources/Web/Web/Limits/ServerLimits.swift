import Hummingbird
import HummingbirdCore
import Logging
import NIOCore

/// What one connection, and all of them together, may take.
public struct ServerLimits: Sendable {
    /// All header fields of a request together, and each of them.
    public var headerBytes = 16 * 1024
    public var headerFields = 100
    /// How long a connection may lie idle between requests.
    public var idle = TimeAmount.seconds(60)
    /// From a request's first byte to the end of its head.
    public var headTime = TimeAmount.seconds(30)
    /// How long a body may not move while it is waited for.
    public var bodyStall = TimeAmount.seconds(20)
    /// What a body must bring a second, averaged over the time in which it was waited for.
    public var bodyBytesPerSecondMin = 100
    /// How long a client may not take anything of its answer.
    public var writeStall = TimeAmount.seconds(60)
    /// How long a client may go on sending a body that was answered already.
    public var drainTime = TimeAmount.seconds(5)
    /// Open connections; further ones wait in the system's queue.
    public var connections = 4096

    public init() {}

    /// The server that keeps these limits, for `Application`.
    /// - Parameters:
    ///   - random: makes that many random bytes, for the ids of refusals.
    ///   - handlers: further channel handlers, behind the limits.
    public func server(
        random: @escaping @Sendable (Int) -> [UInt8],
        _ handlers: @escaping @Sendable () -> [any RemovableChannelHandler] = { [] }
    ) -> HTTPServerBuilder {
        let buffers = ReceiveBuffers()
        return HTTPServerBuilder { [self] responder in
            ConnectionChannel(limits: self, responder: responder) {
                [ConnectionGuard(self, buffers: buffers, random: random), ProtocolSwitch()] + handlers()
            }
        }
    }

    /// The application's configuration that goes with them.
    public func application(address: BindAddress) -> ApplicationConfiguration {
        ApplicationConfiguration(
            address: address, backlog: 1024, availableConnectionsDelegate: MaximumAvailableConnections(connections))
    }
}
