import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// The pipeline of one connection. It is Hummingbird's for HTTP/1.1, but for how much of a body may wait to be taken: ten buffers
/// there, which a thousand connections don't have the memory for.
struct ConnectionChannel: HTTPChannelHandler {
    /// So many buffers may wait, then the connection is not read any further.
    static let waitingMax = 4

    let limits: ServerLimits
    let responder: Responder
    let handlers: @Sendable () -> [any RemovableChannelHandler]

    init(
        limits: ServerLimits, responder: @escaping Responder, handlers: @escaping @Sendable () -> [any RemovableChannelHandler]
    ) {
        self.limits = limits
        self.responder = responder
        self.handlers = handlers
    }

    func setup(
        channel: any Channel, logger: Logger
    ) -> EventLoopFuture<NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>> {
        channel.eventLoop.makeCompletedFuture {
            var decoding = NIOHTTPDecoderLimitConfiguration()
            decoding.maxHeaderFieldSize = limits.headerBytes
            decoding.maxHeaderListSize = limits.headerBytes
            decoding.maxHeaderFieldCount = limits.headerFields
            let pipeline = channel.pipeline.syncOperations
            try pipeline.configureHTTPServerPipeline(
                // One request at a time is taken from the channel, and HTTPFields are valid.
                withPipeliningAssistance: false, withErrorHandling: false, withOutboundHeaderValidation: false,
                withEncoderConfiguration: .init(), withDecoderLimitConfiguration: decoding)
            try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
            try pipeline.addHandlers(handlers())
            try pipeline.addHandler(
                HTTPConnectionStateHandler(idleTimeout: .nanoseconds(limits.idle.nanoseconds), logger: logger))
            return try NIOAsyncChannel(
                wrappingChannelSynchronously: channel,
                configuration: .init(
                    backPressureStrategy: .init(lowWatermark: 2, highWatermark: Self.waitingMax),
                    isOutboundHalfClosureEnabled: true))
        }
    }

    func handle(value: NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>, logger: Logger) async {
        await handleHTTP(asyncChannel: value, logger: logger)
    }
}
