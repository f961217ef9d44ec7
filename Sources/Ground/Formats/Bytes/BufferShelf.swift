import Synchronization

/// Large buffers that are used again and again, so that their memory is asked of the system once and not for each use.
public final class BufferShelf: Sendable {
    /// Safe because a buffer lies here only while nobody has it.
    private struct Free: @unchecked Sendable {
        let buffer: OutputBuffer
    }

    /// One that has grown beyond this is not kept.
    private static let bytesMax = 16 << 20

    private let free = Mutex<[Free]>([])

    public init() {}

    /// An empty buffer, one that was used before if there is one.
    public func take() -> OutputBuffer {
        free.withLock { $0.popLast() }?.buffer ?? OutputBuffer(capacity: 1 << 20)
    }

    fileprivate func giveBack(_ buffer: OutputBuffer) {
        guard buffer.capacity <= BufferShelf.bytesMax else { return }
        buffer.clear()
        let free = Free(buffer: buffer)
        self.free.withLock { $0.append(free) }
    }
}

/// Bytes that one task has written and that are only read from then on. Their buffer goes back to its shelf when nobody has them
/// any more.
///
/// Safe because nobody changes the buffer while it is in here: who makes one must let go of the buffer.
public final class ShelvedBytes: @unchecked Sendable {
    private let buffer: OutputBuffer
    private let shelf: BufferShelf

    public init(_ buffer: OutputBuffer, from shelf: BufferShelf) {
        self.buffer = buffer
        self.shelf = shelf
    }

    deinit { shelf.giveBack(buffer) }

    public var count: Int { buffer.count }

    /// A copy of the bytes in `range`, which is cut to what there is.
    public subscript(range: Range<Int>) -> [UInt8] {
        withExtendedLifetime(self) { Array(buffer.bytes[range.clamped(to: 0..<buffer.count)]) }
    }
}
