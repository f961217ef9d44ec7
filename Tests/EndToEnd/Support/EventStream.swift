import NIOCore
import Testing

/// One event of a stream, as it came.
struct StreamEvent: Sendable {
    var name: String
    var id: Int?
    var data: JSON
}

/// A live stream of events over a connection of its own.
struct EventStream {
    let response: RawResponse
    private var reader: RawResponseReader
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private var bytes: [UInt8]
    private(set) var retryMillis: Int?
    private var arrived: [StreamEvent] = []

    fileprivate init(
        _ reader: RawResponseReader, _ first: [UInt8], _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    ) {
        response = reader.response
        self.reader = reader
        self.inbound = inbound
        bytes = first
    }

    /// The next event; nil once the server has ended the stream.
    mutating func next() async throws -> StreamEvent? {
        while true {
            try take()
            if !arrived.isEmpty { return arrived.removeFirst() }
            if reader.isComplete { return nil }
            guard let new = try await inbound.next() else {
                try reader.end()
                return nil
            }
            bytes += try reader.push(new.readableBytesView)
        }
    }

    /// All further events.
    mutating func rest() async throws -> [StreamEvent] {
        var events: [StreamEvent] = []
        while let event = try await next() { events.append(event) }
        return events
    }

    private mutating func take() throws {
        while let end = RawResponseReader.find([10, 10], in: bytes) {
            let block = String(decoding: bytes[..<end], as: UTF8.self)
            bytes.removeFirst(end + 2)
            var fields: [String: String] = [:]
            for line in block.split(separator: "\n") where !line.hasPrefix(":") {
                let name = String(line.prefix { $0 != ":" })
                let value = line.dropFirst(name.count + 1).drop { $0 == " " }
                fields[name] = fields[name].map { $0 + "\n" + value } ?? String(value)
            }
            if let retry = fields["retry"] { retryMillis = Int(retry) }
            guard let name = fields["event"] else { continue }
            arrived.append(
                StreamEvent(
                    name: name, id: fields["id"].flatMap { Int($0) }, data: try JSON(Array((fields["data"] ?? "null").utf8))))
        }
    }
}

extension RawHTTP {
    /// Opens a stream for the time of `body`.
    static func stream<T: Sendable>(
        _ request: Request, port: Int, sourceLocation: SourceLocation,
        _ body: @escaping @Sendable (inout EventStream) async throws -> T
    ) async throws -> T {
        try await within(.seconds(150), "a stream") {
            try await connection(port, sending: [request.head]).executeThenClose { inbound, _ in
                var reader = RawResponseReader()
                var pieces = inbound.makeAsyncIterator()
                var first: [UInt8] = []
                while !reader.hasHead || (reader.response.status >= 400 && !reader.isComplete) {
                    guard let bytes = try await pieces.next() else {
                        try reader.end()
                        break
                    }
                    first += try reader.push(bytes.readableBytesView)
                }
                reader.response.checkProblem("GET \(request.target)", hasBody: true, sourceLocation: sourceLocation)
                var stream = EventStream(reader, first, pieces)
                return try await body(&stream)
            }
        }
    }
}
