import CZlib

/// Unpacks a deflate stream that comes in pieces. It has one owner, and is not shared between tasks.
public final class Inflater {
    public enum Form: Sendable, Hashable {
        /// Deflate blocks and nothing around them (RFC 1951).
        case raw
        /// gzip members one behind the other (RFC 1952), whose checksums are verified.
        case gzip
    }

    private static let room = 1 << 17

    private let form: Form
    private var stream = z_stream()
    private var state: State = .unopened
    private let out = OutputBuffer(capacity: Inflater.room)

    private enum State { case unopened, open, ended, failed }

    public init(_ form: Form = .raw) {
        self.form = form
    }

    deinit {
        if state != .unopened { inflateEnd(&stream) }
    }

    /// Whether the stream's last block has been read; of gzip, that of a member, behind which another one may come.
    public var isAtEnd: Bool { state == .ended }

    /// Takes the next piece, and hands what it unpacks to `body`, at most 128 KiB at a time.
    /// - Throws: `CompressionError` for what is no deflate stream, or goes on behind its end; what `body` throws.
    public func append(_ bytes: [UInt8], _ body: ([UInt8]) throws -> Void) throws {
        if state == .unopened {
            guard inflateInit2_(&stream, form == .raw ? -15 : 31, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
                throw CompressionError("inflate can't start")
            }
            state = .open
        }
        var at = 0
        while at < bytes.count {
            if state == .ended, form == .gzip, inflateReset(&stream) == Z_OK { state = .open }
            guard state == .open else { throw CompressionError("there are bytes behind the end of the stream") }
            let used = try step(bytes, from: at, isFull: false)
            at += used
            if !out.isEmpty { try body(out.takeBytes()) }
        }
        // What the last piece unpacks to may be more than fits at once.
        while state == .open {
            _ = try step([], from: 0, isFull: true)
            guard !out.isEmpty else { return }
            try body(out.takeBytes())
        }
    }

    /// - Returns: how many of the bytes were used.
    private func step(_ bytes: [UInt8], from start: Int, isFull: Bool) throws -> Int {
        let piece = min(bytes.count - start, 1 << 20)
        return try bytes.withUnsafeBufferPointer { source in
            stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress.map { $0 + start })
            stream.avail_in = UInt32(piece)
            stream.next_out = out.pointer(reserving: Self.room)
            stream.avail_out = UInt32(Self.room)
            let result = inflate(&stream, Z_NO_FLUSH)
            out.advance(by: Self.room - Int(stream.avail_out))
            switch result {
            case Z_OK: break
            case Z_STREAM_END: state = .ended
            case Z_BUF_ERROR where isFull: break
            default:
                state = .failed
                throw CompressionError("this is no deflate stream: \(result)")
            }
            return piece - Int(stream.avail_in)
        }
    }
}
