import Synchronization
import Testing

@testable import WaybillBlobs

@Suite struct WrapperTests {
    private let key = BlobKey("a/b") ?? BlobKey("a")

    @Test("a store that is not available for a while is asked again, and one that refuses is not")
    func retrying() async throws {
        let key = try #require(key)
        let base = StubbornBlobs()
        let waits = Mutex(0)
        let store = RetryingBlobs(
            base, BlobRetries(BlobRetryPolicy(triesMax: 3), sleep: { _ in waits.withLock { $0 += 1 } }, random: { 0 }))
        base.fail(.unavailable, times: 2)
        #expect(try await store.length(key) == nil)
        #expect(waits.withLock { $0 } == 2)
        base.fail(.unavailable, times: 3)
        await #expect(throws: BlobError.self) { try await store.list(prefix: "", after: nil, limit: 1) }
        #expect(waits.withLock { $0 } == 4)
        for code in [BlobError.Code.notFound, .full, .exists, .damaged, .other] {
            base.fail(code, times: 1)
            await #expect(throws: BlobError.self) { try await store.delete(key) }
        }
        #expect(waits.withLock { $0 } == 4)
    }

    @Test("as many calls as there are places run at a time, and the rest come in their order")
    func limiting() async throws {
        let key = try #require(key)
        let base = StubbornBlobs()
        let store = LimitedBlobs(base, callsMax: 3)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for _ in 0..<40 { tasks.addTask { _ = try await store.length(key) } }
            try await tasks.waitForAll()
        }
        #expect(base.highest <= 3)
        #expect(base.calls == 40)
    }

    @Test("a caller who is cancelled while he waits leaves, and takes no place along")
    func cancelled() async throws {
        let key = try #require(key)
        let base = StubbornBlobs()
        let store = LimitedBlobs(base, callsMax: 1)
        let (entered, held) = (Door(), Door())
        base.hold(entered, held)
        let first = Task { try await store.length(key) }
        await entered.wait()
        let second = Task { try await store.length(key) }
        second.cancel()
        await #expect(throws: CancellationError.self) { try await second.value }
        held.open()
        _ = try await first.value
        #expect(try await store.length(key) == nil)
    }

    @Test("writers and readers that wait for their owners hold no place")
    func idle() async throws {
        let store = LimitedBlobs(MemoryBlobs(), callsMax: 1)
        let (one, two) = (try #require(BlobKey("one")), try #require(BlobKey("two")))
        let first = try await store.writer(one)
        let second = try await store.writer(two)
        try await first.append([1])
        try await second.append([2])
        _ = try await first.finish()
        var chunks = try await store.read(one, range: 0..<1).makeAsyncIterator()
        _ = try await second.finish()
        #expect(try await chunks.next() == [1])
        await #expect(throws: BlobError.self) { try await store.read(BlobKey("none") ?? one, range: 0..<1) }
        #expect(try await store.length(two) == 1)
    }

    @Test("calls, failures, time and bytes are counted")
    func measuring() async throws {
        let key = try #require(key)
        let meter = BlobMeter()
        let clock = Mutex(Duration.zero)
        let store = MeasuredBlobs(MemoryBlobs(), meter) {
            clock.withLock { clock in
                clock += .seconds(1); return clock
            }
        }
        let writer = try await store.writer(key)
        try await writer.append([1, 2, 3])
        try await writer.append([4])
        _ = try await writer.finish()
        await #expect(throws: BlobError.self) { try await writer.finish() }
        #expect(try await store.read(key, range: 1..<9).reduce(into: []) { $0 += $1 } == [2, 3, 4])
        _ = try await store.length(key)
        #expect(meter.figures(.append) == figures(2, 0))
        #expect(meter.figures(.finish) == figures(2, 1))
        #expect(meter.figures(.read) == figures(1, 0) && meter.figures(.length) == figures(1, 0))
        #expect(meter.figures(.delete) == figures(0, 0))
        #expect(meter.bytesWritten == 4 && meter.bytesRead == 3)
    }

    private func figures(_ count: Int, _ failures: Int) -> BlobMeter.Figures {
        var figures = BlobMeter.Figures()
        (figures.count, figures.failures) = (count, failures)
        (figures.took, figures.longest) = (.seconds(count), .seconds(count == 0 ? 0 : 1))
        return figures
    }
}

/// Counts its calls, and fails or waits on order.
private final class StubbornBlobs: BlobStore {
    private struct State {
        var failures: [BlobError.Code] = []
        var calls = 0
        var running = 0
        var highest = 0
        var doors: (entered: Door, held: Door)?
    }

    private let state = Mutex(State())

    var calls: Int { state.withLock { $0.calls } }
    var highest: Int { state.withLock { $0.highest } }
    func fail(_ code: BlobError.Code, times: Int) { state.withLock { $0.failures = Array(repeating: code, count: times) } }
    func hold(_ entered: Door, _ held: Door) { state.withLock { $0.doors = (entered, held) } }

    private func call() async throws {
        let (failure, doors) = state.withLock { state in
            state.calls += 1
            state.running += 1
            state.highest = max(state.highest, state.running)
            return (state.failures.popLast(), state.doors.take())
        }
        doors?.entered.open()
        await doors?.held.wait()
        for _ in 0..<5 { await Task.yield() }
        state.withLock { $0.running -= 1 }
        if let failure { throw BlobError(failure, "as ordered") }
    }

    func writer(_ key: BlobKey, _ mode: BlobWriteMode, behind hash: BlobHash) async throws -> any BlobWriter {
        try await call()
        throw BlobError(.other, "read only")
    }

    func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks {
        try await call()
        return BlobChunks { nil }
    }

    func length(_ key: BlobKey) async throws -> Int64? {
        try await call()
        return nil
    }

    func delete(_ key: BlobKey) async throws { try await call() }

    func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry] {
        try await call()
        return []
    }
}

/// Opens once. One task waits for it.
private final class Door: Sendable {
    private let stream = AsyncStream.makeStream(of: Void.self)

    func open() { stream.continuation.yield() }
    func wait() async { for await _ in stream.stream { return } }
}
