/// Compresses runs of bytes so that the results can be laid one behind the other. Equal bytes give equal results.
public struct FrameCompressor: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// One gzip member a run (RFC 1952), without time and name.
        case gzip
        /// One zstd frame a run (RFC 8878), with its length and checksum.
        case zstd
        /// Deflate blocks (RFC 1951) that end on a whole byte and refer to nothing before the run. A stream of them is ended
        /// by `deflateEnd`.
        case rawDeflate
    }

    public let kind: Kind
    public let level: Int

    /// The empty last block of a deflate stream.
    public static let deflateEnd: [UInt8] = [0x03, 0x00]

    /// - Parameter level: gzip and deflate 1 to 9, by default 6; zstd 1 to 19, by default 3. What is outside is moved inside.
    public init(_ kind: Kind, level: Int? = nil) {
        self.kind = kind
        switch kind {
        case .gzip, .rawDeflate: self.level = min(max(level ?? 6, 1), 9)
        case .zstd: self.level = min(max(level ?? 3, 1), 19)
        }
    }

    /// Appends the compressed run to `out`.
    public func compress(_ bytes: UnsafeBufferPointer<UInt8>, into out: OutputBuffer) throws(CompressionError) {
        switch kind {
        case .gzip: try DeflateRun.appendGzipMember(bytes, level: level, to: out)
        case .zstd: try ZstdFrame.append(bytes, level: level, to: out)
        case .rawDeflate: try DeflateRun.append(bytes, level: level, isLast: false, to: out)
        }
    }

    public func compress(_ bytes: [UInt8]) throws(CompressionError) -> [UInt8] {
        let out = OutputBuffer(capacity: bytes.count / 2 + 256)
        let result = bytes.withUnsafeBufferPointer { run in
            Result { () throws(CompressionError) in try compress(run, into: out) }
        }
        try result.get()
        return out.takeBytes()
    }
}
