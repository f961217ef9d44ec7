/// Takes a `multipart/form-data` body apart as its bytes come in, in bounded memory.
struct MultipartParser: Sendable {
    enum Event: Sendable, Equatable {
        case part(MultipartPart)
        case bytes([UInt8])
        case partEnd
        case end
    }

    struct Fault: Error, Equatable {
        var reason: String
    }

    private enum State { case preamble, afterDelimiter, head, body, ended }

    private let delimiter: [UInt8]
    private let headBytesMax: Int
    private let partsMax: Int
    /// The first delimiter may stand at the very start, as if a line had ended before it.
    private var buffer: [UInt8] = [0x0D, 0x0A]
    private var start = 0
    private var state = State.preamble
    private var parts = 0

    init(boundary: String, headBytesMax: Int, partsMax: Int) {
        delimiter = Array("\r\n--\(boundary)".utf8)
        self.headBytesMax = headBytesMax
        self.partsMax = partsMax
    }

    mutating func append(_ bytes: some Sequence<UInt8>) {
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next event, or nil if more bytes are needed for it.
    mutating func next() throws(Fault) -> Event? {
        while true {
            switch state {
            case .preamble:
                guard let found = find() else {
                    guard buffer.count - start <= headBytesMax else { throw Fault(reason: "the first boundary is missing") }
                    return nil
                }
                start = found + delimiter.count
                state = .afterDelimiter
            case .afterDelimiter:
                guard let isLast = try endDelimiterLine() else { return nil }
                state = isLast ? .ended : .head
                if isLast { return .end }
            case .head:
                guard let part = try head() else { return nil }
                state = .body
                return .part(part)
            case .body: return body()
            case .ended: return .end
            }
        }
    }

    /// Takes `--`, or blanks and a line's end, behind a delimiter.
    private mutating func endDelimiterLine() throws(Fault) -> Bool? {
        var index = start
        while index < buffer.count, buffer[index] == 0x20 || buffer[index] == 0x09 { index += 1 }
        guard index - start <= 64 else { throw Fault(reason: "a boundary line is too long") }
        guard buffer.count - index >= 2 else { return nil }
        switch (buffer[index], buffer[index + 1]) {
        case (UInt8(ascii: "-"), UInt8(ascii: "-")) where index == start:
            start = buffer.count
            return true
        case (0x0D, 0x0A):
            // The line's end stays: a part without header lines has its empty line right here.
            start = index
            return false
        default: throw Fault(reason: "a boundary line is not valid")
        }
    }

    private mutating func head() throws(Fault) -> MultipartPart? {
        let mark: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A]
        guard let end = MultipartParser.find(mark, in: buffer, from: start) else {
            guard buffer.count - start <= headBytesMax else { throw Fault(reason: "the header of a part is too large") }
            return nil
        }
        guard end - start <= headBytesMax else { throw Fault(reason: "the header of a part is too large") }
        parts += 1
        guard parts <= partsMax else { throw Fault(reason: "there are more than \(partsMax) parts") }
        guard let part = MultipartPart(head: buffer[min(start + 2, end)..<end]) else {
            throw Fault(reason: "the header of a part is not valid")
        }
        start = end + mark.count
        // An empty part's delimiter begins with the line's end that closes the header.
        start -= 2
        isFresh = true
        return part
    }

    /// Whether the line's end before the body's first byte is still in the buffer.
    private var isFresh = false

    private mutating func body() -> Event? {
        if let found = find() {
            let from = min(found, isFresh ? start + 2 : start)
            let bytes = Array(buffer[from..<max(from, found)])
            guard bytes.isEmpty else {
                start = found
                isFresh = false
                return .bytes(bytes)
            }
            start = found + delimiter.count
            isFresh = false
            state = .afterDelimiter
            return .partEnd
        }
        // The last bytes may be the beginning of a delimiter.
        let safe = buffer.count - delimiter.count + 1
        let from = isFresh ? start + 2 : start
        guard safe > from else { return nil }
        defer {
            start = safe
            isFresh = false
        }
        return .bytes(Array(buffer[from..<safe]))
    }

    private func find() -> Int? { MultipartParser.find(delimiter, in: buffer, from: start) }

    /// The first place of a mark that begins with a carriage return.
    private static func find(_ mark: [UInt8], in buffer: [UInt8], from start: Int) -> Int? {
        buffer.withUnsafeBufferPointer { bytes in
            mark.withUnsafeBufferPointer { mark in
                var index = start
                while index + mark.count <= bytes.count {
                    if bytes[index] == mark[0] {
                        var length = 1
                        while length < mark.count, bytes[index + length] == mark[length] { length += 1 }
                        if length == mark.count { return index }
                    }
                    index += 1
                }
                return nil
            }
        }
    }
}
