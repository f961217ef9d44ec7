import Testing
import WaybillEngine

@testable import Drive

@Suite struct UploadMachineTests {
    private static let limits = UploadMachine.Limits(
        fileBytesMax: 1000, chunkBytesMin: 1, chunkBytesMax: 50, chunkBytes: 10, idle: .seconds(60))
    private let start = Timestamp(microseconds: 1_000_000)
    private var later: Timestamp { start.advanced(by: .seconds(5)) }

    private func upload(size: Int64? = 25) throws -> Upload {
        Upload(
            Upload.Fields(
                id: try #require(JobID("01890a5d-ac96-774b-bcce-b302099a8057")), tenant: try #require(TenantID("acme")),
                account: "ann",
                name: "a", size: size, contentType: "text/plain", hash: nil, chunkSize: 10, pool: Pool.standardID, bundle: nil,
                fileExpiresAt: nil, place: "", wire: .chunks, metadata: nil, createdAt: start, updatedAt: start, activeAt: start))
    }

    private func refusal<T>(_ body: () throws -> T) -> UploadRefusal? {
        do {
            _ = try body()
            return nil
        } catch {
            return error as? UploadRefusal
        }
    }

    @Test("chunks come in any order, each counts once, and each step puts the deadline off")
    func chunks() throws {
        var upload = try upload()
        for index in [2, 0, 1] as [Int64] {
            let place = try UploadMachine.place(ofChunk: index, in: upload)
            upload = try UploadMachine.store(place, fence: 0, in: upload, now: later)
            #expect(refusal { try UploadMachine.place(ofChunk: index, in: upload) } == .stored(chunk: index))
        }
        #expect(upload.isWhole && upload.progress == 100)
        #expect(UploadMachine.deadline(of: upload, Self.limits) == later.advanced(by: .seconds(60)))
        try UploadMachine.requireWhole(upload)
    }

    @Test("a chunk that can't be is refused", arguments: [-1, 3, .max, .min] as [Int64])
    func noSuchChunk(index: Int64) throws {
        let upload = try upload()
        #expect(refusal { try UploadMachine.place(ofChunk: index, in: upload) } == .noSuchChunk(count: 3))
    }

    @Test("whoever appends takes the upload over: what was being written before is refused, and what lies behind is forgotten")
    func takingOver() throws {
        let fresh = try upload()
        let gap = try UploadMachine.store(20..<25, fence: 0, in: fresh, now: later)
        let first = try UploadMachine.append(at: 0, length: nil, to: gap, Self.limits, now: later)
        #expect(first.fence == 1 && first.stored.isEmpty)
        #expect(refusal { try UploadMachine.store(0..<10, fence: 0, in: first, now: later) } == .takenOver)
        let kept = try UploadMachine.store(0..<7, fence: 1, in: first, now: later)
        #expect(
            refusal { try UploadMachine.append(at: 3, length: nil, to: kept, Self.limits, now: later) }
                == .wrongOffset(expected: 7))
        let second = try UploadMachine.append(at: 7, length: 18, to: kept, Self.limits, now: later)
        #expect(second.fence == 2 && second.stored.prefix == 7)
        #expect(
            refusal { try UploadMachine.append(at: 7, length: 19, to: second, Self.limits, now: later) } == .tooLarge(max: 25))
        #expect(
            refusal { try UploadMachine.append(at: 7, length: .max, to: second, Self.limits, now: later) } == .tooLarge(max: 25))
        #expect(
            refusal { try UploadMachine.append(at: 7, length: -1, to: second, Self.limits, now: later) } == .tooLarge(max: 25))
        let third = try UploadMachine.takeOver(second, now: later)
        #expect(refusal { try UploadMachine.store(7..<9, fence: 2, in: third, now: later) } == .takenOver)
    }

    @Test("what is missing is named")
    func missing() throws {
        let some = try UploadMachine.store(10..<20, fence: 0, in: try upload(), now: later)
        #expect(refusal { try UploadMachine.requireWhole(some) } == .incomplete(missing: [0, 2], count: 2))
        #expect(refusal { try UploadMachine.requireWhole(try upload(size: nil)) } == .sizeUnknown)
        try UploadMachine.requireWhole(try upload(size: 0))
    }

    @Test("a size is said once, and fits what came")
    func sizes() throws {
        let open = try UploadMachine.store(0..<7, fence: 0, in: try upload(size: nil), now: later)
        #expect(open.progress == 0 && !open.isWhole)
        let known = try UploadMachine.declare(7, of: open, Self.limits, now: later)
        #expect(known.size == 7 && known.isWhole)
        #expect(refusal { try UploadMachine.declare(8, of: known, Self.limits, now: later) } == .otherLength(known: 7))
        #expect(refusal { try UploadMachine.declare(6, of: open, Self.limits, now: later) } == .otherLength(known: 7))
        for size in [-1, 1001, .max] as [Int64] {
            #expect(refusal { try UploadMachine.declare(size, of: open, Self.limits, now: later) } == .tooLarge(max: 1000))
        }
        #expect(refusal { try UploadMachine.store(0..<8, fence: 0, in: known, now: later) } == .tooLarge(max: 7))
    }

    @Test("more gaps than can be remembered are refused, and the chunks that fill them are not")
    func gaps() throws {
        var upload = try upload(size: 1_000_000)
        upload.chunkSize = 10
        for gap in 0..<Int64(ByteExtents.countMax) {
            upload = try UploadMachine.store(gap * 20..<gap * 20 + 10, fence: 0, in: upload, now: later)
        }
        #expect(refusal { try UploadMachine.store(900_000..<900_010, fence: 0, in: upload, now: later) } == .tooManyGaps)
        #expect(
            try UploadMachine.store(10..<20, fence: 0, in: upload, now: later).stored.ranges.count == ByteExtents.countMax - 1)
    }

    @Test("an upload that has ended takes nothing", arguments: [.completed, .failed, .expired, .cancelled] as [Upload.Status])
    func ended(status: Upload.Status) throws {
        var upload = try upload()
        upload.status = status
        #expect(refusal { try UploadMachine.place(ofChunk: 0, in: upload) } == .ended(status))
        #expect(refusal { try UploadMachine.append(at: 0, length: nil, to: upload, Self.limits, now: later) } == .ended(status))
        #expect(refusal { try UploadMachine.store(0..<10, fence: 0, in: upload, now: later) } == .ended(status))
        #expect(refusal { try UploadMachine.requireWhole(upload) } == .ended(status))
        #expect(refusal { try UploadMachine.takeOver(upload, now: later) } == .ended(status))
    }

    @Test("other bytes than the announced ones are refused; without an announcement all are taken")
    func hash() throws {
        var upload = try upload()
        try UploadMachine.requireHash([1], of: upload)
        upload.hash = [2]
        try UploadMachine.requireHash([2], of: upload)
        #expect(refusal { try UploadMachine.requireHash([1], of: upload) } == .otherHash(announced: [2], found: [1]))
    }

    @Test("speed and time left are told only where they mean something")
    func pace() throws {
        var upload = try upload(size: 100)
        #expect(UploadPace(upload).bytesPerSecond == nil && UploadPace(upload).secondsLeft == nil)
        upload = try UploadMachine.store(0..<50, fence: 0, in: upload, now: start)
        #expect(UploadPace(upload).bytesPerSecond == nil)
        upload = try UploadMachine.store(50..<60, fence: 0, in: upload, now: later)
        #expect(UploadPace(upload).bytesPerSecond == 12 && UploadPace(upload).secondsLeft == 3.3)
        upload.status = .completed
        #expect(UploadPace(upload).secondsLeft == nil && upload.progress == 100)
    }

    @Test("charges are rounded up and never trap")
    func charges() {
        #expect(Usage.charge(10, factor: 1) == 10 && Usage.charge(10, factor: 0.25) == 3 && Usage.charge(10, factor: 0) == 0)
        #expect(Usage.charge(.max, factor: 1000) == 9_000_000_000_000_000_000)
    }

    @Test(
        "a pool takes the types that it names",
        arguments: [
            ("image/png", true), ("IMAGE/PNG; q=1", true), ("text/csv", true), ("text/plain", false), ("imagex/png", false),
        ])
    func types(type: String, isTaken: Bool) {
        var pool = Pool.standard(isDefault: true)
        #expect(pool.accepts(type))
        pool.acceptTypes = ["image/*", "text/csv"]
        #expect(pool.accepts(type) == isTaken)
    }
}
