import NIOCore
import Synchronization

/// How much memory the connections may take for what they receive. Each gets the larger buffers the fewer there are that receive
/// a body, so that all together stay within a bound, and one alone is not slowed down by many small reads.
final class ReceiveBuffers: Sendable {
    static let bytesMax = 256 * 1024
    static let bytesMin = 2 * 1024
    /// How many buffers may wait for the one who takes them, and those that are on their way.
    private static let perConnection = ConnectionChannel.waitingMax + 2

    private let total: Int
    private let bodies = Atomic<Int>(0)

    /// - Parameter total: bytes, for all connections.
    init(total: Int = 14 << 20) {
        self.total = total
    }

    func bodyBegins() { bodies.wrappingAdd(1, ordering: .relaxed) }
    func bodyEnds() { bodies.wrappingSubtract(1, ordering: .relaxed) }

    /// How long a buffer may be right now.
    var bytes: Int {
        let each = total / Self.perConnection / max(1, bodies.load(ordering: .relaxed))
        return min(max(each, Self.bytesMin), Self.bytesMax)
    }

    /// The allocator of one connection: small at first, and as large as is useful and allowed.
    var allocator: any RecvByteBufferAllocator { Allocator(buffers: self) }

    private struct Allocator: RecvByteBufferAllocator {
        let buffers: ReceiveBuffers
        var useful = AdaptiveRecvByteBufferAllocator(
            minimum: 1024, initial: ReceiveBuffers.bytesMin, maximum: ReceiveBuffers.bytesMax)

        private var size: Int { min(useful.nextBufferSize() ?? ReceiveBuffers.bytesMin, buffers.bytes) }

        func nextBufferSize() -> Int? { size }
        func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { allocator.buffer(capacity: size) }
        mutating func record(actualReadBytes: Int) -> Bool { useful.record(actualReadBytes: actualReadBytes) }
    }
}
