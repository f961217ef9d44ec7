import Synchronization
import Testing
import WaybillBlobs

@Suite struct CheckedBlobsTests {
    @Test("nothing gets through until the check has succeeded, and it is not made again then")
    func check() async throws {
        let base = MemoryBlobs()
        let store = CheckedBlobs(base)
        let key = try #require(BlobKey("a"))
        #expect(try await store.length(key) == nil, "nothing is asked for")
        let isThere = Mutex(false)
        let checks = Mutex(0)
        store.require {
            checks.withLock { $0 += 1 }
            guard isThere.withLock({ $0 }) else { throw BlobError(.unavailable, "away") }
        }
        for _ in 0..<2 {
            await #expect(throws: BlobError.self) { try await store.writer(key) }
            await #expect(throws: BlobError.self) { try await store.length(key) }
            await #expect(throws: BlobError.self) { try await store.delete(key) }
            await #expect(throws: BlobError.self) { try await store.read(key, range: 0..<1) }
            await #expect(throws: BlobError.self) { try await store.list(prefix: "", after: nil, limit: 1) }
            await #expect(throws: BlobError.self) { try await store.dropUnfinished(startedBefore: 0) }
        }
        let blobs = try await base.list(prefix: "", after: nil, limit: 1)
        #expect(blobs.isEmpty)
        isThere.withLock { $0 = true }
        let writer = try await store.writer(key)
        try await writer.append([1])
        _ = try await writer.finish()
        #expect(try await store.length(key) == 1)
        #expect(checks.withLock { $0 } == 13)
    }
}
