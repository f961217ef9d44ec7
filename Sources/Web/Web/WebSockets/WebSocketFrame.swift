/// What goes out over a WebSocket (RFC 6455): one frame a message, and none masked, as a server's are.
enum WebSocketFrame {
    static let controlBytesMax = 125

    static func text(_ utf8: some Collection<UInt8>) -> [UInt8] { frame(0x1, utf8) }
    static func binary(_ bytes: [UInt8]) -> [UInt8] { frame(0x2, bytes) }
    static func ping(_ bytes: [UInt8] = []) -> [UInt8] { frame(0x9, bytes.prefix(controlBytesMax)) }
    static func pong(_ bytes: [UInt8]) -> [UInt8] { frame(0xA, bytes.prefix(controlBytesMax)) }

    static func close(_ close: WebSocketClose) -> [UInt8] {
        guard close.code != WebSocketClose.none else { return frame(0x8, []) }
        var reason = close.reason
        while reason.utf8.count > controlBytesMax - 2 { reason.removeLast() }
        return frame(0x8, [UInt8(close.code >> 8), UInt8(close.code & 0xFF)] + reason.utf8)
    }

    private static func frame(_ opcode: UInt8, _ payload: some Collection<UInt8>) -> [UInt8] {
        let count = payload.count
        var bytes: [UInt8] = [0x80 | opcode]
        bytes.reserveCapacity(count + 10)
        switch count {
        case ...125: bytes.append(UInt8(count))
        case ...0xFFFF: bytes += [126, UInt8(count >> 8), UInt8(count & 0xFF)]
        default: bytes += [127] + (0..<8).map { UInt8(truncatingIfNeeded: count >> (56 - 8 * $0)) }
        }
        bytes.append(contentsOf: payload)
        return bytes
    }
}

/// Why a WebSocket ends.
public struct WebSocketClose: Error, Sendable, Hashable {
    /// Of RFC 6455, section 7.4, or 4000 to 4999 of one's own.
    public var code: UInt16
    /// For people; at most 123 bytes of it are sent.
    public var reason: String

    public init(_ code: UInt16, _ reason: String = "") {
        self.code = code
        self.reason = reason
    }

    /// Stands for a close frame that says nothing; it is never sent.
    static let none: UInt16 = 1005

    static func violation(_ reason: String) -> WebSocketClose { WebSocketClose(1002, reason) }
    static let notText = WebSocketClose(1007, "the text is not UTF-8")
    static let tooLarge = WebSocketClose(1009, "the message is too large")

    /// Whether a peer may send the code.
    static func isSendable(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}
