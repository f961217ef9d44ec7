import HTTPTypes
import NIOCore
import Testing
import WaybillBlobs
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

/// Uploads whose requests come to two nodes in turns.
@Suite struct TwoNodesTests {
    private static let tus: HTTPFields = [TusFields.resumable: "1.0.0"]

    @Test(
        "two nodes take the chunks of one upload in turns, and completing copies nothing", arguments: PieceStores.all)
    func chunks(_ stores: PieceStores) async throws {
        let file = TestFile(5500)
        try await stores.withNodes { first, second in
            try await first.serve { here async throws in
                try await second.serve { there async throws in
                    let task = try await here.create(file)
                    for index in [3, 0, 1, 5, 4, 2] {
                        let asking = index.isMultiple(of: 2) ? here : there
                        let answer = try await asking.put(file.chunk(index), index, of: task)
                        #expect(answer.status == 200, "\(answer.text)")
                        #expect(try await (index == 1 ? here : there).put(file.chunk(index), index, of: task).status == 409)
                    }
                    let before = try await first.keys()
                    #expect(before.count == 6)
                    let done = try await there.complete(task)
                    #expect(done.status == 200 && done["hash"] == file.hash, "\(done.text)")
                    #expect(try await here.complete(task)["hash"] == file.hash)
                    #expect(try await first.keys() == before)
                    for asking in [here, there] { #expect(try await asking.content(task) == file.bytes) }
                    for (start, end) in [(0, 999), (999, 1000), (900, 3100), (2000, 2999), (5499, 5499)] {
                        let part = try await here.send(
                            .get, "/api/files/\(task)/content", headers: [.range: "bytes=\(start)-\(end)"])
                        #expect(part.status == 206 && part.body == Array(file.bytes[start...end]))
                    }
                    #expect(try await here.send(.delete, "/api/files/\(task)").status == 204)
                }
            }
            try await first.sweepLater()
            #expect(try await first.keys().isEmpty)
            #expect(try await first.count("SELECT count(*) FROM drive_garbage") == 0)
            try await first.checkQuota()
        }
    }

    @Test("bytes are appended at two nodes in turns by tus, and the file ends with the last ones", arguments: PieceStores.all)
    func tus(_ stores: PieceStores) async throws {
        let file = TestFile(4000)
        try await stores.withNodes { first, second in
            try await first.serve { here async throws in
                try await second.serve { there async throws in
                    var fields = Self.tus
                    fields[TusFields.length] = "4000"
                    let url = try #require(try await here.send(.post, "/api/files/tus", headers: fields).headers[.location])
                    for (number, start) in stride(from: 0, to: 4000, by: 800).enumerated() {
                        let asking = number.isMultiple(of: 2) ? there : here
                        var fields = Self.tus
                        fields[TusFields.offset] = "\(start)"
                        let answer = try await asking.send(
                            .patch, url, Array(file.bytes[start..<start + 800]), media: TusFields.mediaType, headers: fields)
                        #expect(answer.status == 204, "\(answer.text)")
                        let head = try await (number.isMultiple(of: 2) ? here : there).send(.head, url, headers: Self.tus)
                        #expect(head.headers[TusFields.offset] == "\(start + 800)")
                    }
                    let id = try #require(url.split(separator: "/").last)
                    #expect(try await here.content(String(id)) == file.bytes)
                    #expect(try await here.get("/api/files/\(id)")["hash"] == file.hash)
                }
            }
            #expect(try await first.keys().count == 5)
            try await first.checkQuota()
        }
    }

    @Test("bytes are appended at two nodes in turns by the IETF's protocol")
    func resumable() async throws {
        let file = TestFile(4000)
        let first = try await DriveDoor.pieced()
        try await first.serve { asking async throws in
            try await first.otherNode().serve { other async throws in
                let (here, there) = (ResumableClient(asking: asking), ResumableClient(asking: other))
                let url = try await here.create(file.chunk(0))
                #expect(try await there.offset(url) == 1000)
                #expect(try await there.patch(url, 1000, file.chunk(1), last: false).status == 204)
                #expect(try await here.patch(url, 1000, file.chunk(1), last: false).status == 409)
                #expect(try await here.patch(url, 2000, file.chunk(2), last: false).status == 204)
                let last = try await there.patch(url, 3000, file.chunk(3), last: true)
                #expect(last.status == 201 && last["hash"] == file.hash, "\(last.text)")
                #expect(try await asking.content(try #require(last["id"])) == file.bytes)
            }
        }
        try await first.checkQuota()
    }

    @Test("an upload that was begun in chunks is gone on with by tus at another node, and what lay behind the gap is forgotten")
    func wires() async throws {
        let file = TestFile(4000)
        let first = try await DriveDoor.pieced()
        try await first.serve { here async throws in
            try await first.otherNode().serve { there async throws in
                let task = try await here.create(file)
                for index in [0, 3] { #expect(try await here.put(file.chunk(index), index, of: task).status == 200) }
                var fields = Self.tus
                fields[TusFields.offset] = "1000"
                let url = "/api/files/tus/\(task)"
                let bytes = Array(file.bytes[1000..<2300])
                #expect(
                    try await there.send(.patch, url, bytes, media: TusFields.mediaType, headers: fields).status == 204)
                try await first.feature.collectGarbage(of: nil, now: first.time.now())
                #expect(try await first.keys().count == 2)
                // A chunk of which some is there brings the rest alone.
                #expect(try await here.put(file.chunk(2), 2, of: task).status == 200)
                #expect(try await there.put(file.chunk(2), 2, of: task).code == "CHUNK_STORED")
                #expect(try await there.put(file.chunk(3), 3, of: task).status == 200)
                let done = try await here.complete(task)
                #expect(done.status == 200 && done["hash"] == file.hash, "\(done.text)")
                #expect(try await here.content(task) == file.bytes)
            }
        }
        #expect(try await first.count("SELECT count(*) FROM drive_parts") == 4)
        try await first.checkQuota()
    }

    @Test("chunks of one node are hashed from what is still there, in whatever order they come, and nothing is read at the end")
    func hashed() async throws {
        let file = TestFile(5500)
        let first = try await DriveDoor.pieced(finishedAtOnceMax: 0)
        try await first.serve { asking async throws in
            let task = try await asking.create(file)
            for index in [2, 1, 5, 0, 4, 3] { #expect(try await asking.put(file.chunk(index), index, of: task).status == 200) }
            let done = try await asking.complete(task)
            #expect(done.status == 200 && done["hash"] == file.hash, "\(done.text)")
            #expect(!first.feature.sessions.recent.has(0, of: try #require(JobID(task))))
        }
    }

    @Test("few pieces are kept for their hash, and the oldest ones go")
    func recent() throws {
        let recent = RecentPieces(bytesMax: 100)
        let staging = MemoryStaging(MemoryBlobs())
        let ids = try (0..<3).map { try #require(JobID("01890a5d-ac96-774b-bcce-00000000000\($0)")) }
        for (number, id) in ids.enumerated() {
            recent.add(GatheredPiece(at: Int64(number) * 40, staging), Int64(number) * 40..<Int64(number + 1) * 40, of: id)
        }
        #expect(!recent.has(0, of: ids[0]) && recent.has(40, of: ids[1]) && recent.has(119, of: ids[2]))
        #expect(!recent.has(120, of: ids[2]) && !recent.has(80, of: ids[1]))
        #expect(recent.take(50, of: ids[1])?.range == 40..<80 && recent.take(50, of: ids[1]) == nil)
        recent.forget(ids[2])
        #expect(!recent.has(80, of: ids[2]))
        recent.add(GatheredPiece(at: 0, staging), 0..<101, of: ids[0])
        #expect(!recent.has(0, of: ids[0]), "one that is too long is not kept")
    }

    // MARK: Two requests at a time

    /// Gives its first bytes, waits for a signal, and gives the rest.
    private actor Sending {
        private let reached = AsyncStream<Void>.makeStream()
        private let goOn = AsyncStream<Void>.makeStream()
        private var parts: [[UInt8]]
        private var given = 0

        init(_ parts: [[UInt8]]) {
            self.parts = parts
        }

        func next() async -> ByteBuffer? {
            if given == 1 {
                reached.continuation.finish()
                for await _ in goOn.stream {}
            }
            given += 1
            return parts.isEmpty ? nil : ByteBuffer(bytes: parts.removeFirst())
        }

        func untilHeld() async { for await _ in reached.stream {} }
        func release() { goOn.continuation.finish() }
    }

    private func begun(_ door: DriveDoor, _ file: TestFile) async throws -> Upload {
        try await door.upload(try await door.serve { try await $0.create(file) })
    }

    private func append(_ bytes: ArraySlice<UInt8>, at offset: Int, to upload: Upload, _ door: DriveDoor) async throws -> Upload {
        var parts = [ByteBuffer(bytes: bytes)]
        return try await UploadService(door.feature).append(
            to: upload, at: Int64(offset), length: nil, writing: { _, _ in }, next: { parts.popLast() })
    }

    private func put(_ index: Int, of file: TestFile, to upload: Upload, _ door: DriveDoor) async throws -> Upload {
        var parts = [ByteBuffer(bytes: file.chunk(index))]
        return try await UploadService(door.feature).storeChunk(
            Int64(index), of: upload, writing: { _, _ in }, next: { parts.popLast() })
    }

    @Test("a newer request at another node takes over: the older one's next step is refused, and what it put goes")
    func takeOver() async throws {
        let file = TestFile(4000)
        let first = try await DriveDoor.pieced(step: 1000)
        let second = first.otherNode()
        let upload = try await begun(first, file)
        let wrong = [UInt8](repeating: 1, count: 1500)
        let sending = Sending([file.chunk(0) + file.chunk(1), wrong])
        let older = Task {
            try await UploadService(first.feature).append(to: upload, at: 0, length: nil, writing: { _, _ in }) {
                await sending.next()
            }
        }
        await sending.untilHeld()
        let offset = Int(try await UploadService(second.feature).stopAppending(to: upload).stored.prefix)
        // The step may have been told by then, or may not.
        #expect([0, 2000].contains(offset))
        #expect(try await append(file.bytes[offset...], at: offset, to: upload, second).isWhole)
        await sending.release()
        await #expect(throws: UploadRefusal.takenOver) { _ = try await older.value }
        guard case .file(let done) = try await UploadService(first.feature).complete(upload, writing: { _, _ in }) else {
            Issue.record("a job was begun for it")
            return
        }
        try await first.serve { asking async throws in #expect(try await asking.content(done.id.text) == file.bytes) }
        #expect(try await first.keys().count == (offset == 0 ? 1 : 2))
        try await first.checkQuota()
    }

    @Test("a chunk that comes to another node ends who appends, and stays")
    func chunkOverAppend() async throws {
        let file = TestFile(4000)
        let first = try await DriveDoor.pieced(step: 1000)
        let second = first.otherNode()
        let upload = try await begun(first, file)
        let sending = Sending([file.chunk(0), file.chunk(1) + file.chunk(2)])
        let older = Task {
            try await UploadService(first.feature).append(to: upload, at: 0, length: nil, writing: { _, _ in }) {
                await sending.next()
            }
        }
        await sending.untilHeld()
        #expect(try await put(2, of: file, to: upload, second).stored.ranges.contains(2000..<3000))
        await sending.release()
        await #expect(throws: UploadRefusal.takenOver) { _ = try await older.value }
        for index in [1, 3] { _ = try await put(index, of: file, to: upload, index == 1 ? first : second) }
        try await second.serve { asking async throws in
            #expect(try await asking.complete(upload.id.text).status == 200)
            #expect(try await asking.content(upload.id.text) == file.bytes)
        }
        #expect(try await first.keys().count == 4)
    }

    @Test("of one chunk that comes to two nodes at a time the first one told stays, and the other is a conflict")
    func sameChunk() async throws {
        let file = TestFile(2000)
        let first = try await DriveDoor.pieced()
        let upload = try await begun(first, file)
        let sending = Sending([[UInt8](repeating: 1, count: 500), [UInt8](repeating: 1, count: 500)])
        let slow = Task {
            try await UploadService(first.feature).storeChunk(0, of: upload, writing: { _, _ in }) { await sending.next() }
        }
        await sending.untilHeld()
        for index in [0, 1] { _ = try await put(index, of: file, to: upload, first.otherNode()) }
        await sending.release()
        await #expect(throws: UploadRefusal.stored(chunk: 0)) { _ = try await slow.value }
        #expect(try await first.keys().count == 2)
        try await first.serve { asking async throws in
            #expect(try await asking.complete(upload.id.text)["hash"] == file.hash)
            #expect(try await asking.content(upload.id.text) == file.bytes)
        }
    }
}
