/// One frame of an event stream.
struct ServerSentEvent: Sendable, Hashable {
    var name: String
    var data: String
    /// The id that this frame carries itself; nil if it carries none.
    var id: String?
}

/// Cuts a stream of bytes into events, as the HTML standard says under "server-sent events".
struct ServerSentEventParser {
    /// What the server wants us to wait before a reconnect.
    private(set) var retry: Duration?

    private var line: [UInt8] = []
    private var lastWasCarriageReturn = false
    private var atStart = true
    private var name = ""
    private var data: [UInt8]?
    private var id: String?
    /// Frames longer than this are no events of ours.
    private static let frameBytesMax = 16 << 20

    /// The events that `bytes` complete.
    /// - Throws: `WaybillClientError` with code `.unexpectedAnswer` if a frame is too long.
    mutating func push(_ bytes: [UInt8]) throws -> [ServerSentEvent] {
        var events: [ServerSentEvent] = []
        for byte in bytes {
            let followsCarriageReturn = lastWasCarriageReturn
            lastWasCarriageReturn = byte == UInt8(ascii: "\r")
            switch byte {
            case UInt8(ascii: "\n") where followsCarriageReturn: break
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                if let event = endLine() { events.append(event) }
            default:
                line.append(byte)
            }
        }
        guard line.count + (data?.count ?? 0) <= ServerSentEventParser.frameBytesMax else {
            throw WaybillClientError(.unexpectedAnswer, "an event of the stream is too long")
        }
        return events
    }

    private mutating func endLine() -> ServerSentEvent? {
        defer { line.removeAll(keepingCapacity: true) }
        if atStart {
            atStart = false
            if line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
        }
        guard !line.isEmpty else { return endFrame() }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        var value = line[colon...].dropFirst()
        if value.first == UInt8(ascii: " ") { value.removeFirst() }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "event": name = String(decoding: value, as: UTF8.self)
        case "data": data = data.map { $0 + [UInt8(ascii: "\n")] + value } ?? [UInt8](value)
        case "id" where !value.contains(0): id = String(decoding: value, as: UTF8.self)
        case "retry": retry = ServerSentEventParser.milliseconds(value) ?? retry
        default: break
        }
        return nil
    }

    private mutating func endFrame() -> ServerSentEvent? {
        defer { (name, data, id) = ("", nil, nil) }
        guard let data else { return nil }
        return ServerSentEvent(name: name.isEmpty ? "message" : name, data: String(decoding: data, as: UTF8.self), id: id)
    }

    /// Digits only, and no longer than a minute.
    private static func milliseconds(_ value: ArraySlice<UInt8>) -> Duration? {
        guard !value.isEmpty, value.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return .milliseconds(min(Int64(String(decoding: value, as: UTF8.self)) ?? 60_000, 60_000))
    }
}
