import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// The connection ended before the body did. Without this error a body that was cut off would look like a whole one.
struct BodyBroken: Error {}

/// Closes connections that are too slow, answers heads that are too large or no HTTP, tells a waiting client to go on with its
/// body (100), and closes where the answer says so.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private var watch: ConnectionWatch
    private var timer: Scheduled<Void>?
    private var timerAt: NIODeadline?
    private var openRequests = 0
    private var trailers = KeptTrailers()
    private var isAnswering = false
    private var closesAfterAnswer = false
    private var isRefused = false
    /// Whether the head that is arriving has come beyond its first line.
    private var hasLine = false
    /// Whether it began like a method, and not like another protocol.
    private var beganWithLetter: Bool?
    /// Of this handler, for what the handler of the raw bytes tells.
    private var context: ChannelHandlerContext?

    private let random: @Sendable (Int) -> [UInt8]
    private let buffers: ReceiveBuffers
    /// Whether a body is being received that counts among those of `buffers`.
    private var receivesBody = false

    init(
        _ limits: ServerLimits, buffers: ReceiveBuffers = ReceiveBuffers(), random: @escaping @Sendable (Int) -> [UInt8]
    ) {
        watch = ConnectionWatch(limits: limits)
        self.buffers = buffers
        self.random = random
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let raw = RawBytesWatch { [weak self] in self?.bytesArrived($0) }
        do {
            try context.pipeline.syncOperations.addHandler(raw, position: .first)
            // One read at a time, of whatever length is good, and its buffer used again.
            try context.channel.syncOptions?.setOption(.maxMessagesPerRead, value: 1)
            try context.channel.syncOptions?.setOption(.recvAllocator, value: buffers.allocator)
        } catch {
            context.close(promise: nil)
        }
        if context.channel.isActive { opened(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        bodyEnds()
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        opened(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        bodyEnds()
        if watch.isReadingBody { context.fireErrorCaught(BodyBroken()) }
        context.fireChannelInactive()
    }

    private func opened(_ context: ChannelHandlerContext) {
        watch.opened(now: .now())
        arm(context)
    }

    private func bytesArrived(_ bytes: ByteBuffer) {
        guard openRequests == 0, let context else { return }
        if !hasLine { hasLine = bytes.readableBytesView.contains(UInt8(ascii: "\n")) }
        if beganWithLetter == nil, let first = bytes.readableBytesView.first {
            beganWithLetter = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(first & 0xDF)
        }
        watch.bytesArrived(now: .now(), isBetweenRequests: true)
        arm(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isRefused else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            openRequests += 1
            trailers.begin()
            hasLine = false
            beganWithLetter = nil
            watch.headArrived()
            if head.headerFields[.expect]?.lowercased() == "100-continue", openRequests == 1, !isAnswering {
                context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            }
        case .body(let buffer):
            watch.bodyArrived(buffer.readableBytes, now: .now())
            if !receivesBody {
                receivesBody = true
                buffers.bodyBegins()
            }
        case .end(let fields):
            bodyEnds()
            trailers.end(fields)
            watch.endArrived()
        }
        context.fireChannelRead(data)
    }

    private func bodyEnds() {
        guard receivesBody else { return }
        receivesBody = false
        buffers.bodyEnds()
    }

    func read(context: ChannelHandlerContext) {
        watch.asked(now: .now())
        arm(context)
        context.read()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        watch.writable(context.channel.isWritable, now: .now())
        arm(context)
        context.fireChannelWritabilityChanged()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // The routes may still try to answer what was refused.
        guard !isRefused else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapOutboundIn(data) {
        case .head(let head) where head.status.kind != .informational:
            isAnswering = true
            closesAfterAnswer = head.headerFields[.connection]?.lowercased() == "close"
            context.write(data, promise: promise)
        case .end:
            isAnswering = false
            openRequests = max(0, openRequests - 1)
            trailers.answered()
            watch.answered(now: .now())
            if closesAfterAnswer {
                context.writeAndFlush(data, promise: promise)
                context.close(promise: nil)
            } else {
                context.write(data, promise: promise)
                arm(context)
            }
        default: context.write(data, promise: promise)
        }
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard let wanted = event as? TrailersWanted else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        wanted.answer.give(trailers.current)
        promise?.succeed(())
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !isRefused else { return }
        if let parserError = error as? HTTPParserError, openRequests == 0, !isAnswering {
            refuse(context, problem(of: parserError))
        } else {
            context.fireErrorCaught(error)
        }
    }

    /// What is wrong with a head that could not be read.
    private func problem(of error: HTTPParserError) -> Problem {
        switch error {
        case .headerOverflow where !hasLine:
            Problem(.targetTooLong, "at most \(ProblemMiddleware.targetBytesMax) bytes are taken")
        case .headerOverflow:
            Problem(
                .headersTooLarge, "at most \(watch.limits.headerFields) fields and \(watch.limits.headerBytes) bytes are taken")
        case .invalidMethod where beganWithLetter == true:
            Problem(.unknownMethod, "known here: " + MethodTable.all).header(.allow, MethodTable.all)
        default: Problem(.invalid, "this is no HTTP/1.1, or its framing is not valid")
        }
    }

    /// Answers for the routes, which will not see the request any more, and closes: first the own side, so that the client gets
    /// to read the answer while it may still be sending.
    private func refuse(_ context: ChannelHandlerContext, _ problem: Problem) {
        guard !isAnswering else {
            context.close(promise: nil)
            return
        }
        isAnswering = true
        isRefused = true
        if watch.isReadingBody { context.fireErrorCaught(BodyBroken()) }
        // No request has come out of it that could have an id.
        let id = Base64URL.encode(random(12))
        let body = ByteBuffer(bytes: problem.json(instance: "", requestID: id).utf8)
        var fields = problem.headers
        fields[.requestID] = id
        fields[.contentType] = "application/problem+json"
        fields[.contentLength] = "\(body.readableBytes)"
        fields[.connection] = "close"
        let head = HTTPResponse(status: problem.status, headerFields: fields)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(body)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.close(mode: .output, promise: nil)
        timer?.cancel()
        timer = context.eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: .seconds(1)) { context.close(promise: nil) }
    }

    /// Sets the timer to when something can be late next.
    private func arm(_ context: ChannelHandlerContext) {
        guard !isRefused else { return }
        guard context.channel.isActive else { return }
        guard case .fine(let deadline) = watch.verdict(now: .now()) else {
            look(context)
            return
        }
        guard let next = deadline else { return }
        if let timerAt, timer != nil, timerAt <= next { return }
        timer?.cancel()
        timerAt = next
        timer = context.eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(deadline: next) { [weak self] in
            self?.timer = nil
            self?.look(context)
        }
    }

    private func look(_ context: ChannelHandlerContext) {
        guard context.channel.isActive, !isRefused else { return }
        switch watch.verdict(now: .now()) {
        case .fine(let next): if next != nil { arm(context) }
        case .lateRequest: refuse(context, Problem(.timeout, "the request came too slowly"))
        case .close: context.close(promise: nil)
        }
    }
}

/// Sees the bytes of a connection before they are read as HTTP.
private final class RawBytesWatch: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    private let arrived: (ByteBuffer) -> Void

    init(_ arrived: @escaping (ByteBuffer) -> Void) { self.arrived = arrived }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        arrived(unwrapInboundIn(data))
        context.fireChannelRead(data)
    }
}
