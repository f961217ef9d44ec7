import NIOCore
import Testing
import WaybillBlobs
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

/// Two requests for one upload at a time.
@Suite struct TakeOverTests {
    /// Gives pieces, and waits for a signal before the last one.
    private final class Held: Sendable {
        let reached = AsyncStream<Void>.makeStream()
        let goOn = AsyncStream<Void>.makeStream()

        func wait() async {
            reached.continuation.finish()
            for await _ in goOn.stream {}
        }

        func untilReached() async { for await _ in reached.stream {} }
        func release() { goOn.continuation.finish() }
    }

    private func begun(_ door: DriveDoor, _ file: TestFile) async throws -> Upload {
        try await door.serve { asking async throws in
            let id = try await asking.create(file)
            return try await UploadService(door.feature).find(
                id, for: Principal(tenant: door.tenant, user: "ann", roles: []))
        }
    }

    @Test("a newer request that appends takes over: the older one's next step is refused, and no byte of it gets in")
    func appending() async throws {
        let file = TestFile(3_000_000)
        let door = try await DriveDoor()
        let upload = try await begun(door, file)
        let service = UploadService(door.feature)
        let held = Held()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var step = 0
                await #expect(throws: UploadRefusal.takenOver) {
                    _ = try await service.append(to: upload, at: 0, length: nil, writing: { _, _ in }) {
                        step += 1
                        switch step {
                        case 1: return ByteBuffer(repeating: 1, count: 1_500_000)
                        case 2:
                            await held.wait()
                            return ByteBuffer(repeating: 2, count: 1_500_000)
                        default: return nil
                        }
                    }
                }
            }
            await held.untilReached()
            var pieces = [ByteBuffer(bytes: file.bytes)]
            let stored = try await service.append(
                to: upload, at: 0, length: 3_000_000, writing: { _, _ in }, next: { pieces.popLast() })
            #expect(stored.isWhole)
            held.release()
            try await group.waitForAll()
        }
        guard case .file(let done) = try await service.complete(upload, writing: { _, _ in }) else {
            Issue.record("a job was begun for it")
            return
        }
        #expect(done.size == 3_000_000)
        try await door.serve { asking async throws in #expect(try await asking.content(upload.id.text) == file.bytes) }
        try await door.checkQuota()
    }

    @Test("the same chunk sent again while the first one hangs takes its place; another chunk does not disturb it")
    func chunks() async throws {
        let file = TestFile(2000)
        let door = try await DriveDoor()
        let upload = try await begun(door, file)
        let service = UploadService(door.feature)
        let held = Held()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var step = 0
                await #expect(throws: UploadRefusal.takenOver) {
                    _ = try await service.storeChunk(0, of: upload, writing: { _, _ in }) {
                        step += 1
                        switch step {
                        case 1: return ByteBuffer(repeating: 1, count: 500)
                        case 2:
                            await held.wait()
                            return ByteBuffer(repeating: 2, count: 500)
                        default: return nil
                        }
                    }
                }
            }
            await held.untilReached()
            for index in [1, 0] {
                var pieces = [ByteBuffer(bytes: file.chunk(index))]
                _ = try await service.storeChunk(
                    Int64(index), of: upload, writing: { _, _ in }, next: { pieces.popLast() })
            }
            held.release()
            try await group.waitForAll()
        }
        _ = try await service.complete(upload) { _, _ in }
        try await door.serve { asking async throws in #expect(try await asking.content(upload.id.text) == file.bytes) }
    }

    @Test("a body that breaks off keeps what has come, for those who append")
    func broken() async throws {
        struct Broken: Error {}
        let file = TestFile(3000)
        let door = try await DriveDoor()
        let upload = try await begun(door, file)
        let service = UploadService(door.feature)
        var sent = false
        await #expect(throws: Broken.self) {
            _ = try await service.append(to: upload, at: 0, length: 3000, writing: { _, _ in }) {
                if sent { throw Broken() }
                sent = true
                return ByteBuffer(bytes: file.chunk(0))
            }
        }
        let next = try await door.restarted()
        let found = try await UploadService(next.feature).find(
            upload.id.text, for: Principal(tenant: door.tenant, user: "ann", roles: []))
        #expect(found.stored.prefix == 1000)
    }

    @Test("slow bytes are made durable every few seconds, and put the deadline off")
    func slow() async throws {
        let file = TestFile(3000)
        let door = try await DriveDoor()
        let upload = try await begun(door, file)
        var step = 0
        _ = try await UploadService(door.feature).append(to: upload, at: 0, length: 3000, writing: { _, _ in }) {
            guard step < 3 else { return nil }
            door.time.advance(to: door.time.now().advanced(by: .seconds(40_000)))
            try await door.tester.engine.sweepNext()
            defer { step += 1 }
            return ByteBuffer(bytes: file.chunk(step))
        }
        #expect(door.staging.flushes >= 3)
        try await door.serve { asking async throws in
            #expect(try await asking.complete(upload.id.text).status == 200)
            #expect(try await asking.content(upload.id.text) == file.bytes)
        }
    }
}
