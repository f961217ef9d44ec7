import Formats

/// Reads what a client sends over a WebSocket (RFC 6455): frames become messages. Whatever breaks the protocol is told with the
/// code of the close that is due; nothing may be pushed after that.
struct WebSocketParser {
    enum Event: Equatable {
        case text(String)
        case binary([UInt8])
        case ping([UInt8])
        case pong([UInt8])
        /// `code` is `WebSocketClose.none` where the peer said none.
        case close(WebSocketClose)
    }

    private struct Head {
        var isFinal: Bool
        var opcode: UInt8
        var length: Int
        var mask: (UInt8, UInt8, UInt8, UInt8)
        /// Of the head itself.
        var count: Int
        var isControl: Bool { opcode & 0x8 != 0 }
    }

    private let messageBytesMax: Int
    /// What has come and is no whole frame yet. Never longer than a frame's head and the largest message.
    private var buffer: [UInt8] = []
    /// The frames of a message that is not over yet.
    private var message: [UInt8] = []
    /// So many bytes of them are known to be whole characters, if it is a text.
    private var checkedCount = 0
    /// Of that message; nil if there is none.
    private var opcode: UInt8?
    private var isClosed = false

    init(messageBytesMax: Int) {
        self.messageBytesMax = messageBytesMax
    }

    /// - Throws: `WebSocketClose`.
    mutating func push(_ bytes: some Collection<UInt8>) throws(WebSocketClose) -> [Event] {
        var events: [Event] = []
        var rest = bytes[...]
        // In pieces: what is not allowed is seen before more of it is kept.
        while !rest.isEmpty {
            let piece = rest.prefix(4096)
            rest = rest.dropFirst(piece.count)
            buffer.append(contentsOf: piece)
            try take(&events)
        }
        return events
    }

    private mutating func take(_ events: inout [Event]) throws(WebSocketClose) {
        var at = 0
        while !isClosed, let head = try head(at: at), buffer.count - at >= head.count + head.length {
            let start = at + head.count
            var payload = Array(buffer[start..<start + head.length])
            WebSocketParser.unmask(&payload, head.mask)
            at = start + head.length
            if let event = head.isControl ? try control(head, payload) : try data(head, payload) { events.append(event) }
        }
        // Nothing counts behind a close.
        if isClosed { buffer = [] } else { buffer.removeFirst(at) }
    }

    /// - Returns: nil as long as it is not whole.
    private func head(at start: Int) throws(WebSocketClose) -> Head? {
        guard buffer.count - start >= 2 else { return nil }
        let (first, second) = (buffer[start], buffer[start + 1])
        let (isFinal, code) = (first & 0x80 != 0, first & 0x0F)
        guard first & 0x70 == 0 else { throw .violation("a reserved bit is set") }
        guard [0x0, 0x1, 0x2, 0x8, 0x9, 0xA].contains(code) else { throw .violation("the opcode is reserved") }
        guard second & 0x80 != 0 else { throw .violation("a client's frames must be masked") }
        let short = Int(second & 0x7F)
        if code & 0x8 != 0 {
            guard isFinal else { throw .violation("a control frame must not be fragmented") }
            guard short <= WebSocketFrame.controlBytesMax else { throw .violation("a control frame must have at most 125 bytes") }
        } else if code == 0 {
            guard opcode != nil else { throw .violation("there is no message to continue") }
        } else {
            guard opcode == nil else { throw .violation("the message before is not over") }
        }
        let more = short == 126 ? 2 : short == 127 ? 8 : 0
        guard buffer.count - start >= 2 + more else { return nil }
        var length = UInt64(short)
        if more > 0 { length = buffer[start + 2..<start + 2 + more].reduce(0) { $0 << 8 | UInt64($1) } }
        guard more == 0 || length > (more == 2 ? 125 : 0xFFFF), length <= UInt64(Int64.max) else {
            throw .violation("the length is not written in its shortest form")
        }
        if code & 0x8 == 0, length > UInt64(messageBytesMax - message.count) { throw .tooLarge }
        let count = 2 + more + 4
        guard buffer.count - start >= count else { return nil }
        let mask = start + 2 + more
        return Head(
            isFinal: isFinal, opcode: code, length: Int(length),
            mask: (buffer[mask], buffer[mask + 1], buffer[mask + 2], buffer[mask + 3]), count: count)
    }

    private static func unmask(_ bytes: inout [UInt8], _ mask: (UInt8, UInt8, UInt8, UInt8)) {
        let mask = [mask.0, mask.1, mask.2, mask.3]
        for index in bytes.indices { bytes[index] ^= mask[index & 3] }
    }

    private mutating func data(_ head: Head, _ payload: [UInt8]) throws(WebSocketClose) -> Event? {
        let kind = opcode ?? head.opcode
        message += payload
        if kind == 0x1 {
            let unchecked = message[checkedCount...]
            guard let count = WebSocketParser.textBytes(unchecked, isWhole: head.isFinal) else { throw .notText }
            checkedCount += count
        }
        guard head.isFinal else {
            opcode = kind
            return nil
        }
        defer { (message, opcode, checkedCount) = ([], nil, 0) }
        return kind == 0x1 ? .text(String(decoding: message, as: UTF8.self)) : .binary(message)
    }

    private mutating func control(_ head: Head, _ payload: [UInt8]) throws(WebSocketClose) -> Event? {
        switch head.opcode {
        case 0x9: return .ping(payload)
        case 0xA: return .pong(payload)
        default:
            isClosed = true
            guard !payload.isEmpty else { return .close(WebSocketClose(WebSocketClose.none)) }
            guard payload.count >= 2 else { throw .violation("a close has no code") }
            let code = UInt16(payload[0]) << 8 | UInt16(payload[1])
            guard WebSocketClose.isSendable(code) else { throw .violation("the close has a code that is none") }
            let reason = payload[2...]
            guard WebSocketParser.textBytes(reason, isWhole: true) != nil else { throw .notText }
            return .close(WebSocketClose(code, String(decoding: reason, as: UTF8.self)))
        }
    }

    /// - Parameter isWhole: else the last character may be missing in part.
    /// - Returns: how many of the bytes are whole characters of UTF-8; nil if the others are no part of one.
    private static func textBytes(_ bytes: ArraySlice<UInt8>, isWhole: Bool) -> Int? {
        func isValid(_ bytes: ArraySlice<UInt8>) -> Bool { bytes.withUnsafeBufferPointer { UTF8Check.isValid($0) } }
        if isValid(bytes) { return bytes.count }
        guard !isWhole else { return nil }
        // The last character begins at most three bytes before the end, and can still become one.
        for cut in 1...3 where cut <= bytes.count {
            let lead = bytes[bytes.endIndex - cut]
            guard lead >= 0xC2, lead <= 0xF4 else { continue }
            guard isValid(bytes.dropLast(cut)) else { return nil }
            let head = Array(bytes.suffix(cut))
            let endings: [[UInt8]] = [
                [0x80], [0x90], [0xA0], [0x80, 0x80], [0x90, 0x80], [0xA0, 0x80], [0x80, 0x80, 0x80], [0x90, 0x80, 0x80],
            ]
            return endings.contains { isValid((head + $0)[...]) } ? bytes.count - cut : nil
        }
        return nil
    }
}
