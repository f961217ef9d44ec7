import Foundation
import HTTPTypes
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

/// Pools with stores of their own.
@Suite struct StoreOfPoolTests {
    /// A door with a store `archive` beside its own.
    private func withDoor(
        _ kind: NamedStore.Kind = .folder, finishedAtOnceMax: Int64 = 64 << 20, merging: PieceMerging = PieceMerging(),
        _ body: (DriveDoor, NamedStore) async throws -> Void
    ) async throws {
        let folder = NSTemporaryDirectory() + "waybill-stores-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try NamedStore(kind, below: folder)
        var configuration = DriveFeature.Configuration(
            fileBytesMax: 10_000_000, chunkBytes: 1000, chunkBytesMin: 1, chunkBytesMax: 2000,
            finishedAtOnceMax: finishedAtOnceMax)
        configuration.merging = merging
        let door = try await DriveDoor(configuration: configuration, named: ["archive": store])
        try await body(door, store)
        try await door.checkQuota()
    }

    @Test("a pool is made with a store of the configuration, and its files lie there", arguments: NamedStore.Kind.allCases)
    func lands(kind: NamedStore.Kind) async throws {
        let file = TestFile(2500)
        try await withDoor(kind) { door, archive in
            try await door.serve { asking async throws in
                let pool = try await asking.pool("archive")
                let task = try await asking.create(file, more: #", "poolId": "\#(pool)""#)
                for index in [2, 0, 1] { #expect(try await asking.put(file.chunk(index), index, of: task).status == 200) }
                if kind == .folder {
                    #expect(try await archive.staged() == 1, "it is filled beside where it is to lie")
                } else {
                    #expect(try await archive.keys().count == 3, "its pieces lie there")
                    #expect(try await archive.staged() == 0)
                }
                #expect(try await asking.complete(task).status == 200)
                #expect(try await archive.keys() == ["files/acme/\(task)"])
                #expect(try await archive.staged() == 0)
                #expect(try await door.stored() == (0, 0))
                #expect(try await asking.content(task) == file.bytes)
                let range = try await asking.send(
                    .get, "/api/files/\(task)/content", headers: [.range: "bytes=990-1010"])
                #expect(range.status == 206 && range.body == Array(file.bytes[990...1010]))
                let plain = try await asking.send(
                    .post, "/api/files?name=b&poolId=\(pool)", TestFile(700, seed: 2).bytes, media: "text/plain")
                #expect(plain.status == 201, "\(plain.text)")
                #expect(try await archive.keys().count == 2)

                #expect(try await asking.send(.delete, "/api/files/\(task)").status == 204)
                let (left, id) = (try await archive.keys(), try #require(plain["id"]))
                #expect(left.count == 1 && left.allSatisfy { $0.contains(id) }, "its bytes go with it: \(left)")
            }
            try await door.feature.sweep(now: door.time.now(), withStrays: true)
            #expect(try await archive.keys().count == 1)
        }
    }

    @Test("equal bytes are kept once in each store, and go from each by themselves")
    func dedup() async throws {
        let file = TestFile(1500)
        try await withDoor { door, archive in
            try await door.serve { asking async throws in
                let pool = #", "poolId": "\#(try await asking.pool("archive"))""#
                let own = try await asking.upload(file)
                var there: [String] = []
                for user in ["bob", "cy"] {
                    let answer = try await asking.upload(file, more: pool, user: user)
                    #expect(answer.status == 200, "\(answer.text)")
                    there.append(try #require(answer["id"]))
                }
                #expect(try await archive.keys() == ["files/acme/\(there[0])"])
                #expect(try await door.stored() == (1, 0))
                #expect(try await asking.send(.delete, "/api/files/\(there[0])", user: "bob").status == 204)
                #expect(try await asking.content(there[1], user: "cy") == file.bytes)
                #expect(try await asking.send(.delete, "/api/files/\(try #require(own["id"]))").status == 204)
                #expect(try await door.stored() == (0, 0))
                #expect(try await asking.content(there[1], user: "cy") == file.bytes)
                #expect(try await asking.send(.delete, "/api/files/\(there[1])", user: "cy").status == 204)
                #expect(try await archive.keys() == [])
            }
        }
    }

    @Test("a pool that gets another store keeps its files where they are, and open uploads as well; new ones go there")
    func moved() async throws {
        let files = (1...3).map { TestFile(1500, seed: $0) }
        try await withDoor { door, archive in
            try await door.serve { asking async throws in
                let pool = try await asking.pool("default")
                let more = #", "poolId": "\#(pool)""#
                let first = try #require(try await asking.upload(files[0], more: more)["id"])
                let open = try await asking.create(files[1], more: more)
                let changed = try await asking.change(pool, #""store": "archive""#)
                #expect(changed.status == 200 && changed["store"] == "archive", "\(changed.text)")
                let last = try #require(try await asking.upload(files[2], more: more)["id"])
                for index in 0..<2 { try await asking.put(files[1].chunk(index), index, of: open) }
                #expect(try await asking.complete(open).status == 200)
                #expect(try await archive.keys() == ["files/acme/\(last)"])
                #expect(try await door.stored().blobs == 2)
                for (id, file) in zip([first, open, last], files) { #expect(try await asking.content(id) == file.bytes) }
                #expect(try await asking.change(pool, #""maxFileSize": 5000"#)["store"] == "archive", "what is not said stays")
            }
        }
    }

    @Test("a store that is not configured is refused by its name")
    func unknown() async throws {
        try await withDoor { door, _ in
            try await door.serve { asking async throws in
                for store in ["", "Archive", "nowhere", "../x"] {
                    let made = try await asking.json(
                        .post, "/api/pools", #"{"name": "a", "store": "\#(store)"}"#, user: "root", roles: ["admin"])
                    #expect(made.status == 400 && made.text.contains("store"), "\(made.text)")
                    if store == "nowhere" {
                        #expect(made.text.contains("‘nowhere’") && made.text.contains("default, archive"), "\(made.text)")
                    }
                    let changed = try await asking.change(Pool.standardID, #""store": "\#(store)""#)
                    #expect(changed.status == 400, "\(changed.text)")
                }
                let standard = try await asking.change(Pool.standardID, #""store": "archive""#)
                #expect(standard.status == 200 && standard["store"] == "archive", "\(standard.text)")
                #expect(try await asking.get("/api/pools").array.map { $0["store"]?.string } == ["archive"])
            }
        }
    }

    @Test("an encrypted file is written where its pool has its store, and read from there by ranges")
    func encrypted() async throws {
        let file = TestFile(150_000)
        let password: HTTPFields = [FilePassword.field: #""correct horse battery""#]
        try await withDoor(.bucket) { door, archive in
            try await door.serve { asking async throws in
                let pool = try await asking.pool("archive")
                let made = try await asking.send(
                    .post, "/api/files?name=a&poolId=\(pool)", file.bytes, media: "text/plain", headers: password)
                #expect(made.status == 201, "\(made.text)")
                let id = try #require(made["id"])
                #expect(try await archive.keys().map { $0.hasPrefix("files/acme/\(id).") } == [true])
                #expect(try await archive.staged() == 0)
                #expect(try await door.stored() == (0, 0))
                var fields = password
                fields[.range] = "bytes=70000-140000"
                let range = try await asking.send(.get, "/api/files/\(id)/content", headers: fields)
                #expect(range.status == 206 && range.body == Array(file.bytes[70_000...140_000]))
                #expect(try await asking.send(.delete, "/api/files/\(id)").status == 204)
                #expect(try await archive.keys() == [])
            }
        }
    }

    @Test("what takes long is done by a job in the pool's store as well")
    func byJob() async throws {
        let file = TestFile(5500)
        try await withDoor(.bucket, finishedAtOnceMax: 1000) { door, archive in
            try await door.serve { asking async throws in
                let pool = try await asking.pool("archive")
                let answer = try await asking.upload(file, more: #", "poolId": "\#(pool)""#)
                #expect(answer.status == 202, "its pieces have to be merged: \(answer.text)")
                let own = try await asking.upload(file)
                #expect(own.status == 200, "it has to be renamed")
                try await door.work()
                let id = try #require(answer["id"])
                #expect(try await asking.content(id) == file.bytes)
                #expect(try await archive.keys() == ["files/acme/\(id)"])
            }
        }
    }

    @Test("an upload that ends without a file leaves nothing in the pool's store", arguments: NamedStore.Kind.allCases)
    func cancelled(kind: NamedStore.Kind) async throws {
        let file = TestFile(1500)
        try await withDoor(kind) { door, archive in
            try await door.serve { asking async throws in
                let more = #", "poolId": "\#(try await asking.pool("archive"))""#
                let task = try await asking.create(file, more: more)
                try await asking.put(file.chunk(0), 0, of: task)
                #expect(try await archive.left() == 1)
                #expect(try await asking.send(.delete, "\(Asking.path)/task/\(task)").status == 200)
                #expect(try await archive.left() == 0)
                let idle = try await asking.create(file, more: more)
                try await asking.put(file.chunk(0), 0, of: idle)
            }
            door.time.advance(by: DriveDoor.day * 2)
            try await door.tester.engine.sweepNext()
            try await door.feature.sweep(now: door.time.now(), withStrays: true)
            #expect(try await archive.left() == 0)
            try await door.sweepLater()
            #expect(try await door.count("SELECT count(*) FROM drive_garbage") == 0)
        }
    }

    // MARK: Pieces

    @Test("two nodes take the chunks of an upload to a bucket of a pool in turns, and completing copies nothing")
    func pieces() async throws {
        let file = TestFile(5500)
        try await withDoor(.bucket, merging: PieceMerging(bytesMin: 0)) { first, archive in
            try await first.serve { here async throws in
                try await first.otherNode().serve { there async throws in
                    let task = try await here.create(file, more: #", "poolId": "\#(try await here.pool("archive"))""#)
                    for index in [3, 0, 1, 5, 4, 2] {
                        let asking = index.isMultiple(of: 2) ? here : there
                        #expect(try await asking.put(file.chunk(index), index, of: task).status == 200)
                    }
                    let before = try await archive.keys()
                    #expect(before.count == 6 && before.allSatisfy { $0.hasPrefix("files/acme/pieces/\(task)/") })
                    let done = try await there.complete(task)
                    #expect(done.status == 200 && done["hash"] == file.hash, "\(done.text)")
                    #expect(try await archive.keys() == before)
                    for asking in [here, there] { #expect(try await asking.content(task) == file.bytes) }
                    let range = try await here.send(
                        .get, "/api/files/\(task)/content", headers: [.range: "bytes=900-3100"])
                    #expect(range.status == 206 && range.body == Array(file.bytes[900...3100]))
                    // In another store the same bytes are others.
                    let own = try #require(try await here.upload(file, user: "bob")["id"])
                    #expect(try await archive.keys() == before)
                    #expect(try await here.send(.delete, "/api/files/\(task)").status == 204)
                    #expect(try await here.content(own, user: "bob") == file.bytes)
                }
            }
            try await first.sweepLater()
            #expect(try await archive.keys().isEmpty)
            #expect(try await first.stored() == (1, 0))
            #expect(try await first.count("SELECT count(*) FROM drive_garbage") == 0)
        }
    }

    @Test("appending forgets the pieces behind a gap, and a piece of which no row tells goes, in the bucket of a pool")
    func strays() async throws {
        let file = TestFile(3000)
        try await withDoor(.bucket, merging: PieceMerging(bytesMin: 0)) { door, archive in
            @Sendable func stray(of upload: Upload, _ mark: UInt8) async throws {
                let part = DriveKeys.piece(of: upload, at: 1000, [mark])
                let writer = try await door.feature.blobs.writer(
                    try DriveKeys.blob(ofPart: part, door.tenant, in: upload.store))
                _ = try await writer.finish()
            }
            try await door.serve { asking async throws in
                let task = try await asking.create(file, more: #", "poolId": "\#(try await asking.pool("archive"))""#)
                for index in [0, 2] { #expect(try await asking.put(file.chunk(index), index, of: task).status == 200) }
                let fields: HTTPFields = [TusFields.resumable: "1.0.0", TusFields.offset: "1000"]
                let bytes = Array(file.bytes[1000..<1500])
                #expect(
                    try await asking.send(
                        .patch, "/api/files/tus/\(task)", bytes, media: TusFields.mediaType, headers: fields
                    ).status == 204)
                try await door.feature.collectGarbage(of: nil, now: door.time.now())
                #expect(try await archive.keys().count == 2)
                let upload = try await door.upload(task)
                try await stray(of: upload, 7)
                #expect(try await archive.keys().count == 3)
                try await door.sweepLater()
                #expect(try await archive.keys().count == 2)
                #expect(try await door.upload(task).fence == upload.fence + 1)
                for index in [1, 2] { #expect(try await asking.put(file.chunk(index), index, of: task).status == 200) }
                #expect(try await asking.complete(task)["hash"] == file.hash)
                try await stray(of: upload, 9)
                try await door.sweepLater()
                #expect(try await archive.keys().count == 4)
                #expect(try await asking.content(task) == file.bytes)
            }
        }
    }

    @Test("parts in pieces are joined where the file lies, without a byte copied, and are copied there from another store")
    func joined() async throws {
        let file = TestFile(4000)
        try await withDoor(.bucket, merging: PieceMerging(bytesMin: 0)) { door, archive in
            try await door.serve { asking async throws in
                let pools = [try await asking.pool("archive"), try await asking.pool("default")]
                @Sendable func tus(_ concat: String, to pool: String, _ fields: HTTPFields = [:]) async throws -> String {
                    var fields = fields
                    fields[TusFields.resumable] = "1.0.0"
                    fields[TusFields.concat] = concat
                    fields[TusFields.metadata] = "poolId \(Data(pool.utf8).base64EncodedString())"
                    let answer = try await asking.send(.post, "/api/files/tus", headers: fields)
                    #expect(answer.status == 201, "\(answer.text)")
                    return try #require(answer.headers[.location])
                }
                var parts: [String] = []
                for start in [0, 2000] {
                    let url = try await tus("partial", to: pools[0], [TusFields.length: "2000"])
                    for place in [start, start + 1200] {
                        let fields: HTTPFields = [TusFields.resumable: "1.0.0", TusFields.offset: "\(place - start)"]
                        let bytes = Array(file.bytes[place..<min(place + 1200, start + 2000)])
                        let answer = try await asking.send(.patch, url, bytes, media: TusFields.mediaType, headers: fields)
                        #expect(answer.status == 204, "\(answer.text)")
                    }
                    parts.append(url)
                }
                let kept = try await archive.keys()
                #expect(kept.count == 4)
                var ids: [String] = []
                for pool in pools {
                    let url = try await tus("final;\(parts.joined(separator: " "))", to: pool)
                    ids.append(try #require(url.split(separator: "/").last).description)
                    #expect(try await asking.content(ids.last ?? "") == file.bytes)
                    #expect(try await archive.keys() == kept)
                }
                #expect(try await door.blobs.list(prefix: "", after: nil, limit: 9).map(\.key.text) == ["files/acme/\(ids[1])"])
                for url in parts {
                    #expect(try await asking.send(.delete, url, headers: [TusFields.resumable: "1.0.0"]).status == 204)
                }
                try await door.sweepLater()
                #expect(try await archive.keys() == kept)
                for id in ids { #expect(try await asking.content(id) == file.bytes) }
                for id in ids { #expect(try await asking.send(.delete, "/api/files/\(id)").status == 204) }
            }
            try await door.sweepLater()
            #expect(try await archive.keys().isEmpty)
            #expect(try await door.stored() == (0, 0))
            #expect(try await door.count("SELECT count(*) FROM drive_parts") == 0)
        }
    }

    // MARK: Erasing

    @Test("an erased tenant leaves nothing in any store, and another one everything", arguments: NamedStore.Kind.allCases)
    func erased(kind: NamedStore.Kind) async throws {
        let file = TestFile(1500)
        try await withDoor(kind, merging: PieceMerging(bytesMin: 0)) { door, archive in
            try await door.serve { asking async throws in
                let more = #", "poolId": "\#(try await asking.pool("archive"))""#
                _ = try await asking.upload(file, more: more)
                _ = try await asking.upload(file, user: "bob")
                let open = try await asking.create(TestFile(1500, seed: 2), more: more)
                try await asking.put(file.chunk(0), 0, of: open)
            }
            let other = try #require(BlobKey("files/globex/a"))
            let writer = try await archive.blobs.writer(other)
            _ = try await writer.finish()
            try await door.erase()
            #expect(try await archive.keys() == [other.text])
            #expect(try await archive.staged() == 0)
            #expect(try await door.stored() == (0, 0))
            #expect(try await door.count("SELECT count(*) FROM drive_contents") == 0)
        }
    }
}

extension Asking {
    /// Makes a pool.
    /// - Returns: its id.
    func pool(_ store: String) async throws -> String {
        let made = try await json(
            .post, "/api/pools", #"{"name": "in \#(store)", "store": "\#(store)"}"#, user: "root", roles: ["admin"])
        try #require(made.status == 201 && made["store"] == store, "\(made.text)")
        return try #require(made["id"])
    }

    func change(_ pool: String, _ fields: String) async throws -> Answer {
        try await json(.put, "/api/pools/\(pool)", #"{"name": "changed", \#(fields)}"#, user: "root", roles: ["admin"])
    }
}
