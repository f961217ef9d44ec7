import Foundation
import HTTPTypes
import NIOCore
import Testing
import WaybillBlobs
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

/// Files of tus that are joined from parts.
@Suite struct TusConcatTests {
    private struct Client: Sendable {
        static let path = "/api/files/tus"
        let asking: Asking
        var user = "ann"

        func send(
            _ method: HTTPRequest.Method, _ url: String, _ more: HTTPFields = [:], _ body: [UInt8]? = nil
        ) async throws -> Asking.Answer {
            var fields = more
            fields[TusFields.resumable] = "1.0.0"
            return try await asking.send(
                method, url, body, media: body == nil ? nil : TusFields.mediaType, user: user, headers: fields)
        }

        func part(_ bytes: [UInt8], size: Int? = nil, pool: String? = nil) async throws -> String {
            var fields: HTTPFields = [TusFields.length: "\(size ?? bytes.count)", TusFields.concat: "partial"]
            if let pool { fields[TusFields.metadata] = metadata(pool) }
            let answer = try await send(.post, Self.path, fields, bytes.isEmpty ? nil : bytes)
            try #require(answer.status == 201, "\(answer.text)")
            return try #require(answer.headers[.location])
        }

        func patch(_ url: String, _ offset: Int, _ bytes: [UInt8]) async throws -> Asking.Answer {
            try await send(.patch, url, [TusFields.offset: "\(offset)"], bytes)
        }

        func join(_ parts: [String], _ more: HTTPFields = [:]) async throws -> Asking.Answer {
            var fields = more
            fields[TusFields.concat] = "final;" + parts.joined(separator: " ")
            return try await send(.post, Self.path, fields)
        }

        func metadata(_ pool: String) -> String { "poolId \(Data(pool.utf8).base64EncodedString())" }

        func id(_ answer: Asking.Answer) -> String { id(answer.headers[.location] ?? "") }
        func id(_ url: String) -> String { String(url.split(separator: "/").last ?? "") }
        /// What is used, and what is reserved.
        func quota() async throws -> [Int64?] {
            let account = try await asking.get("/api/quota").json["account"]
            return [account?["used"]?.integer, account?["reserved"]?.integer]
        }
    }

    private func serve(
        finishedAtOnceMax: Int64 = 64 << 20, named: [String: NamedStore] = [:],
        _ body: @Sendable (Client, DriveDoor) async throws -> Void
    ) async throws {
        let door = try await DriveDoor(
            configuration: .init(
                fileBytesMax: 10_000_000, chunkBytes: 1000, chunkBytesMin: 1, chunkBytesMax: 2000,
                finishedAtOnceMax: finishedAtOnceMax), named: named)
        try await door.serve { try await body(Client(asking: $0), door) }
        try await door.checkQuota()
    }

    @Test("parts become one file in the order in which they are named, some of them twice, and without a byte copied")
    func join() async throws {
        let file = TestFile(2500)
        try await serve { client, door in
            let parts = try await [file.chunk(1), file.chunk(0), [], file.chunk(2)].asyncMap { try await client.part($0) }
            let before = try await door.stored()
            let metadata =
                "filename \(Data("a.txt".utf8).base64EncodedString()),filetype \(Data("text/plain".utf8).base64EncodedString())"
            let joined = try await client.join(
                [parts[1], "http://example.org" + parts[0], parts[2], parts[3], parts[1]], [TusFields.metadata: metadata])
            #expect(joined.status == 201 && joined.headers[TusFields.offset] == "3500", "\(joined.text)")
            let whole = TestFile(2500).bytes + file.chunk(0)
            #expect(try await client.asking.content(client.id(joined)) == whole)
            let shown = try await client.asking.get("/api/files/\(client.id(joined))")
            var expected = file
            expected.bytes = whole
            #expect(shown["hash"] == expected.hash && shown["name"] == "a.txt" && shown["contentType"] == "text/plain")
            #expect(shown.number("size") == 3500)
            let after = try await door.stored()
            #expect(before == after, "no byte was written for it")
            let url = try #require(joined.headers[.location])
            let head = try await client.send(.head, url)
            #expect(head.headers[TusFields.offset] == "3500" && head.headers[TusFields.length] == "3500")
            #expect(head.headers[TusFields.concat]?.hasPrefix("final;") == true)
            let part = try await client.send(.head, parts[0])
            #expect(part.headers[TusFields.concat] == "partial" && part.headers[TusFields.offset] == "1000")
            #expect(try await client.patch(url, 3500, []).status == 403)
            #expect(try await client.asking.get("/api/files").array.count == 1, "parts are no files")
            #expect(try await client.asking.get("/api/files/\(client.id(parts[0]))").status == 404)
        }
    }

    @Test(
        "ranges run over the borders of parts, and the digest is that of the whole",
        arguments: [(0, 3), (998, 1002), (999, 1000), (500, 2400)])
    func ranges(first: Int, last: Int) async throws {
        let file = TestFile(2500)
        try await serve { client, door in
            let parts = try await (0..<3).map { file.chunk($0) }.asyncMap { try await client.part($0) }
            let id = client.id(try await client.join(parts))
            let answer = try await client.asking.send(
                .get, "/api/files/\(id)/content", headers: [.range: "bytes=\(first)-\(last)"])
            #expect(answer.status == 206 && answer.body == Array(file.bytes[first...last]))
            #expect(
                answer.headers[DigestFields.representation] == DigestFields.text(sha256: UploadFields.sha256(file.hash) ?? []))
        }
    }

    @Test("a file may be asked for while its parts still come, and is there with the last of them")
    func unfinished() async throws {
        let file = TestFile(2500)
        try await serve { client, door in
            let first = try await client.part(file.chunk(0))
            let second = try await client.part(Array(file.bytes[1000..<1200]), size: 1500)
            let joined = try await client.join([first, second])
            #expect(joined.status == 201 && joined.headers[TusFields.offset] == nil)
            let url = try #require(joined.headers[.location])
            let head = try await client.send(.head, url)
            #expect(head.status == 200 && head.headers[TusFields.offset] == nil && head.headers[TusFields.length] == "2500")
            #expect(try await client.patch(url, 0, [1]).status == 403)
            #expect(try await client.send(.delete, second).status == 409, "a file waits for it")
            #expect(try await client.patch(second, 200, Array(file.bytes[1200...])).status == 204)
            #expect(try await client.asking.content(client.id(url)) == file.bytes)
            #expect(try await client.send(.head, url).headers[TusFields.offset] == "2500")
        }
    }

    @Test(
        "parts that lie in several stores are put together in that of the file, in a request or by a job",
        arguments: [64 << 20, 1000] as [Int64])
    func stores(finishedAtOnceMax: Int64) async throws {
        let file = TestFile(2500)
        let (archive, media) = (NamedStore(), NamedStore())
        try await serve(finishedAtOnceMax: finishedAtOnceMax, named: ["archive": archive, "media": media]) { client, door in
            let pools = try await ["default", "archive", "media"].asyncMap { try await client.asking.pool($0) }
            var parts: [String] = []
            for index in 0..<3 { parts.append(try await client.part(file.chunk(index), pool: pools[index])) }
            let there = try await media.keys()
            #expect(there.count == 1)
            let joined = try await client.join(parts + [parts[0]], [TusFields.metadata: client.metadata(pools[1])])
            #expect(joined.status == 201, "\(joined.text)")
            try await door.work()
            let id = client.id(joined)
            let whole = file.bytes + file.chunk(0)
            #expect(try await client.asking.content(id) == whole)
            let shown = try await client.asking.get("/api/files/\(id)")
            #expect(shown["poolId"] == pools[1] && shown.number("size") == 3500)
            #expect(try await archive.keys().sorted() == ["files/acme/\(client.id(parts[1]))", "files/acme/\(id)"].sorted())
            #expect(
                try await client.quota() == [3500, 2500], "its bytes are its own, so parts that outlive it are charged again")
            for part in parts { #expect(try await client.send(.delete, part).status == 204) }
            #expect(try await archive.keys() == ["files/acme/\(id)"])
            #expect(try await media.keys() == [])
            #expect(try await door.stored() == (0, 0))
            #expect(try await client.asking.content(id) == whole)
            #expect(try await client.asking.send(.delete, "/api/files/\(id)").status == 204)
            #expect(try await archive.keys() == [])
        }
    }

    @Test("parts that lie where the file does are joined there without a byte copied, also in a store with a name")
    func store() async throws {
        let file = TestFile(2500)
        let archive = NamedStore()
        try await serve(named: ["archive": archive]) { client, door in
            let pool = try await client.asking.pool("archive")
            let parts = try await (0..<3).map { file.chunk($0) }.asyncMap { try await client.part($0, pool: pool) }
            let joined = try await client.join(parts, [TusFields.metadata: client.metadata(pool)])
            #expect(try await client.asking.content(client.id(joined)) == file.bytes)
            #expect(try await archive.keys().sorted() == parts.map { "files/acme/\(client.id($0))" }.sorted())
            for part in parts { #expect(try await client.send(.delete, part).status == 204) }
            #expect(try await client.asking.content(client.id(joined)) == file.bytes)
            #expect(try await client.asking.send(.delete, "/api/files/\(client.id(joined))").status == 204)
            #expect(try await archive.keys() == [])
        }
    }

    @Test("what was put together of an upload that then ends is not left in its store")
    func endedBetween() async throws {
        let file = TestFile(2500)
        let archive = NamedStore()
        try await serve(named: ["archive": archive]) { client, door in
            let pool = try await client.asking.pool("archive")
            let first = try await client.part(file.chunk(0))
            let second = try await client.part(Array(file.bytes[1000..<1200]), size: 1500)
            let joined = try await client.join([first, second], [TusFields.metadata: client.metadata(pool)])
            // As a crash leaves it that comes between the bytes and their row.
            let writer = try await archive.blobs.writer(try #require(BlobKey("files/acme/\(client.id(joined))")))
            _ = try await writer.finish()
            let cancelled = try await client.asking.send(.delete, "\(Asking.path)/task/\(client.id(joined))")
            #expect(cancelled.status == 200, "\(cancelled.text)")
            #expect(try await archive.keys() == [])
            #expect(try await client.patch(second, 200, Array(file.bytes[1200...])).status == 204, "the parts stay")
        }
    }

    @Test("the hash of a long one is computed behind the request, and until then it has no offset")
    func later() async throws {
        let file = TestFile(2500)
        try await serve(finishedAtOnceMax: 2000) { client, door in
            let parts = try await (0..<3).map { file.chunk($0) }.asyncMap { try await client.part($0) }
            let joined = try await client.join(parts)
            #expect(joined.status == 201 && joined.headers[TusFields.offset] == nil)
            let url = try #require(joined.headers[.location])
            #expect(try await client.send(.head, url).headers[TusFields.offset] == nil)
            #expect(try await client.asking.get("/api/files/\(client.id(url))").status == 404)
            try await door.work()
            #expect(try await client.send(.head, url).headers[TusFields.offset] == "2500")
            #expect(try await client.asking.content(client.id(url)) == file.bytes)
        }
    }

    @Test("bytes are charged once, whether the parts or the file has them, and are given back when neither is there")
    func quota() async throws {
        let file = TestFile(2000)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let client = Client(asking: asking)
            let parts = [try await client.part(file.chunk(0)), try await client.part(file.chunk(1))]
            #expect(try await client.quota() == [0, 2000])
            let joined = try await client.join(parts)
            #expect(try await client.quota() == [2000, 0])
            try await door.checkQuota()
            let again = try await client.join([parts[1], parts[1]])
            #expect(try await client.quota() == [4000, 0])
            #expect(try await asking.send(.delete, "/api/files/\(client.id(joined))").status == 204)
            #expect(try await client.quota() == [2000, 1000], "one part is by itself again")
            try await door.checkQuota()
            #expect(try await asking.content(client.id(again)) == file.chunk(1) + file.chunk(1))
            for part in parts { #expect(try await client.send(.delete, part).status == 204) }
            #expect(
                try await asking.content(client.id(again)) == file.chunk(1) + file.chunk(1), "it keeps the bytes of its parts")
            #expect(try await door.stored() == (1, 0))
            #expect(try await client.send(.delete, "\(Client.path)/\(client.id(again))").status == 204)
            #expect(try await client.quota() == [0, 0])
        }
        try await door.checkQuota()
        #expect(try await door.stored() == (0, 0))
        #expect(try await door.count("SELECT count(*) FROM drive_parts") == 0)
    }

    @Test("equal bytes are kept once, joined or not")
    func duplicates() async throws {
        let file = TestFile(2000)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let client = Client(asking: asking)
            let plain = try await asking.upload(file)
            let parts = [try await client.part(file.chunk(0)), try await client.part(file.chunk(1))]
            let joined = client.id(try await client.join(parts))
            #expect(try await door.count("SELECT count(*) FROM drive_parts") == 0, "the bytes were there already")
            try await door.checkQuota()
            #expect(try await asking.send(.delete, "/api/files/\(plain["id"] ?? "")").status == 204)
            #expect(try await asking.content(joined) == file.bytes)
            for part in parts { #expect(try await client.send(.delete, part).status == 204) }
            #expect(try await asking.content(joined) == file.bytes)
            #expect(try await door.stored() == (1, 0))
        }
        try await door.checkQuota()
    }

    @Test("idle parts expire, and what was joined from them stays; a file that waits expires with them")
    func expiry() async throws {
        let file = TestFile(2000)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let client = Client(asking: asking)
            let parts = [try await client.part(file.chunk(0)), try await client.part(file.chunk(1))]
            let open = try await client.part([1], size: 5)
            let joined = client.id(try await client.join(parts))
            let waiting = try #require(try await client.join([parts[0], open]).headers[.location])
            door.time.advance(to: door.time.now().advanced(by: DriveDoor.day + .seconds(1)))
            try await door.tester.engine.sweepNext()
            try await door.feature.sweep(now: door.time.now(), withStrays: false)
            for url in parts + [open, waiting] { #expect(try await client.send(.head, url).status == 410) }
            #expect(try await asking.content(joined) == file.bytes)
        }
        try await door.checkQuota()
        #expect(try await door.stored() == (2, 0))
    }

    @Test("what is no part of one's own can't be joined, and nothing changes")
    func refusals() async throws {
        try await serve { client, door in
            let part = try await client.part([1, 2])
            var bob = client
            bob.user = "bob"
            let other = try await bob.part([3])
            let unknown = "\(Client.path)/01890a5d-ac96-774b-bcce-b302099a8057"
            for url in [other, unknown, "/etc/passwd", "\(Client.path)/..", "x", "\(Client.path)/\(client.id(part))/y"] {
                #expect(try await client.join([part, url]).status == 404, "\(url)")
            }
            let file = try await client.send(.post, Client.path, [TusFields.length: "1"], [1])
            #expect(try await client.join([part, try #require(file.headers[.location])]).status == 400)
            let before = try await client.asking.get(Asking.path + "/tasks").array.count
            let bytes = try await client.send(.post, Client.path, [TusFields.concat: "final;\(part)"], [1])
            #expect(bytes.status == 403, "\(bytes.text)")
            #expect(try await client.asking.get(Asking.path + "/tasks").array.count == before, "nothing was begun")
            let joined = try #require(try await client.join([part]).headers[.location])
            #expect(try await client.join([joined]).status == 400)
            let sizeless = try await client.send(.post, Client.path, [TusFields.deferLength: "1", TusFields.concat: "partial"])
            #expect(try await client.join([part, try #require(sizeless.headers[.location])]).status == 409)
            #expect(try await client.join([part], [TusFields.length: "2"]).status == 400)
            #expect(try await client.asking.complete(client.id(part)).code == "UPLOAD_IS_PART")
            #expect(try await client.asking.put([9], 0, of: client.id(part)).status == 409)
            let whole = try await client.asking.send(
                .patch, "/api/files/resumable/\(client.id(part))", media: ResumableFields.mediaType,
                headers: [ResumableFields.offset: "2", ResumableFields.complete: "?1"])
            #expect(whole.status == 409)
            #expect(try await client.patch(part, 2, []).status == 204, "asked again, it is still whole")
            let wrong = "sha256 \(Data(String(repeating: "0", count: 64).utf8).base64EncodedString())"
            #expect(try await client.join([part], [TusFields.metadata: wrong]).status == 422)
            #expect(try await client.asking.get("/api/files").array.count == 2)
        }
    }

    @Test("after a crash parts are there, and a file that was asked for is made by the sweep")
    func crash() async throws {
        let file = TestFile(2000)
        let door = try await DriveDoor()
        let (parts, joined) = try await door.serve { asking async throws in
            let client = Client(asking: asking)
            let parts = [try await client.part(file.chunk(0)), try await client.part(Array(file.bytes[1000..<1500]), size: 1000)]
            let joined = try #require(try await client.join(parts).headers[.location])
            // As a process that dies with the last byte of a part.
            let service = UploadService(door.feature)
            let part = try await service.find(client.id(parts[1]), for: Principal(tenant: door.tenant, user: "ann", roles: []))
            var pieces = [ByteBuffer(bytes: file.bytes[1500...])]
            _ = try await service.append(to: part, at: 500, length: 500, writing: { _, _ in }, next: { pieces.popLast() })
            return (parts, joined)
        }
        let next = try await door.restarted()
        try await next.serve { asking async throws in
            let client = Client(asking: asking)
            #expect(try await client.send(.head, parts[1]).headers[TusFields.offset] == "1000")
            next.time.advance(to: next.time.now().advanced(by: .seconds(31)))
            try await next.feature.sweep(now: next.time.now(), withStrays: true)
            #expect(try await asking.content(client.id(joined)) == file.bytes)
        }
        try await next.checkQuota()
    }
}

extension Array {
    fileprivate func asyncMap<T>(_ transform: (Element) async throws -> T) async throws -> [T] {
        var all: [T] = []
        for element in self { all.append(try await transform(element)) }
        return all
    }
}
