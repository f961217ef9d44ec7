import NIOCore
import NIOPosix

/// A WebSocket client that can also say what no client may.
public struct TestSocket: Sendable {
    public struct Message: Sendable, Equatable {
        public var opcode: UInt8
        public var bytes: [UInt8]

        public init(opcode: UInt8, bytes: [UInt8]) {
            self.opcode = opcode
            self.bytes = bytes
        }

        public var text: String? { opcode == 1 ? String(decoding: bytes, as: UTF8.self) : nil }
        /// Of a close frame; 1005 if it has none.
        public var closeCode: Int? {
            guard opcode == 8 else { return nil }
            return bytes.count >= 2 ? Int(bytes[0]) << 8 | Int(bytes[1]) : 1005
        }
        public var closeReason: String { String(decoding: bytes.dropFirst(2), as: UTF8.self) }
    }

    /// The server did not switch.
    public struct Refused: Error, CustomStringConvertible {
        /// All that it said.
        public var description: String
        public var status: Int { Int(description.dropFirst("HTTP/1.1 ".count).prefix(3)) ?? 0 }
    }

    public struct Broken: Error {}

    private final class Listener: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let heard: AsyncStream<[UInt8]>.Continuation

        init(_ heard: AsyncStream<[UInt8]>.Continuation) { self.heard = heard }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            heard.yield(Array(unwrapInboundIn(data).readableBytesView))
        }

        func channelInactive(context: ChannelHandlerContext) { heard.finish() }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    public static let key = "dGhlIHNhbXBsZSBub25jZQ=="
    private let channel: any Channel
    private let stream: AsyncStream<[UInt8]>
    private var buffer: [UInt8] = []
    /// The server's side of the handshake.
    public private(set) var head = ""

    /// Opens a WebSocket.
    /// - Throws: `Refused` if the server does not switch.
    public static func open(
        _ port: Int, _ target: String = "/ws", headers: [(name: String, value: String)] = []
    ) async throws -> TestSocket {
        let (stream, heard) = AsyncStream<[UInt8]>.makeStream()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(20))
            .channelInitializer { $0.pipeline.addHandler(Listener(heard)) }
            .connect(host: "127.0.0.1", port: port).get()
        var socket = TestSocket(channel: channel, stream: stream)
        var text = "GET \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        text += "Sec-WebSocket-Key: \(key)\r\nSec-WebSocket-Version: 13\r\n"
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        try await socket.send(raw: Array((text + "\r\n").utf8))
        try await socket.readHead()
        return socket
    }

    private init(channel: any Channel, stream: AsyncStream<[UInt8]>) {
        self.channel = channel
        self.stream = stream
    }

    private mutating func readHead() async throws {
        for await bytes in stream {
            buffer += bytes
            let text = String(decoding: buffer, as: UTF8.self)
            guard text.hasPrefix("HTTP/1.1 101 ") || text.count < 13 else { continue }
            guard let end = text.firstRange(of: "\r\n\r\n") else { continue }
            head = String(text[..<end.lowerBound])
            buffer.removeFirst(text[..<end.upperBound].utf8.count)
            return
        }
        throw Refused(description: String(decoding: buffer, as: UTF8.self))
    }

    // MARK: Saying

    public func send(raw bytes: [UInt8]) async throws { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)) }

    /// The server may have gone by then.
    public func say(_ bytes: [UInt8]) async {
        do {
            try await send(raw: bytes)
        } catch {}
    }

    public func send(_ text: String) async throws { try await send(raw: Self.frame(1, Array(text.utf8))) }

    /// A frame as a client sends it, or as none may.
    public static func frame(
        _ opcode: UInt8, _ payload: [UInt8] = [], isFinal: Bool = true, isMasked: Bool = true, reserved: UInt8 = 0,
        lengthBytes: Int? = nil
    ) -> [UInt8] {
        var bytes: [UInt8] = [(isFinal ? 0x80 : 0) | reserved | opcode]
        let count = payload.count
        let mask: UInt8 = isMasked ? 0x80 : 0
        switch lengthBytes ?? (count < 126 ? 0 : count < 65_536 ? 2 : 8) {
        case 0: bytes.append(mask | UInt8(count))
        case 2: bytes += [mask | 126, UInt8(count >> 8), UInt8(count & 0xFF)]
        default: bytes += [mask | 127] + (0..<8).map { UInt8(truncatingIfNeeded: count >> (56 - 8 * $0)) }
        }
        guard isMasked else { return bytes + payload }
        let key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
        return bytes + key + payload.enumerated().map { $1 ^ key[$0 & 3] }
    }

    public static func close(_ code: Int, _ reason: String = "") -> [UInt8] {
        frame(8, [UInt8(code >> 8), UInt8(code & 0xFF)] + Array(reason.utf8))
    }

    // MARK: Hearing

    /// What the server says next, pings as well; nil once it has closed the connection.
    public mutating func next() async throws -> Message? {
        if let message = try take() { return message }
        for await bytes in stream {
            buffer += bytes
            if let message = try take() { return message }
        }
        guard buffer.isEmpty else { throw Broken() }
        return nil
    }

    /// The next text. Pings that come before it are answered.
    public mutating func text() async throws -> String? {
        while let message = try await next() {
            if message.opcode == 9 { try await send(raw: Self.frame(0xA, message.bytes)) }
            if let text = message.text { return text }
            if message.opcode == 8 { return nil }
        }
        return nil
    }

    /// Hears to the end; a close is answered, and the own side shut.
    /// - Returns: the close, if the server has sent one.
    public mutating func rest() async throws -> Message? {
        var close: Message?
        while let message = try await next() {
            guard message.opcode == 8, close == nil else { continue }
            close = message
            do {
                try await send(raw: Self.frame(8, Array(message.bytes.prefix(2))))
                try await channel.close(mode: .output)
            } catch {
                // The server may have been quicker.
            }
        }
        return close
    }

    private mutating func take() throws -> Message? {
        guard buffer.count >= 2 else { return nil }
        // A server's frames are whole messages here, and not masked.
        guard buffer[0] & 0xF0 == 0x80, buffer[1] & 0x80 == 0 else { throw Broken() }
        var (length, start) = (Int(buffer[1]), 2)
        if length >= 126 {
            let more = length == 126 ? 2 : 8
            guard buffer.count >= 2 + more else { return nil }
            length = buffer[2..<2 + more].reduce(0) { $0 << 8 | Int($1) }
            start = 2 + more
        }
        guard buffer.count >= start + length else { return nil }
        let message = Message(opcode: buffer[0] & 0xF, bytes: Array(buffer[start..<start + length]))
        buffer.removeFirst(start + length)
        return message
    }

    /// Reads no more from the connection, so that the server's bytes pile up.
    public func stopReading() async throws {
        try await channel.setOption(.autoRead, value: false).get()
    }

    public func goOnReading() async throws {
        try await channel.setOption(.autoRead, value: true).get()
        channel.read()
    }

    /// Goes without a word.
    public func breakOff() async throws {
        do {
            try await channel.close()
        } catch ChannelError.alreadyClosed {}
    }
}
