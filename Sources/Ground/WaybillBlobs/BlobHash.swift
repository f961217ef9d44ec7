import Crypto

/// A SHA-256 (FIPS 180-4) that is half done: what a blob goes on with whose bytes follow those of others, so that the digest of
/// them all takes no second pass.
public struct BlobHash: Sendable {
    private var hash = SHA256()
    /// Bytes that it has taken.
    public private(set) var length: Int64 = 0

    public init() {}

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        hash.update(bufferPointer: bytes)
        length += Int64(bytes.count)
    }

    public mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// Of what it has taken so far, 32 bytes.
    public var sha256: [UInt8] { Array(hash.finalize()) }
}
