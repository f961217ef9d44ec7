import NIOCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Takes a `multipart/form-data` body apart as its bytes come in, in bounded memory. The bytes of parts are passed on without
/// being copied.
struct MultipartParser: Sendable {
    enum Event: Sendable, Equatable {
        case part(MultipartPart)
        case bytes(ByteBuffer)
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
    /// What has come and was not passed on. The first delimiter may stand at the very start, as if a line had ended before it.
    private var buffer = ByteBuffer(bytes: [0x0D, 0x0A])
    private var state = State.preamble
    private var parts = 0

    init(boundary: String, headBytesMax: Int, partsMax: Int) {
        delimiter = Array("\r\n--\(boundary)".utf8)
        self.headBytesMax = headBytesMax
        self.partsMax = partsMax
    }

    mutating func append(_ bytes: ByteBuffer) {
        guard buffer.readableBytes > 0 else {
            buffer = bytes
            return
        }
        var joined = ByteBufferAllocator().buffer(capacity: buffer.readableBytes + bytes.readableBytes)
        joined.writeImmutableBuffer(buffer)
        joined.writeImmutableBuffer(bytes)
        buffer = joined
    }

    /// The next event, or nil if more bytes are needed for it.
    mutating func next() throws(Fault) -> Event? {
        while true {
            switch state {
            case .preamble:
                guard let found = find() else {
                    guard buffer.readableBytes <= headBytesMax else { throw Fault(reason: "the first boundary is missing") }
                    return nil
                }
                buffer.moveReaderIndex(forwardBy: found + delimiter.count)
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
        let bytes = buffer.readableBytesView
        let blanks = bytes.prefix { $0 == 0x20 || $0 == 0x09 }.count
        guard blanks <= 64 else { throw Fault(reason: "a boundary line is too long") }
        let end = bytes.dropFirst(blanks).prefix(2)
        guard end.count == 2 else { return nil }
        if blanks == 0, end.elementsEqual("--".utf8) {
            buffer.clear()
            return true
        }
        guard end.elementsEqual("\r\n".utf8) else { throw Fault(reason: "a boundary line is not valid") }
        // The line's end stays: a part without header lines has its empty line right here.
        buffer.moveReaderIndex(forwardBy: blanks)
        return false
    }

    private mutating func head() throws(Fault) -> MultipartPart? {
        let mark: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A]
        guard let end = MultipartParser.find(mark, in: buffer) else {
            guard buffer.readableBytes <= headBytesMax else { throw Fault(reason: "the header of a part is too large") }
            return nil
        }
        guard end <= headBytesMax else { throw Fault(reason: "the header of a part is too large") }
        parts += 1
        guard parts <= partsMax else { throw Fault(reason: "there are more than \(partsMax) parts") }
        guard let part = MultipartPart(head: Array(buffer.readableBytesView.prefix(end).dropFirst(2))[...]) else {
            throw Fault(reason: "the header of a part is not valid")
        }
        // An empty part's delimiter begins with the line's end that closes the header.
        buffer.moveReaderIndex(forwardBy: end + mark.count - 2)
        isFresh = true
        return part
    }

    /// Whether the line's end before the body's first byte is still in the buffer.
    private var isFresh = false

    private mutating func body() -> Event? {
        let found = find()
        let end = found ?? heldBack()
        if let found, found <= (isFresh ? 2 : 0) {
            buffer.moveReaderIndex(forwardBy: found + delimiter.count)
            isFresh = false
            state = .afterDelimiter
            return .partEnd
        }
        guard end > (isFresh ? 2 : 0) else { return nil }
        if isFresh { buffer.moveReaderIndex(forwardBy: 2) }
        defer { isFresh = false }
        return buffer.readSlice(length: isFresh ? end - 2 : end).map { .bytes($0) }
    }

    private func find() -> Int? { MultipartParser.find(delimiter, in: buffer) }

    /// Where the end of the buffer may be the beginning of a delimiter.
    private func heldBack() -> Int {
        let bytes = buffer.readableBytesView
        for index in bytes.indices.suffix(delimiter.count - 1)
        where bytes[index] == delimiter[0] && delimiter.starts(with: bytes[index...]) {
            return index - bytes.startIndex
        }
        return bytes.count
    }

    /// The first place of a mark that begins with a carriage return, and has no other that it could begin at.
    private static func find(_ mark: [UInt8], in buffer: ByteBuffer) -> Int? {
        buffer.withUnsafeReadableBytes { bytes in
            guard let start = bytes.baseAddress else { return nil }
            return mark.withUnsafeBytes { mark in
                guard let markStart = mark.baseAddress else { return nil }
                var index = 0
                while bytes.count - index >= mark.count {
                    guard let found = memchr(start + index, 0x0D, bytes.count - index - mark.count + 1) else { return nil }
                    index = UnsafeRawPointer(found) - start
                    if memcmp(start + index, markStart, mark.count) == 0 { return index }
                    index += 1
                }
                return nil
            }
        }
    }
}
