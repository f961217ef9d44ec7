import Crypto
import Hummingbird
import NIOCore
import Synchronization

/// The SHA-256 of a stream that passes by.
final class RunningDigest: Sendable {
    private let hash = Mutex(SHA256())

    /// Of what has passed so far.
    var value: [UInt8] { hash.withLock { Array($0.finalize()) } }

    func update(_ buffer: ByteBuffer) {
        hash.withLock { hash in buffer.withUnsafeReadableBytes { hash.update(bufferPointer: $0) } }
    }

    /// The same body, of which every byte that is read is counted in.
    func watching(_ body: RequestBody) -> RequestBody {
        RequestBody(
            asyncSequence: body.map { [self] buffer in
                update(buffer)
                return buffer
            })
    }

    /// Reads a body to its end.
    static func of(_ body: RequestBody) async throws -> [UInt8] {
        let digest = RunningDigest()
        for try await buffer in body { digest.update(buffer) }
        return digest.value
    }
}
