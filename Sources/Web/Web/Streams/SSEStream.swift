import HTTPTypes
import Hummingbird
import NIOCore
import ServiceLifecycle
import WaybillEngine

/// Answers with Server-Sent Events: heartbeats while there is nothing to tell, an end when the events end, the client is gone,
/// its credentials have ended or the server goes down.
public struct SSEStream: Sendable {
    public struct Configuration: Sendable {
        /// How long there may be silence.
        public var heartbeat: Duration
        /// A client comes back after a time between this and twice this.
        public var retry: Duration
        /// How often is looked whether the one who listens may still do so.
        public var recheck: Duration

        public init(
            heartbeat: Duration = .seconds(15), retry: Duration = .seconds(2), recheck: Duration = .seconds(2)
        ) {
            self.heartbeat = heartbeat
            self.recheck = recheck
            self.retry = retry
        }
    }

    private enum Item: Sendable {
        case frame(SSEFrame)
        case heartbeat
    }

    private let configuration: Configuration
    private let time: any TimeSource

    public init(time: any TimeSource, _ configuration: Configuration = .init()) {
        self.time = time
        self.configuration = configuration
    }

    /// The number after which a client wants to go on, from `Last-Event-ID`; nil if it has none.
    /// - Throws: a 400 problem for anything but a number of at most 64 bytes.
    public static func lastEventID(_ request: Request) throws -> Int64? {
        let values = request.headers[values: .lastEventID]
        guard let text = values.first, !(values.count == 1 && text.isEmpty) else { return nil }
        guard values.count == 1, text.utf8.count <= 64, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int64(text)
        else {
            throw Problem.invalid("Last-Event-ID", "must be the number of an event")
        }
        return number
    }

    /// The answer.
    /// - Parameters:
    ///   - access: whether the one who listens may still do so.
    ///   - place: the stream's place, held until its end.
    ///   - jitter: from 0 to 255, spreads the clients that come back.
    ///   - frames: is asked for the next event only once the one before is written.
    public func response<Frames: AsyncSequence & Sendable>(
        _ request: Request, _ context: WebContext, access: StreamAccess, place: StreamPlace, jitter: UInt8, frames: Frames
    ) -> Response where Frames.Element == SSEFrame {
        let headers: HTTPFields = [
            .contentType: "text/event-stream", .cacheControl: "no-cache, no-store", .accelBuffering: "no",
        ]
        let millis = Int(configuration.retry / .milliseconds(1))
        let retry = "retry: \(millis + millis * Int(jitter) / 255)\n\n"
        context.record.markStream()
        let body = ResponseBody { writer in
            defer { place.release() }
            try await writer.write(ByteBuffer(string: retry))
            try await request.body.consumeWithInboundCloseHandlerEnding { ended in
                try await write(frames, access, until: ended, to: &writer)
            }
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: headers, body: body)
    }

    /// Several tasks feed one stream of items: the events, one at a time as they are taken; the heartbeats; and whatever ends
    /// it all.
    private func write<Frames: AsyncSequence & Sendable>(
        _ frames: Frames, _ access: StreamAccess, until ended: AsyncStream<Void>, to writer: inout any ResponseBodyWriter
    ) async throws where Frames.Element == SSEFrame {
        let (items, feed) = AsyncThrowingStream<Item, any Error>.makeStream()
        let (credits, credit) = AsyncStream<Void>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    var asked = credits.makeAsyncIterator()
                    var events = frames.makeAsyncIterator()
                    while await asked.next() != nil, let frame = try await events.next() { feed.yield(.frame(frame)) }
                    feed.finish()
                } catch {
                    feed.finish(throwing: error)
                }
            }
            group.addTask { [time, configuration] in
                while !Task.isCancelled {
                    try await time.sleep(until: time.now().advanced(by: configuration.heartbeat))
                    feed.yield(.heartbeat)
                }
            }
            group.addTask {
                for await _ in ended {}
                feed.finish()
            }
            group.addTask { [time, configuration] in
                try await access.end(time, every: configuration.recheck)
                feed.finish()
            }
            group.addTask {
                try await gracefulShutdown()
                feed.finish()
            }
            defer { group.cancelAll() }
            credit.yield()
            for try await item in items {
                switch item {
                case .heartbeat: try await writer.write(ByteBuffer(string: ": \n\n"))
                case .frame(let frame):
                    try await writer.write(ByteBuffer(string: frame.text))
                    credit.yield()
                }
            }
        }
    }
}

extension RequestBody {
    /// Runs `operation` with a stream that ends when the client has closed its side.
    fileprivate func consumeWithInboundCloseHandlerEnding(
        _ operation: (AsyncStream<Void>) async throws -> Void
    ) async throws {
        let (ended, signal) = AsyncStream<Void>.makeStream()
        try await consumeWithInboundCloseHandler { body in
            // A stream that is over before the end of its request has been read would trap in the library.
            for try await _ in body {}
            try await operation(ended)
        } onInboundClosed: {
            signal.finish()
        }
    }
}
