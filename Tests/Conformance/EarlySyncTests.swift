import Synchronization
import Testing
import WaybillBlobs

@testable import WaybillDiskBlobs

@Suite struct EarlySyncTests {
    /// One thread, so that what is given to it is done in order.
    private let service = DiskIOService(threadsMax: 1)

    @Test("after each step of bytes the file is synced, and no more once its end has come")
    func steps() async throws {
        let count = Atomic<Int>(0)
        let early = EarlySync(service: service, stepBytes: 10) { count.add(1, ordering: .relaxed) }
        for (bytes, expected) in [(9, 0), (1, 1), (25, 2), (5, 2), (5, 3)] {
            try early.wrote(bytes)
            await service.idle()
            let done = count.load(ordering: .relaxed)
            #expect(done == expected)
        }
        try early.end()
        try early.wrote(100)
        await service.idle()
        let done = count.load(ordering: .relaxed)
        #expect(done == 3)
    }

    @Test("a step that failed is thrown by the next write and by the end: the system tells of it only once")
    func failure() async {
        let early = EarlySync(service: service, stepBytes: 10) { throw BlobError(.other, "no") }
        #expect(throws: Never.self) { try early.wrote(10) }
        await service.idle()
        #expect(throws: BlobError.self) { try early.wrote(1) }
        #expect(throws: BlobError.self) { try early.end() }
    }

    @Test("the end waits for a step that is at work")
    func end() async throws {
        let (begun, beginning) = AsyncStream.makeStream(of: Void.self)
        let hasEnded = Atomic<Bool>(false)
        let early = EarlySync(service: service, stepBytes: 1) {
            beginning.finish()
            for _ in 0..<1000 { _ = hasEnded.load(ordering: .sequentiallyConsistent) }
            hasEnded.store(true, ordering: .sequentiallyConsistent)
        }
        try early.wrote(1)
        for await _ in begun {}
        try early.end()
        let isOver = hasEnded.load(ordering: .sequentiallyConsistent)
        #expect(isOver)
    }
}

extension DiskIOService {
    /// Returns once all that was submitted before is done.
    fileprivate func idle() async {
        await withCheckedContinuation { caller in submit { caller.resume() } }
    }
}
