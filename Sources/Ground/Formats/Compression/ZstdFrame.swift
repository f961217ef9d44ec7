import CZstd

/// One zstd frame a run, with its length and a checksum in it.
enum ZstdFrame {
    static func append(
        _ bytes: UnsafeBufferPointer<UInt8>, level: Int, to out: OutputBuffer
    ) throws(CompressionError) {
        guard let context = ZSTD_createCCtx() else { throw CompressionError("zstd has no memory") }
        defer { ZSTD_freeCCtx(context) }
        try check(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(level)))
        try check(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1))
        try check(ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 1))
        let room = ZSTD_compressBound(bytes.count)
        let written = ZSTD_compress2(context, out.pointer(reserving: room), room, bytes.baseAddress, bytes.count)
        try check(written)
        out.advance(by: written)
    }

    private static func check(_ result: Int) throws(CompressionError) {
        guard ZSTD_isError(result) == 0 else {
            throw CompressionError("zstd failed: " + String(cString: ZSTD_getErrorName(result)))
        }
    }
}
