import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// Lets a route leave HTTP: where it answers 101 to a request that asked for it, the connection carries bytes from then on. What
/// the client sends is the body of the request, and what the route writes goes out as it is.
///
/// The request's end is held back until it is known that it is none. The parser reads no further request behind one that asked to
/// switch, so every other answer to it closes the connection.
final class ProtocolSwitch: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private var asksToSwitch = false
    private var maySwitch = false
    private var heldEnd: NIOAny?

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            let fields = head.headerFields
            asksToSwitch = fields.contains(.upgrade)
            maySwitch =
                asksToSwitch && head.method == .get && !fields.contains(.transferEncoding)
                && (fields[.contentLength] ?? "0") == "0"
        case .end where maySwitch:
            heldEnd = data
            return
        default: break
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard asksToSwitch, case .head(var head) = unwrapOutboundIn(data) else {
            context.write(data, promise: promise)
            return
        }
        if head.status == .switchingProtocols {
            guard maySwitch else {
                promise?.fail(ChannelError.operationUnsupported)
                context.close(promise: nil)
                return
            }
            switchOver(context, head, promise)
        } else if head.status.kind == .informational {
            context.write(data, promise: promise)
        } else {
            head.headerFields[.connection] = "close"
            context.write(wrapOutboundOut(.head(head)), promise: promise)
            maySwitch = false
            if let heldEnd {
                self.heldEnd = nil
                context.fireChannelRead(heldEnd)
                context.fireChannelReadComplete()
            }
        }
    }

    private func switchOver(_ context: ChannelHandlerContext, _ head: HTTPResponse, _ promise: EventLoopPromise<Void>?) {
        var text = "HTTP/1.1 101 Switching Protocols\r\n"
        for field in head.headerFields { text += "\(field.name): \(field.value)\r\n" }
        let pipeline = context.pipeline.syncOperations
        do {
            // In front of the encoder, which would frame what follows.
            let encoder = try pipeline.context(handlerType: HTTPResponseEncoder.self)
            try pipeline.addHandler(PlainBytes(), position: .before(self))
            encoder.writeAndFlush(NIOAny(ByteBuffer(string: text + "\r\n")), promise: promise)
            let others = [
                encoder, try pipeline.context(handlerType: ByteToMessageHandler<HTTPRequestDecoder>.self),
                try pipeline.context(handlerType: HTTP1ToHTTPServerCodec.self),
                try pipeline.context(handlerType: ConnectionGuard.self),
                try pipeline.context(handlerType: HTTPConnectionStateHandler.self), context,
            ]
            for other in others { pipeline.removeHandler(context: other, promise: nil) }
        } catch {
            promise?.fail(error)
            context.close(promise: nil)
        }
    }
}

/// Bytes, in the words of HTTP that the application's side of the connection knows.
private final class PlainBytes: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = ByteBuffer

    /// How long the last bytes may take, and the peer to close its side as well.
    private static let closeTime = TimeAmount.seconds(5)

    private var isInputOver = false
    private var isOutputOver = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.fireChannelRead(wrapInboundOut(.body(unwrapInboundIn(data))))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent {
            isInputOver = true
            if isOutputOver { context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head: promise?.fail(ChannelError.operationUnsupported)
        case .body(let bytes): context.write(wrapOutboundOut(bytes), promise: promise)
        case .end:
            end(context)
            promise?.succeed()
        }
    }

    /// Closes the own side. The other one is read to its end: a peer whose bytes are not read may lose what it has not read yet
    /// (RFC 6455, section 7.1.1).
    private func end(_ context: ChannelHandlerContext) {
        let channel = context.channel
        let late = context.eventLoop.scheduleTask(in: Self.closeTime) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in late.cancel() }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { [self] _ in
            isOutputOver = true
            if isInputOver { channel.close(promise: nil) } else { channel.close(mode: .output, promise: nil) }
        }
    }
}
