import HTTPTypes
import NIOCore
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

/// What becomes of the pieces of uploads.
@Suite struct PieceTidyingTests {
    /// A piece whose process died before it could say so.
    private func stray(of upload: Upload, at start: Int64, _ door: DriveDoor, mark: UInt8 = 7) async throws {
        let part = DriveKeys.piece(of: upload, at: start, [mark])
        let writer = try await door.feature.blobs.writer(try DriveKeys.blob(ofPart: part, door.tenant, in: upload.store))
        try await writer.append([1, 2, 3])
        _ = try await writer.finish()
    }

    @Test(
        "what a kill has left between a piece and its row is gone after one sweep, and the upload goes on",
        arguments: PieceStores.all)
    func kill(_ stores: PieceStores) async throws {
        let file = TestFile(3000)
        try await stores.withNodes { first, second in
            let task = try await first.serve { asking async throws in
                let task = try await asking.create(file)
                #expect(try await asking.put(file.chunk(0), 0, of: task).status == 200)
                return task
            }
            let upload = try await first.upload(task)
            try await stray(of: upload, at: 1000, first)
            #expect(try await first.keys().count == 2)
            // By the clock of the store it is new: of a later time nobody knows whether it is told yet.
            if first.blobs is MemoryBlobs {
                try await second.sweepLater()
                #expect(try await first.keys().count == 1)
                #expect(try await first.upload(task).fence == upload.fence + 1)
            }
            try await second.serve { asking async throws in
                for index in [1, 2] { #expect(try await asking.put(file.chunk(index), index, of: task).status == 200) }
                #expect(try await asking.complete(task).status == 200)
            }
            try await stray(of: upload, at: 2000, first, mark: 9)
            try await first.sweepLater()
            #expect(try await first.keys().count == 3)
            try await first.serve { asking async throws in #expect(try await asking.content(task) == file.bytes) }
            #expect(try await first.count("SELECT count(*) FROM drive_garbage") == 0)
        }
    }

    @Test("pieces of an upload that goes on stay, however old they are")
    func open() async throws {
        let file = TestFile(3000)
        let door = try await DriveDoor.pieced()
        try await door.serve { asking async throws in
            let task = try await asking.create(file)
            #expect(try await asking.put(file.chunk(1), 1, of: task).status == 200)
            for _ in 0..<3 { try await door.sweepLater() }
            #expect(try await door.upload(task).fence == 0)
            #expect(try await asking.put(file.chunk(0), 0, of: task).status == 200)
            #expect(try await asking.put(file.chunk(2), 2, of: task).status == 200)
            #expect(try await asking.complete(task)["hash"] == file.hash)
        }
    }

    @Test("whoever was held up between a piece and its row, and had it swept away, is refused")
    func heldUp() async throws {
        let file = TestFile(2000)
        let door = try await DriveDoor.pieced()
        let task = try await door.serve { try await $0.create(file) }
        let upload = try await door.upload(task)
        let service = UploadService(door.feature)
        let gathered = GatheredPiece(at: 0, door.staging)
        let piece = door.feature.pieces.small()
        _ = file.chunk(0).withUnsafeBytes { piece.append($0) }
        try await gathered.write(piece, at: 0)
        let writer = UploadWriter(0..<1000)
        let bytes = ReceivedBytes(range: 0..<1000, target: .piece(gathered), writer: writer, hash: nil)
        _ = try await service.keep(bytes, of: upload)
        #expect(try await door.keys().count == 1)
        try await door.otherNode().sweepLater()
        #expect(try await door.keys().isEmpty)
        await #expect(throws: UploadRefusal.takenOver) {
            _ = try await service.commit(bytes, of: upload, UploadSession()) { _, _ in }
        }
        #expect(try await door.keys().isEmpty)
        #expect(try await door.upload(task).stored.isEmpty)
    }

    @Test("who cancels, who expires and whose bytes are others leave no piece", arguments: [0, 1, 2])
    func ends(_ way: Int) async throws {
        let file = TestFile(2500)
        let door = try await DriveDoor.pieced()
        try await door.serve { asking async throws in
            switch way {
            case 0:
                let task = try await asking.putBackwards(file)
                #expect(try await asking.send(.delete, "\(Asking.path)/task/\(task)").status == 200)
            case 1:
                let task = try await asking.putBackwards(file)
                door.time.advance(by: DriveDoor.day + .seconds(1))
                try await door.tester.engine.sweepNext()
                #expect(try await door.upload(task).status == .expired)
            default:
                let task = try await asking.create(TestFile(2500, seed: 2))
                for index in 0..<3 { _ = try await asking.put(file.chunk(index), index, of: task) }
                #expect(try await asking.complete(task).status == 422)
            }
        }
        try await door.sweepLater()
        #expect(try await door.keys().isEmpty)
        #expect(try await door.count("SELECT count(*) FROM drive_parts") == 0)
        #expect(try await door.count("SELECT count(*) FROM drive_garbage") == 0)
        try await door.checkQuota()
    }

    @Test("equal bytes are kept once, in the pieces that came first, until nobody has them")
    func duplicates() async throws {
        let file = TestFile(2500)
        let door = try await DriveDoor.pieced()
        try await door.serve { asking async throws in
            let ann = try await asking.putBackwards(file)
            #expect(try await asking.complete(ann).status == 200)
            let kept = try await door.keys()
            #expect(kept.count == 3)
            let bob = try await asking.upload(file, user: "bob")
            #expect(bob.status == 200)
            #expect(try await door.keys() == kept)
            #expect(try await asking.send(.delete, "/api/files/\(ann)").status == 204)
            #expect(try await asking.content(try #require(bob["id"]), user: "bob") == file.bytes)
            #expect(try await asking.send(.delete, "/api/files/\(bob["id"] ?? "")", user: "bob").status == 204)
        }
        #expect(try await door.keys().isEmpty)
    }

    @Test("small pieces are written as one blob: at once, or by a job that any node does", arguments: [1 << 20, 1000])
    func merging(_ atOnce: Int64) async throws {
        let file = TestFile(5500)
        let door = try await DriveDoor.pieced(merging: PieceMerging(), finishedAtOnceMax: atOnce)
        let other = door.otherNode()
        try await door.serve { asking async throws in
            let task = try await asking.putBackwards(file)
            let answer = try await asking.complete(task)
            if atOnce == 1000 {
                #expect(answer.status == 202, "\(answer.text)")
                #expect(other.running.feature != nil)
                try await other.work()
            } else {
                #expect(answer.status == 200, "\(answer.text)")
            }
            #expect(try await asking.complete(task)["hash"] == file.hash)
            try await door.feature.collectGarbage(of: nil, now: door.time.now())
            #expect(try await door.keys() == ["files/acme/\(task)"])
            #expect(try await asking.content(task) == file.bytes)
            #expect(try await door.count("SELECT count(*) FROM drive_parts") == 0)
        }
        try await door.checkQuota()
    }

    @Test("in any store one blob takes the place of small pieces", arguments: PieceStores.all)
    func mergingAnywhere(_ stores: PieceStores) async throws {
        let file = TestFile(3500)
        try await stores.withNodes(merging: PieceMerging()) { first, second in
            try await first.serve { asking async throws in
                let task = try await asking.putBackwards(file)
                try await second.serve { asking async throws in #expect(try await asking.complete(task)["hash"] == file.hash) }
                try await first.feature.collectGarbage(of: nil, now: first.time.now())
                #expect(try await first.keys() == ["files/acme/\(task)"])
                #expect(try await asking.content(task) == file.bytes)
            }
        }
    }

    @Test(
        "pieces are merged that are too many, or shorter than a store is good at",
        arguments: [
            (1, 5, false), (2, 5, true), (2, 100, false), (3, 199, true), (3, 200, false), (10, 900, false), (11, 100_000, true),
        ])
    func isDue(pieces: Int, bytes: Int64, isDue: Bool) {
        #expect(PieceMerging(bytesMin: 100, piecesMax: 10).isDue(pieces: pieces, bytes: bytes) == isDue)
        #expect(!PieceMerging().isDue(pieces: 0, bytes: 0))
    }

    @Test("two that complete one upload at a time at two nodes make one file")
    func completingTogether() async throws {
        let file = TestFile(5500)
        let door = try await DriveDoor.pieced(merging: PieceMerging())
        let other = door.otherNode()
        try await door.serve { here async throws in
            try await other.serve { there async throws in
                let task = try await here.putBackwards(file)
                async let one = here.complete(task)
                async let two = there.complete(task)
                let answers = try await [one, two]
                #expect(answers.allSatisfy { $0.status == 200 && $0["hash"] == file.hash }, "\(answers.map(\.text))")
                #expect(try await there.content(task) == file.bytes)
            }
        }
        try await door.sweepLater()
        #expect(try await door.keys().count == 1)
        try await door.checkQuota()
    }

    @Test("an encrypted file is made of pieces, which go with that")
    func encrypted() async throws {
        let file = TestFile(3500)
        let door = try await DriveDoor.pieced()
        try await door.serve { asking async throws in
            let task = try await asking.putBackwards(file, more: #", "encryptPassword": "correct horse""#)
            #expect(try await asking.complete(task).status == 200)
            let answer = try await asking.send(
                .get, "/api/files/\(task)/content", headers: [FilePassword.field: #""correct horse""#])
            #expect(answer.status == 200 && answer.body == file.bytes)
        }
        try await door.sweepLater()
        #expect(try await door.keys().count == 1)
    }

    @Test("parts that came in pieces are joined without copying, and their bytes go with the last file that has them")
    func joined() async throws {
        let file = TestFile(4000)
        let door = try await DriveDoor.pieced()
        try await door.serve { asking async throws in
            var parts: [String] = []
            for start in [0, 2000] {
                let fields: HTTPFields = [TusFields.resumable: "1.0.0", TusFields.length: "2000", TusFields.concat: "partial"]
                let url = try #require(
                    try await asking.send(.post, "/api/files/tus", headers: fields).headers[.location])
                for place in [0, 1200] {
                    let bytes = Array(file.bytes[start + place..<start + (place == 0 ? 1200 : 2000)])
                    let answer = try await asking.send(
                        .patch, url, bytes, media: TusFields.mediaType,
                        headers: [TusFields.resumable: "1.0.0", TusFields.offset: "\(place)"])
                    #expect(answer.status == 204, "\(answer.text)")
                }
                parts.append(url)
            }
            let kept = try await door.keys()
            #expect(kept.count == 4)
            let answer = try await asking.send(
                .post, "/api/files/tus",
                headers: [TusFields.resumable: "1.0.0", TusFields.concat: "final;\(parts[0]) \(parts[1]) \(parts[0])"])
            #expect(answer.status == 201, "\(answer.text)")
            let id = try #require(answer.headers[.location]?.split(separator: "/").last).description
            let whole = file.bytes + file.bytes[..<2000]
            #expect(try await asking.content(id) == whole)
            #expect(try await door.keys() == kept)
            for url in parts {
                #expect(try await asking.send(.delete, url, headers: [TusFields.resumable: "1.0.0"]).status == 204)
            }
            try await door.sweepLater()
            #expect(try await asking.content(id) == whole)
            let part = try await asking.send(.get, "/api/files/\(id)/content", headers: [.range: "bytes=1100-4100"])
            #expect(part.body == Array(whole[1100...4100]))
            #expect(try await asking.send(.delete, "/api/files/\(id)").status == 204)
        }
        try await door.sweepLater()
        #expect(try await door.keys().isEmpty)
        #expect(try await door.count("SELECT count(*) FROM drive_parts") == 0)
        try await door.checkQuota()
    }

    @Test("what was sent in one request that has gone silent is ended, at whatever node it was")
    func plain() async throws {
        let door = try await DriveDoor.pieced()
        let file = TestFile(500)
        let task = try await door.serve { try await $0.create(file) }
        try await door.database.write { try $0.execute("UPDATE drive_uploads SET wire = 'plain'") }
        let other = door.otherNode()
        try await other.feature.failBrokenOff(now: other.time.now())
        #expect(try await door.upload(task).status == .inProgress)
        try await other.sweepLater()
        #expect(try await door.upload(task).status == .failed)
        try await door.serve { asking async throws in
            let answer = try await asking.send(.post, "/api/files?name=a.txt", file.bytes, media: "text/plain")
            #expect(answer.status == 201 && answer["hash"] == file.hash)
            #expect(try await asking.content(try #require(answer["id"])) == file.bytes)
            let empty = try await asking.send(.post, "/api/files?name=b.txt", [], media: "text/plain")
            #expect(empty.status == 201, "\(empty.text)")
            #expect(try await asking.content(try #require(empty["id"])).isEmpty)
        }
    }

    @Test("a tenant that is erased leaves no piece, of files and of what is open")
    func erased() async throws {
        let door = try await DriveDoor.pieced()
        try await door.serve { asking async throws in
            #expect(try await asking.complete(try await asking.putBackwards(TestFile(2500))).status == 200)
            _ = try await asking.putBackwards(TestFile(1500, seed: 3))
        }
        try await door.erase()
        #expect(try await door.keys().isEmpty)
        for table in ["drive_parts", "drive_uploads", "drive_garbage", "drive_contents"] {
            #expect(try await door.count("SELECT count(*) FROM \(table)") == 0, "\(table)")
        }
    }

    @Test("an upload that an older version has begun in a node's folder goes on there, and anywhere after a sweep")
    func older() async throws {
        let file = TestFile(5000)
        let door = try await DriveDoor.pieced()
        let other = door.otherNode()
        try await door.serve { here in
            try await other.serve { there in
                let task = try await here.create(file)
                try await door.database.write { try $0.execute("UPDATE drive_uploads SET place = ''") }
                for index in [0, 2, 3] { #expect(try await here.put(file.chunk(index), index, of: task).status == 200) }
                #expect(try await door.stored() == (blobs: 0, staged: 1))
                try await door.database.write { try $0.execute("UPDATE drive_uploads SET place = 'node-2:/data'") }
                try await door.feature.sweep(now: door.time.now(), withStrays: true)
                #expect(try await here.put(file.chunk(1), 1, of: task).code == "UPLOAD_ELSEWHERE")
                try await door.database.write { try $0.execute("UPDATE drive_uploads SET place = ''") }
                try await door.feature.sweep(now: door.time.now(), withStrays: true)
                #expect(try await door.stored() == (blobs: 2, staged: 0))
                for index in [1, 4] { #expect(try await there.put(file.chunk(index), index, of: task).status == 200) }
                #expect(try await there.complete(task)["hash"] == file.hash)
                #expect(try await here.content(task) == file.bytes)
            }
        }
        try await door.checkQuota()
    }
}
