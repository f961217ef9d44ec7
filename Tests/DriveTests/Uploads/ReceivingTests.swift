import Crypto
import NIOCore
import Synchronization
import Testing
import WaybillBlobs
import WaybillEngine
import Web

@testable import Drive

/// What happens to bytes between the request and the row.
@Suite struct ReceivingTests {
    /// What happened, in its order.
    private final class Order: Sendable {
        private let words = Mutex<[String]>([])
        var all: [String] { words.withLock { $0 } }
        func note(_ word: String) { words.withLock { $0.append(word) } }
    }

    private func begun(_ door: DriveDoor, _ file: TestFile) async throws -> Upload {
        try await door.serve { asking async throws in
            let id = try await asking.create(file)
            return try await find(id, door)
        }
    }

    private func find(_ id: String, _ door: DriveDoor) async throws -> Upload {
        try await UploadService(door.feature).find(id, for: Principal(tenant: door.tenant, user: "ann", roles: []))
    }

    private func door(step: Int64 = 32 << 20) async throws -> DriveDoor {
        var configuration = DriveFeature.Configuration(
            fileBytesMax: 10_000_000, chunkBytes: 1000, chunkBytesMin: 1, chunkBytesMax: 2000)
        configuration.appendStepBytes = step
        return try await DriveDoor(configuration: configuration)
    }

    @Test("bytes land where they belong and are hashed, whatever the pieces they come in", arguments: [1000, 40_000, 3_000_000])
    func pieces(step: Int) async throws {
        let bytes = TestFile(3_000_000).bytes
        let staging = MemoryStaging(MemoryBlobs())
        let file = try await staging.open(try #require(BlobKey("staged")))
        try await file.write([1, 2, 3], at: 0)
        var before = SHA256()
        before.update(data: [1, 2, 3] as [UInt8])
        let pieces = BytePieces(largeMax: step == 40_000 ? 0 : 4)
        let sink = try await withThrowingTaskGroup(of: Void.self) { [before] work in
            var sink = StagedSink(.file(file), writer: UploadWriter(nil), at: 3, hash: before, pieces: pieces)
            for start in stride(from: 0, to: bytes.count, by: step) {
                try await sink.append(ByteBuffer(bytes: bytes[start..<min(start + step, bytes.count)]), &work)
            }
            try await sink.drain(&work)
            return sink
        }
        #expect(sink.written == 3_000_003)
        before.update(data: bytes)
        #expect(sink.hashOfWritten.map { Array($0.finalize()) } == Array(before.finalize()))
        var stored: [UInt8] = []
        for try await chunk in try await file.read(3..<3_000_003) { stored += chunk }
        #expect(stored == bytes)
        #expect(pieces.used == 0)
    }

    @Test("where a disk is full, what was written before counts and nothing behind it, and the upload goes on once there is room")
    func full() async throws {
        let file = TestFile(3_000_000)
        let door = try await door()
        let upload = try await begun(door, file)
        door.staging.fill(leaving: 1_200_000)
        await #expect(throws: BlobError.self) {
            var pieces = [ByteBuffer(bytes: file.bytes)]
            _ = try await UploadService(door.feature).append(
                to: upload, at: 0, length: 3_000_000, writing: { _, _ in }, next: { pieces.popLast() })
        }
        let stored = try await find(upload.id.text, door).stored.prefix
        #expect(stored > 0 && stored <= 1_200_000)
        door.staging.fill(leaving: 3_000_000)
        let next = try await door.restarted()
        var rest = [ByteBuffer(bytes: file.bytes.dropFirst(Int(stored)))]
        _ = try await UploadService(next.feature).append(
            to: upload, at: stored, length: nil, writing: { _, _ in }, next: { rest.popLast() })
        try await next.serve { asking async throws in
            #expect(try await asking.complete(upload.id.text).status == 200)
            #expect(try await asking.content(upload.id.text) == file.bytes)
        }
    }

    @Test("a long request is made durable step by step while more is coming, and each step is told in order")
    func steps() async throws {
        let file = TestFile(3_000_000)
        let door = try await door(step: 600_000)
        let upload = try await begun(door, file)
        var offsets: [Int64] = []
        var place = 0
        let stored = try await UploadService(door.feature).append(
            to: upload, at: 0, length: 3_000_000, progressed: { offsets.append($0.stored.prefix) },
            writing: { _, _ in }
        ) {
            guard place < file.bytes.count else { return nil }
            let bytes = file.bytes[place..<min(place + 50_000, file.bytes.count)]
            place += bytes.count
            return ByteBuffer(bytes: bytes)
        }
        #expect(stored.isWhole)
        #expect(offsets.count >= 3)
        #expect(offsets == offsets.sorted() && Set(offsets).count == offsets.count)
        #expect(door.staging.flushes >= offsets.count)
        _ = try await UploadService(door.feature).complete(upload) { _, _ in }
        try await door.serve { asking async throws in #expect(try await asking.content(upload.id.text) == file.bytes) }
    }

    @Test("chunks that come out of order are hashed while others come, so that the end need not read them")
    func following() async throws {
        let file = TestFile(5000)
        let door = try await DriveDoor()
        let upload = try await begun(door, file)
        let service = UploadService(door.feature)
        for index in [1, 2, 0, 4, 3] {
            var pieces = [ByteBuffer(bytes: file.chunk(index))]
            _ = try await service.storeChunk(Int64(index), of: upload, writing: { _, _ in }, next: { pieces.popLast() })
        }
        let hashed = try await door.feature.sessions.using(upload.id) { $0.furthest.end }
        #expect(hashed >= 3000)
        guard case .file(let done) = try await service.complete(upload, writing: { _, _ in }) else {
            Issue.record("a job completes what is small")
            return
        }
        #expect(done.sha256 == Array(SHA256.hash(data: file.bytes)))
    }

    @Test("who takes over waits for all that is being written")
    func revoking() async throws {
        let writer = UploadWriter(nil)
        let order = Order()
        let gates = (0..<2).map { _ in AsyncStream<Void>.makeStream() }
        let begun = AsyncStream<Void>.makeStream()
        await withTaskGroup(of: Void.self) { group in
            for gate in gates {
                group.addTask {
                    do {
                        try await writer.writing {
                            begun.continuation.yield()
                            for await _ in gate.stream {}
                            order.note("written")
                        }
                    } catch {
                        order.note("refused")
                    }
                }
            }
            var signals = begun.stream.makeAsyncIterator()
            for _ in 0..<2 { await signals.next() }
            group.addTask {
                await writer.revoke()
                order.note("revoked")
            }
            for gate in gates { gate.continuation.finish() }
        }
        #expect(order.all == ["written", "written", "revoked"])
        await #expect(throws: UploadRefusal.takenOver) { try await writer.writing {} }
    }
}
