import Crypto
import NIOCore
import Synchronization

/// What the bytes of one request come to, by each algorithm that may be asked for.
final class BodyDigests: Sendable {
    enum Algorithm: String, CaseIterable, Sendable { case sha1, sha256, sha512 }

    private let running: Mutex<[Algorithm: any HashFunction & Sendable]>

    init(_ algorithms: some Sequence<Algorithm>) {
        var hashes: [Algorithm: any HashFunction & Sendable] = [:]
        for algorithm in algorithms {
            switch algorithm {
            case .sha1: hashes[algorithm] = Insecure.SHA1()
            case .sha256: hashes[algorithm] = SHA256()
            case .sha512: hashes[algorithm] = SHA512()
            }
        }
        running = Mutex(hashes)
    }

    func update(_ bytes: ByteBuffer) {
        running.withLock { hashes in
            for algorithm in hashes.keys {
                bytes.withUnsafeReadableBytes { hashes[algorithm]?.update(bufferPointer: $0) }
            }
        }
    }

    /// - Returns: nil for an algorithm that was not asked for.
    func value(_ algorithm: Algorithm) -> [UInt8]? {
        running.withLock { $0[algorithm].map { Self.finished($0) } }
    }

    private static func finished(_ hash: some HashFunction) -> [UInt8] { Array(hash.finalize()) }
}

/// Holds the bytes of one request against the digests that came with it. With it they are taken all together or not at all.
struct BytesCheck: Sendable {
    let digests: BodyDigests
    /// Throws a problem if the bytes are others. Called once all have come.
    let verify: @Sendable () async throws -> Void
}
