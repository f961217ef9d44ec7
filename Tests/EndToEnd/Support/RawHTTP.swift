import NIOCore
import NIOPosix
import Testing

/// HTTP/1.1 written by hand, a connection for each request, so that a test says every byte and sees every byte.
enum RawHTTP {
    /// How long an answer may take. Far more than it ever needs.
    static let patience = Duration.seconds(180)

    struct Request: Sendable {
        var method = "GET"
        /// As it goes out, with its query.
        var target: String
        var headers: [(name: String, value: String)] = []
        var body: [UInt8]?
        /// Sends the body in chunks of this size, without a length.
        var chunkBytes: Int?

        var head: [UInt8] {
            var text = "\(method) \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            for (name, value) in headers { text += "\(name): \(value)\r\n" }
            if chunkBytes != nil {
                text += "Transfer-Encoding: chunked\r\n"
            } else if let body {
                text += "Content-Length: \(body.count)\r\n"
            }
            return Array((text + "\r\n").utf8)
        }
    }

    static func send(_ request: Request, port: Int, sourceLocation: SourceLocation) async throws -> RawResponse {
        var pieces = [request.head]
        if let body = request.body {
            if let size = request.chunkBytes {
                for start in stride(from: 0, to: body.count, by: size) {
                    let chunk = body[start..<min(start + size, body.count)]
                    pieces.append(Array("\(String(chunk.count, radix: 16))\r\n".utf8) + chunk + [13, 10])
                }
                pieces.append(Array("0\r\n\r\n".utf8))
            } else {
                pieces.append(body)
            }
        }
        let response = try await exchange(pieces, port: port, isHead: request.method == "HEAD")
        response.checkProblem(
            "\(request.method) \(request.target)", hasBody: request.method != "HEAD", sourceLocation: sourceLocation)
        return response
    }

    /// Sends bytes as they are and reads one answer.
    static func exchange(_ pieces: [[UInt8]], port: Int, isHead: Bool = false) async throws -> RawResponse {
        try await within(patience, "an answer") {
            try await connection(port, sending: pieces).executeThenClose { inbound, _ in
                var reader = RawResponseReader(isHead: isHead)
                do {
                    for try await bytes in inbound {
                        _ = try reader.push(bytes.readableBytesView)
                        if reader.isComplete { return reader.response }
                    }
                } catch let error as IOError {
                    guard reader.isComplete else { throw error }
                }
                try reader.end()
                return reader.response
            }
        }
    }

    typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    static func connection(_ port: Int, sending pieces: [[UInt8]]) async throws -> Connection {
        try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup).connectTimeout(.seconds(20))
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(OpeningBytes(pieces))
                    return try Connection(wrappingChannelSynchronously: channel)
                }
            }
    }
}

/// Sends all that is to be sent as soon as the connection is there, however busy the tests are: a server need not wait for long.
private final class OpeningBytes: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let pieces: [[UInt8]]

    init(_ pieces: [[UInt8]]) {
        self.pieces = pieces
    }

    func channelActive(context: ChannelHandlerContext) {
        // A server that refuses early need not read all, so a write may fail.
        for piece in pieces { context.write(wrapOutboundOut(ByteBuffer(bytes: piece)), promise: nil) }
        context.flush()
        context.fireChannelActive()
    }
}

/// Fails what takes longer than anybody would wait.
func within<T: Sendable>(_ limit: Duration, _ what: String, _ body: @escaping @Sendable () async throws -> T) async throws -> T {
    try await withThrowingTaskGroup(of: T.self) { group in
        group.addTask(operation: body)
        group.addTask {
            try await Task.sleep(for: limit)
            throw E2EError("\(what) took longer than \(limit)")
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw E2EError("nothing ran") }
        return first
    }
}

/// Asks again and again, as there is no signal from another process, until there is an answer.
func poll<T: Sendable>(
    _ what: String, every pause: Duration = .milliseconds(20), atMost limit: Duration = .seconds(240),
    _ body: @escaping @Sendable () async throws -> T?
) async throws -> T {
    try await within(limit, what) {
        while true {
            if let value = try await body() { return value }
            try await Task.sleep(for: pause)
        }
    }
}
