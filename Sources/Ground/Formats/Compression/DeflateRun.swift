import CZlib

/// Deflate by zlib, one run of bytes at a time.
enum DeflateRun {
    /// - Parameter isLast: true ends the stream, false flushes it to a whole byte, with nothing for later runs to refer to.
    static func append(
        _ bytes: UnsafeBufferPointer<UInt8>, level: Int, isLast: Bool, to out: OutputBuffer
    ) throws(CompressionError) {
        var stream = z_stream()
        // Minus 15: deflate without a wrapper, and a window of 32 KiB. 8 is zlib's own memory level.
        let opened = deflateInit2_(
            &stream, Int32(level), Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard opened == Z_OK else { throw CompressionError("deflate can't start: \(opened)") }
        defer { deflateEnd(&stream) }
        var offset = 0
        var isDone = false
        while !isDone {
            if stream.avail_in == 0, offset < bytes.count {
                // zlib counts in 32 bits.
                let piece = min(bytes.count - offset, 1 << 30)
                stream.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress.map { $0 + offset })
                stream.avail_in = UInt32(piece)
                offset += piece
            }
            let room = 1 << 16
            stream.next_out = out.pointer(reserving: room)
            stream.avail_out = UInt32(room)
            let flush = offset < bytes.count ? Z_NO_FLUSH : (isLast ? Z_FINISH : Z_FULL_FLUSH)
            let result = deflate(&stream, flush)
            out.advance(by: room - Int(stream.avail_out))
            guard result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR else {
                throw CompressionError("deflate failed: \(result)")
            }
            if flush == Z_FINISH {
                isDone = result == Z_STREAM_END
            } else {
                isDone = flush == Z_FULL_FLUSH && stream.avail_out > 0 && stream.avail_in == 0
            }
        }
    }

    /// One whole gzip member: no name, no time, an unknown system.
    static func appendGzipMember(
        _ bytes: UnsafeBufferPointer<UInt8>, level: Int, to out: OutputBuffer
    ) throws(CompressionError) {
        let extra: UInt8 = level == 9 ? 2 : (level == 1 ? 4 : 0)
        out.append([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, extra, 0xFF])
        try append(bytes, level: level, isLast: true, to: out)
        LittleEndian.append(CRC32.of(bytes), to: out)
        LittleEndian.append(UInt32(truncatingIfNeeded: bytes.count), to: out)
    }
}
