import Testing

@testable import WaybillDiskBlobs

@Suite struct DiskWriteQueueTests {
    private static let chunk = [UInt8](repeating: 1, count: DiskWriteQueue.chunkBytes)

    @Test("one who writes hashes a single chunk afterwards; of more, somebody else does")
    func threads() {
        var queue = DiskWriteQueue()
        #expect(queue.add([1]) == nil, "it is gathered")
        #expect(queue.flush() == .write)
        #expect(!queue.isIdle)
        queue.did(.write)
        #expect(queue.turn(from: .write) == .hash)
        queue.did(.hash)
        #expect(queue.turn(from: .hash) == nil)
        #expect(queue.isIdle)

        #expect(queue.add(Self.chunk) == .write)
        #expect(queue.add(Self.chunk) == .hash)
        #expect(queue.add(Self.chunk) == nil, "both are at work")
    }

    @Test("a chunk is let go when it has been hashed and written, however far one is ahead of the other")
    func pace() {
        var queue = DiskWriteQueue()
        for number in 0..<DiskWriteQueue.chunksMax {
            #expect(queue.hasRoom)
            _ = queue.add([UInt8](repeating: UInt8(number), count: DiskWriteQueue.chunkBytes))
        }
        #expect(!queue.hasRoom)
        for number in 0..<DiskWriteQueue.chunksMax {
            #expect(queue.next(.hash)?.first == UInt8(number))
            queue.did(.hash)
        }
        #expect(queue.next(.hash) == nil && queue.next(.write)?.first == 0)
        #expect(!queue.hasRoom, "none has been written")
        queue.did(.write)
        #expect(queue.hasRoom && queue.next(.write)?.first == 1)
        _ = queue.add([UInt8](repeating: 99, count: DiskWriteQueue.chunkBytes))
        #expect(queue.next(.hash)?.first == 99)
    }

    @Test("small pieces are gathered in their order, and large ones don't overtake them")
    func gathered() {
        var queue = DiskWriteQueue()
        #expect(queue.add([1, 2]) == nil)
        #expect(queue.add(Self.chunk) == .write)
        let first = queue.next(.write)
        #expect(first?.count == Self.chunk.count + 2 && first?.prefix(2) == [1, 2])
    }

    @Test("a thread that has a chunk in hand while all is dropped does no harm")
    func dropped() {
        var queue = DiskWriteQueue()
        _ = queue.add(Self.chunk)
        _ = queue.add(Self.chunk)
        queue.dropAll()
        queue.did(.write)
        queue.did(.hash)
        #expect(queue.next(.write) == nil && queue.next(.hash) == nil)
        #expect(queue.turn(from: .write) == nil && queue.turn(from: .hash) == nil)
        #expect(queue.isIdle)
    }
}
