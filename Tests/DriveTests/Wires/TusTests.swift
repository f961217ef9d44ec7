import Crypto
import Foundation
import HTTPTypes
import NIOCore
import Testing
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

@Suite struct TusTests {
    private static let path = "/api/files/tus"
    private static let version: HTTPFields = [TusFields.resumable: "1.0.0"]

    private struct Client: Sendable {
        let asking: Asking

        func send(
            _ method: HTTPRequest.Method, _ path: String = TusTests.path, _ fields: HTTPFields = [:], _ body: [UInt8]? = nil,
            user: String = "ann"
        ) async throws -> Asking.Answer {
            var headers = TusTests.version
            for field in fields { headers[field.name] = field.value }
            let answer = try await asking.send(
                method, path, body, media: body == nil ? nil : TusFields.mediaType, user: user, headers: headers)
            #expect(answer.headers[TusFields.resumable] == "1.0.0", "\(method) \(path): \(answer.status)")
            return answer
        }

        func create(_ size: Int, _ metadata: String? = nil, _ body: [UInt8]? = nil) async throws -> String {
            var fields: HTTPFields = [TusFields.length: "\(size)"]
            if let metadata { fields[TusFields.metadata] = metadata }
            let answer = try await send(.post, TusTests.path, fields, body)
            try #require(answer.status == 201, "\(answer.text)")
            return try #require(answer.headers[.location])
        }

        func patch(_ url: String, _ offset: Int, _ bytes: [UInt8], _ more: HTTPFields = [:]) async throws -> Asking.Answer {
            var fields = more
            fields[TusFields.offset] = "\(offset)"
            return try await send(.patch, url, fields, bytes)
        }

        func offset(_ url: String) async throws -> Int? {
            let answer = try await send(.head, url)
            #expect(answer.status == 200 && answer.headers[.cacheControl] == "no-store")
            return answer.headers[TusFields.offset].flatMap { Int($0) }
        }
    }

    private func serve(_ body: @Sendable (Client, DriveDoor) async throws -> Void) async throws {
        let door = try await DriveDoor()
        try await door.serve { try await body(Client(asking: $0), door) }
        try await door.checkQuota()
    }

    private static func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    @Test("what is known is told without credentials and without a version")
    func options() async throws {
        try await DriveDoor().serve { asking async throws in
            let answer = try await asking.send(.options, Self.path, signedIn: false)
            #expect(answer.status == 204 && answer.headers[TusFields.versions] == "1.0.0")
            #expect(answer.headers[TusFields.extensionNames]?.contains("creation-with-upload") == true)
            #expect(answer.headers[TusFields.maxSize] == "10000000")
            #expect(answer.headers[TusFields.checksumAlgorithms] == "sha1,sha256,sha512")
        }
    }

    @Test("an upload is begun, goes on where it is, and is a file at its end, whose offset is still told")
    func life() async throws {
        let file = TestFile(2500)
        try await serve { client, door in
            let metadata = "filename \(Self.base64("päss.txt")),filetype \(Self.base64("text/csv")),is_secret"
            let url = try await client.create(2500, metadata)
            #expect(try await client.offset(url) == 0)
            let first = try await client.patch(url, 0, Array(file.bytes[..<1000]))
            #expect(first.status == 204 && first.headers[TusFields.offset] == "1000")
            #expect(first.headers[TusFields.expires]?.hasSuffix(" GMT") == true)
            #expect(try await client.offset(url) == 1000)
            let head = try await client.send(.head, url)
            #expect(head.headers[TusFields.length] == "2500" && head.headers[TusFields.metadata] == metadata)
            let last = try await client.patch(url, 1000, Array(file.bytes[1000...]))
            #expect(last.status == 204 && last.headers[TusFields.offset] == "2500" && last.headers[TusFields.expires] == nil)
            #expect(try await client.offset(url) == 2500)
            let again = try await client.patch(url, 2500, [])
            #expect(again.status == 204 && again.headers[TusFields.offset] == "2500")
            let id = String(url.dropFirst(Self.path.count + 1))
            #expect(try await client.asking.content(id) == file.bytes)
            let shown = try await client.asking.get("/api/files/\(id)")
            #expect(shown["name"] == "päss.txt" && shown["contentType"] == "text/csv" && shown["hash"] == file.hash)
        }
    }

    @Test("the first bytes, or all, may come with the beginning; a file of nothing is there at once")
    func creationWithUpload() async throws {
        let file = TestFile(1500)
        try await serve { client, door in
            let some = try await client.create(1500, nil, Array(file.bytes[..<700]))
            #expect(try await client.offset(some) == 700)
            let whole = try await client.send(.post, Self.path, [TusFields.length: "1500"], file.bytes)
            #expect(whole.status == 201 && whole.headers[TusFields.offset] == "1500")
            let id = String(try #require(whole.headers[.location]).dropFirst(Self.path.count + 1))
            #expect(try await client.asking.content(id) == file.bytes)
            let empty = try await client.create(0)
            #expect(try await client.offset(empty) == 0)
            #expect(try await client.asking.content(String(empty.dropFirst(Self.path.count + 1))) == [])
        }
    }

    @Test("the length may be said later, and then stays")
    func deferredLength() async throws {
        let file = TestFile(1500)
        try await serve { client, door in
            let made = try await client.send(.post, Self.path, [TusFields.deferLength: "1"])
            let url = try #require(made.headers[.location])
            #expect(try await client.send(.head, url).headers[TusFields.deferLength] == "1")
            #expect(try await client.patch(url, 0, file.chunk(0)).status == 204)
            #expect(try await client.patch(url, 1000, [], [TusFields.length: "999"]).status == 400)
            #expect(try await client.patch(url, 1000, [], [TusFields.length: "1500"]).status == 204)
            #expect(try await client.patch(url, 1000, [], [TusFields.length: "1600"]).status == 400)
            let head = try await client.send(.head, url)
            #expect(head.headers[TusFields.length] == "1500" && head.headers[TusFields.deferLength] == nil)
            #expect(try await client.patch(url, 1000, file.chunk(1)).status == 204)
            #expect(try await client.asking.content(String(url.dropFirst(Self.path.count + 1))) == file.bytes)
        }
    }

    @Test("bytes with a checksum are taken when it is theirs, and else not at all")
    func checksum() async throws {
        let file = TestFile(1500)
        try await serve { client, door in
            let url = try await client.create(1500)
            let part = Array(file.bytes[..<600])
            let sums = [
                "sha1 \(Data(Insecure.SHA1.hash(data: part)).base64EncodedString())",
                "sha256 \(Data(SHA256.hash(data: part)).base64EncodedString())",
                "sha512 \(Data(SHA512.hash(data: part)).base64EncodedString())",
            ]
            for sum in sums {
                let wrong = try await client.patch(url, 0, file.chunk(1), [TusFields.checksum: sum])
                #expect(wrong.status == 460, "\(wrong.text)")
                #expect(try await client.offset(url) == 0)
            }
            for sum in ["md5 AAAA", "sha1", "sha1 ä", "sha1 !!", ""] {
                #expect(try await client.patch(url, 0, part, [TusFields.checksum: sum]).status == 400, "\(sum)")
            }
            #expect(try await client.patch(url, 0, part, [TusFields.checksum: sums[0]]).headers[TusFields.offset] == "600")
            #expect(try await client.patch(url, 600, Array(file.bytes[600...])).status == 204)
            #expect(try await client.asking.content(String(url.dropFirst(Self.path.count + 1))) == file.bytes)
        }
    }

    @Test("an upload whose first bytes are refused leaves nothing that holds room")
    func firstBytes() async throws {
        let file = TestFile(600)
        try await serve { client, door in
            let wrong = "sha256 \(Data(SHA256.hash(data: [1])).base64EncodedString())"
            let length: HTTPFields = [TusFields.length: "600"]
            let refused = try await client.send(
                .post, Self.path, [TusFields.length: "600", TusFields.checksum: wrong], file.bytes)
            #expect(refused.status == 460, "\(refused.text)")
            #expect(try await client.send(.post, Self.path, length, file.bytes + [1]).status == 413)
            #expect(
                try await client.send(.post, Self.path, [TusFields.length: "600", TusFields.checksum: "x"], [1]).status == 400)
            let reserved = try await client.asking.get("/api/quota").json["account"]?["reserved"]?.integer
            #expect(reserved == 0)
            try await door.checkQuota()
            let taken = try await client.send(.post, Self.path, length, file.bytes)
            #expect(taken.status == 201 && taken.headers[TusFields.offset] == "600")
        }
    }

    @Test("what does not fit is refused, and changes nothing")
    func refusals() async throws {
        let file = TestFile(1500)
        try await serve { client, door in
            let url = try await client.create(1500)
            _ = try await client.patch(url, 0, file.chunk(0))
            #expect(try await client.patch(url, 0, file.chunk(0)).status == 409)
            #expect(try await client.patch(url, 2000, file.chunk(0)).status == 409)
            #expect(try await client.patch(url, 1000, file.chunk(0)).status == 413, "more than was said")
            for offset in ["-1", "x", "1e3", "99999999999999999999"] {
                let answer = try await client.send(.patch, url, [TusFields.offset: offset], [1])
                #expect(answer.status == 400, "\(offset)")
            }
            #expect(try await client.send(.patch, url, [:], [1]).status == 400)
            #expect(try await client.offset(url) == 1000)
            let plain = try await client.asking.send(
                .patch, url, [1], media: "text/plain", headers: [TusFields.resumable: "1.0.0", TusFields.offset: "1000"])
            #expect(plain.status == 415)
            for fields: HTTPFields in [
                [:], [TusFields.length: "-1"], [TusFields.length: "x"], [TusFields.deferLength: "2"],
                [TusFields.length: "5", TusFields.deferLength: "1"], [TusFields.length: "5", TusFields.metadata: "a !!"],
                [TusFields.length: "5", TusFields.metadata: "a YQ==,a YQ=="],
                [TusFields.length: "5", TusFields.metadata: "a b c"],
                [TusFields.length: "5", TusFields.concat: "Partial"], [TusFields.concat: "partial"], [TusFields.concat: "final"],
                [TusFields.concat: "final;"], [TusFields.concat: "final; "],
            ] {
                #expect(try await client.send(.post, Self.path, fields).status == 400, "\(fields)")
            }
            #expect(try await client.send(.post, Self.path, [TusFields.length: "10000001"]).status == 413)
            #expect(try await client.send(.post, Self.path, [TusFields.length: "10000000000000"]).status == 413)
        }
    }

    @Test("another version, or none, is a 412 that names the known one", arguments: [nil, "0.2.2", "1.0"])
    func version(given: String?) async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            var fields: HTTPFields = [TusFields.length: "5"]
            if let given { fields[TusFields.resumable] = given }
            let answer = try await asking.send(.post, Self.path, headers: fields)
            #expect(answer.status == 412 && answer.headers[TusFields.versions] == "1.0.0")
        }
        #expect(try await door.count("SELECT count(*) FROM drive_uploads") == 0)
    }

    @Test("terminated, an upload and the file that it has become are gone, and their room is back")
    func termination() async throws {
        let file = TestFile(1500)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let client = Client(asking: asking)
            let open = try await client.create(1500, nil, file.chunk(0))
            let done = try await client.create(1500, nil, file.bytes)
            for url in [open, done] {
                #expect(try await client.send(.delete, url).status == 204)
                #expect(try await client.send(.delete, url).status == 410)
            }
            let head = try await client.send(.head, open)
            #expect(head.status == 410 && head.headers[TusFields.offset] == nil)
            #expect(try await client.patch(open, 1000, [1]).status == 410)
        }
        try await door.checkQuota()
        #expect(try await door.stored() == (0, 0))
    }

    @Test("clients that know POST alone say what they mean in a field, here and nowhere else")
    func override() async throws {
        let file = TestFile(500)
        try await serve { client, door in
            let url = try await client.create(500)
            let patched = try await client.send(
                .post, url, [TusFields.methodOverride: "PATCH", TusFields.offset: "0"], Array(file.bytes[..<200]))
            #expect(patched.status == 204 && patched.headers[TusFields.offset] == "200")
            #expect(try await client.send(.post, url, [TusFields.methodOverride: "HEAD"]).headers[TusFields.offset] == "200")
            #expect(try await client.send(.post, url).status == 405)
            #expect(try await client.send(.post, url, [TusFields.methodOverride: "DELETE"]).status == 204)
            let other = try await client.asking.send(
                .post, "/api/files/01890a5d-ac96-774b-bcce-b302099a8057", headers: [TusFields.methodOverride: "DELETE"])
            #expect(other.status == 405)
        }
    }

    @Test("another account's upload is the same 404 as one that never was")
    func others() async throws {
        try await serve { client, door in
            let url = try await client.create(500)
            let unknown = "\(Self.path)/01890a5d-ac96-774b-bcce-b302099a8057"
            for method in [.head, .patch, .delete, .post] as [HTTPRequest.Method] {
                let fields: HTTPFields = [TusFields.offset: "0", TusFields.methodOverride: "DELETE"]
                let body: [UInt8]? = method == .patch ? [1] : nil
                let mine = try await client.send(method, url, fields, body, user: "bob")
                let none = try await client.send(method, unknown, fields, body, user: "bob")
                #expect(mine.status == 404 && none.status == 404 && mine["detail"] == none["detail"])
                #expect(mine.headers[TusFields.offset] == nil)
            }
            #expect(try await client.offset(url) == 0)
        }
    }

    @Test("after a crash the offset is that of the durable bytes, and the upload goes on from there")
    func crash() async throws {
        let file = TestFile(2500)
        let door = try await DriveDoor()
        let url = try await door.serve { asking async throws in
            try await Client(asking: asking).create(2500, nil, file.chunk(0))
        }
        let next = try await door.restarted()
        try await next.serve { asking async throws in
            let client = Client(asking: asking)
            #expect(try await client.offset(url) == 1000)
            #expect(try await client.patch(url, 1000, Array(file.bytes[1000...])).status == 204)
            #expect(try await asking.content(String(url.dropFirst(Self.path.count + 1))) == file.bytes)
        }
        try await next.checkQuota()
    }

    @Test(
        "where a crash came between the last byte and the file, the sweep makes the file, however the upload was begun",
        arguments: ["tus", "chunks", "resumable"])
    func lastByte(beginning: String) async throws {
        let file = TestFile(1500)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let client = Client(asking: asking)
            let id: String
            switch beginning {
            case "chunks": id = try await asking.create(file)
            case "resumable":
                let begun = try await asking.send(
                    .post, "/api/files/resumable",
                    headers: [ResumableFields.complete: "?0", ResumableFields.length: "1500"])
                id = String(try #require(begun.headers[.location]?.split(separator: "/").last))
            default: id = String(try await client.create(1500).dropFirst(Self.path.count + 1))
            }
            let url = "\(Self.path)/\(id)"
            // As a process that dies before it completes.
            let upload = try await UploadService(door.feature).find(
                id, for: Principal(tenant: door.tenant, user: "ann", roles: []))
            var pieces = [ByteBuffer(bytes: file.bytes)]
            _ = try await UploadService(door.feature).append(
                to: upload, at: 0, length: 1500, by: .tus, writing: { _, _ in }, next: { pieces.popLast() })
            #expect(try await client.offset(url) == 1500)
            try await door.feature.sweep(now: door.time.now(), withStrays: false)
            #expect(try await asking.get("/api/files/\(id)").status == 404, "whoever has brought it may be at it")
            door.time.advance(to: door.time.now().advanced(by: .seconds(31)))
            try await door.feature.sweep(now: door.time.now(), withStrays: false)
            #expect(try await asking.content(id) == file.bytes)
            #expect(try await client.patch(url, 1500, []).status == 204)
        }
        try await door.checkQuota()
    }

    @Test("an upload that was begun by one protocol is finished by the other")
    func acrossWires() async throws {
        let file = TestFile(3500)
        try await serve { client, door in
            let task = try await client.asking.create(file)
            for index in [0, 3] { try await client.asking.put(file.chunk(index), index, of: task) }
            let url = "\(Self.path)/\(task)"
            #expect(try await client.offset(url) == 1000, "the prefix without gaps")
            #expect(try await client.patch(url, 1000, file.chunk(1)).status == 204)
            let shown = try await client.asking.get("\(Asking.path)/resume/\(task)")
            #expect(shown.json["uploadedChunks"] == [0, 1], "what lay behind is written anew")
            for index in [2, 3] { try await client.asking.put(file.chunk(index), index, of: task) }
            #expect(try await client.asking.complete(task).status == 200)
            #expect(try await client.asking.content(task) == file.bytes)
            #expect(try await client.offset(url) == 3500)

            let other = try await client.create(2000)
            let id = String(other.dropFirst(Self.path.count + 1))
            try await client.asking.put(file.chunk(1), 1, of: id)
            #expect(try await client.patch(other, 0, file.chunk(0)).headers[TusFields.offset] == "1000")
        }
    }

    @Test("times are told as HTTP has them")
    func dates() {
        #expect(TusFields.date(Timestamp(microseconds: 0)) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(TusFields.date(Timestamp(microseconds: 784_111_777_000_000)) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(TusFields.date(Timestamp(microseconds: 1_709_210_096_000_000)) == "Thu, 29 Feb 2024 12:34:56 GMT")
    }
}
