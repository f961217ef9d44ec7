import Crypto
import Foundation
import HTTPTypes
import NIOCore
import Testing
import WaybillBlobs
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

/// A client of the IETF's protocol, in one of its forms.
struct ResumableClient: Sendable {
    static let path = "/api/files/resumable"

    let asking: Asking
    var interop = Interop.newest
    var user = "ann"

    func fields(last isLast: Bool?, _ more: HTTPFields = [:]) -> HTTPFields {
        var fields = more
        if let number = interop.number { fields[ResumableFields.version] = "\(number)" }
        guard let isLast else { return fields }
        switch interop.endField {
        case .complete: fields[ResumableFields.complete] = isLast ? "?1" : "?0"
        case .incomplete: fields[ResumableFields.incomplete] = isLast ? "?0" : "?1"
        }
        return fields
    }

    func post(
        _ bytes: [UInt8]?, last isLast: Bool?, _ more: HTTPFields = [:], query: String = "", media: String? = nil
    ) async throws -> Asking.Answer {
        try await asking.send(
            .post, Self.path + query, bytes, media: media, user: user, headers: fields(last: isLast, more))
    }

    func create(_ bytes: [UInt8]? = nil, _ more: HTTPFields = [:]) async throws -> String {
        let answer = try await post(bytes, last: false, more)
        try #require(answer.status == 201, "\(answer.text)")
        return try #require(answer.headers[.location])
    }

    func patch(
        _ url: String, _ offset: Int?, _ bytes: [UInt8]?, last isLast: Bool?, _ more: HTTPFields = [:],
        media: String? = ResumableFields.mediaType
    ) async throws -> Asking.Answer {
        var fields = fields(last: isLast, more)
        if let offset { fields[ResumableFields.offset] = "\(offset)" }
        return try await asking.send(
            .patch, url, bytes, media: interop.hasMediaType ? media : nil, user: user, headers: fields)
    }

    func head(_ url: String) async throws -> Asking.Answer {
        try await asking.send(.head, url, user: user, headers: fields(last: nil))
    }

    func offset(_ url: String) async throws -> Int? {
        let answer = try await head(url)
        #expect(answer.status == 204 && answer.headers[.cacheControl] == "no-store", "\(answer.status)")
        return answer.headers[ResumableFields.offset].flatMap { Int($0) }
    }

    /// Whether an answer says that it is the end; nil if it says nothing.
    func isEnd(_ answer: Asking.Answer) -> Bool? { interop.isLast(answer.headers) }

    func id(_ url: String) -> String { String(url.split(separator: "/").last ?? "") }
}

@Suite struct ResumableTests {
    private typealias Client = ResumableClient

    private func serve(_ body: @Sendable (ResumableClient, DriveDoor) async throws -> Void) async throws {
        let door = try await DriveDoor()
        try await door.serve { try await body(Client(asking: $0), door) }
        try await door.checkQuota()
    }

    private static func digest(_ bytes: [UInt8]) -> String {
        "sha-256=:\(Data(SHA256.hash(data: bytes)).base64EncodedString()):"
    }

    @Test("a crash between the bytes' becoming a blob and the file costs nothing: the end is asked for again")
    func crashAtTheEnd() async throws {
        let file = TestFile(2500)
        try await serve { client, door in
            let url = try await client.create(file.bytes, [ResumableFields.length: "2500"])
            let name = try #require(BlobKey(client.id(url)))
            try await door.staging.publish(name, length: 2500, as: try #require(BlobKey("files/acme/\(client.id(url))")))
            let surplus = try await client.patch(url, 2500, [1], last: false)
            #expect(surplus.status == 413, "\(surplus.text)")
            #expect(try await client.offset(url) == 2500)
            let last = try await client.patch(url, 2500, nil, last: true)
            #expect(last.status == 201, "\(last.text)")
            #expect(try await client.asking.content(client.id(url)) == file.bytes)
        }
    }

    @Test("in each form an upload is begun, goes on where it is, and its end is answered with the file", arguments: Interop.forms)
    func life(interop: Interop) async throws {
        let file = TestFile(2500)
        try await serve { client, door in
            var client = client
            client.interop = interop
            let begun = try await client.post(
                Array(file.bytes[..<700]), last: false, [.contentDisposition: "inline; filename*=UTF-8''p%C3%A4ss.txt"],
                media: "text/csv")
            #expect(begun.status == 201 && client.isEnd(begun) == false, "\(begun.text)")
            #expect(begun["id"] != nil && begun.number("offset") != nil, "\(begun.text)")
            #expect(begun.headers[ResumableFields.offset] == "700")
            #expect(begun.headers[ResumableFields.version] == interop.number.map { "\($0)" })
            let limits = begun.headers[ResumableFields.limit]
            #expect(limits == interop.age.map { "max-size=10000000, \($0)=86400" })
            let url = try #require(begun.headers[.location])
            #expect(url.hasPrefix(Client.path + "/"))
            let head = try await client.head(url)
            #expect(head.status == 204 && client.isEnd(head) == false && head.headers[ResumableFields.offset] == "700")
            #expect(head.headers[ResumableFields.length] == nil, "nobody has said it")
            let more = try await client.patch(url, 700, Array(file.bytes[700..<1500]), last: false)
            #expect(more.status == interop.appended && client.isEnd(more) == false, "\(more.text)")
            #expect(more.headers[ResumableFields.offset] == "1500" && more.headers[.location] == nil)
            let done = try await client.patch(url, 1500, Array(file.bytes[1500...]), last: true)
            #expect(done.status == 201 && client.isEnd(done) == true, "\(done.text)")
            #expect(done["hash"] == file.hash && done["name"] == "päss.txt" && done["contentType"] == "text/csv")
            #expect(done.headers[DigestFields.representation] == Self.digest(file.bytes))
            #expect(done.headers[.location] == "/api/files/\(client.id(url))")
            #expect(try await client.asking.content(client.id(url)) == file.bytes)
            let over = try await client.head(url)
            #expect(over.status == 204 && client.isEnd(over) == true && over.headers[ResumableFields.offset] == "2500")
            #expect(over.headers[ResumableFields.length] == "2500")
            let again = try await client.patch(url, 2500, nil, last: true)
            #expect(again.status == 201 && client.isEnd(again) == true && again.text == done.text, "the last answer may be lost")
        }
    }

    @Test("a file in one request is there with its answer, also when its length is not said", arguments: [true, false])
    func whole(lengthIsSaid: Bool) async throws {
        let file = TestFile(1500)
        try await serve { client, door in
            let said: HTTPFields = lengthIsSaid ? [ResumableFields.length: "1500"] : [:]
            let answer = try await client.post(file.bytes, last: true, said, query: "?name=x.bin")
            #expect(answer.status == 201 && answer["name"] == "x.bin" && client.isEnd(answer) == true, "\(answer.text)")
            #expect(try await client.asking.content(answer["id"] ?? "") == file.bytes)
            let empty = try await client.post(nil, last: true)
            #expect(empty.status == 201 && empty.number("size") == 0)
            #expect(try await client.asking.content(empty["id"] ?? "") == [])
        }
    }

    @Test("who is careful begins with nothing, and says at the end without bytes that this was all")
    func careful() async throws {
        let file = TestFile(1000)
        try await serve { client, door in
            let url = try await client.create()
            #expect(try await client.offset(url) == 0)
            #expect(try await client.patch(url, 0, file.bytes, last: false).status == 204)
            #expect(
                try await client.asking.get("/api/files/\(client.id(url))").status == 404, "nobody has said that it is the end")
            try await door.feature.sweep(now: door.time.now().advanced(by: .seconds(60)), withStrays: false)
            #expect(try await client.asking.get("/api/files/\(client.id(url))").status == 404)
            #expect(try await client.patch(url, 1000, nil, last: true).status == 201)
            #expect(try await client.asking.content(client.id(url)) == file.bytes)
        }
    }

    @Test("what is known of the limits is told without credentials")
    func options() async throws {
        try await DriveDoor().serve { asking async throws in
            for (number, age) in [(nil, "max-age"), ("9", "max-age"), ("6", "expires"), ("3", "max-age")] {
                let fields: HTTPFields = number.map { [ResumableFields.version: $0] } ?? [:]
                let answer = try await asking.send(.options, Client.path, headers: fields, signedIn: false)
                #expect(answer.status == 204 && answer.headers[ResumableFields.limit] == "max-size=10000000, \(age)=86400")
                #expect(answer.headers[ResumableFields.acceptPatch] == "application/partial-upload")
            }
        }
    }

    @Test("the gateway's prefix is the same place")
    func gateway() async throws {
        try await serve { client, door in
            let path = "/drive/files/resumable"
            let begun = try await client.asking.send(.post, path, [1, 2], headers: client.fields(last: false))
            let url = try #require(begun.headers[.location])
            #expect(begun.status == 201 && url.hasPrefix(path + "/"))
            #expect(try await client.patch(Client.path + "/" + client.id(url), 2, [3], last: true).status == 201)
            #expect(try await client.offset(url) == 3)
        }
    }

    @Test("another offset is a 409 that tells the right one, and nothing changes", arguments: Interop.forms)
    func otherOffset(interop: Interop) async throws {
        try await serve { client, door in
            var client = client
            client.interop = interop
            let url = try await client.create([1, 2, 3])
            for offset in [0, 2, 4, 1_000_000] {
                let answer = try await client.patch(url, offset, [9], last: false)
                #expect(answer.status == 409 && answer.headers[ResumableFields.offset] == "3" && client.isEnd(answer) == false)
                #expect(answer["type"] == "https://iana.org/assignments/http-problem-types#mismatching-upload-offset")
                #expect(answer.number("expected-offset") == 3 && answer.number("provided-offset") == Int64(offset))
            }
            #expect(try await client.patch(url, 3, [4], last: true).status == 201)
            let late = try await client.patch(url, 1, [9], last: true)
            #expect(late.status == 409 && late.headers[ResumableFields.offset] == "4")
            #expect(client.isEnd(late) == (interop.subject == .upload), "old forms tell the upload's state here")
            #expect(try await client.patch(url, 4, [9], last: true).code == "UPLOAD_ENDED")
            #expect(try await client.asking.content(client.id(url)) == [1, 2, 3, 4])
        }
    }

    @Test("lengths that contradict each other are a 400, whether in one request or in several")
    func lengths() async throws {
        let type = "https://iana.org/assignments/http-problem-types#inconsistent-upload-length"
        try await serve { client, door in
            for (last, length) in [(true, "4"), (true, "2"), (false, "2")] {
                let answer = try await client.post([1, 2, 3], last: last, [ResumableFields.length: length])
                #expect(answer.status == 400 && answer["type"] == type, "\(answer.text)")
            }
            #expect(try await door.count("SELECT count(*) FROM drive_uploads") == 0)
            let url = try await client.create([1, 2, 3], [ResumableFields.length: "5"])
            for (bytes, last, said) in [([4], true, nil), ([4, 5], true, "4"), ([4], false, "6"), ([4, 5, 6], true, nil)]
                as [([UInt8], Bool, String?)]
            {
                let fields: HTTPFields = said.map { [ResumableFields.length: $0] } ?? [:]
                let answer = try await client.patch(url, 3, bytes, last: last, fields)
                #expect(answer.status == 400 && answer["type"] == type && client.isEnd(answer) == false, "\(answer.text)")
            }
            #expect(try await client.patch(url, 3, [4, 5, 6], last: false).status == 413)
            #expect(try await client.offset(url) == 3, "nothing was taken")
            #expect(try await client.patch(url, 3, [4, 5], last: true, [ResumableFields.length: "5"]).status == 201)
        }
    }

    @Test("bytes are held against their digest, and the file against its own")
    func digests() async throws {
        let file = TestFile(1500)
        try await serve { client, door in
            let url = try await client.create(
                file.chunk(0),
                [DigestFields.representation: Self.digest(file.bytes), DigestFields.content: Self.digest(file.chunk(0))])
            let rest = file.chunk(1)
            let sha512 = "sha-512=:\(Data(SHA512.hash(data: rest)).base64EncodedString()):"
            let wrong = try await client.patch(
                url, 1000, rest, last: true, [DigestFields.content: "\(sha512), \(Self.digest(file.chunk(0)))"])
            #expect(wrong.status == 400 && client.isEnd(wrong) == false, "\(wrong.text)")
            #expect(wrong["type"] == "https://iana.org/assignments/http-problem-types#digest-mismatching-value")
            #expect(wrong["algorithm"] == "sha-256" && wrong["calculated-digest"]?.hasPrefix(":") == true)
            #expect(try await client.offset(url) == 1000, "none of the bytes was taken")
            for (field, type) in [
                ("md5=:AAAA:", "digest-unsupported-algorithm"), ("sha-256=:AAAA:", "digest-invalid-value"),
                ("sha-256=1", "digest-invalid-value"),
            ] {
                let answer = try await client.patch(url, 1000, rest, last: true, [DigestFields.content: field])
                #expect(answer.status == 400 && answer["type"]?.hasSuffix("#" + type) == true, "\(answer.text)")
            }
            let done = try await client.patch(url, 1000, rest, last: true, [DigestFields.content: "md5=:AAAA:, \(sha512)"])
            #expect(done.status == 201, "\(done.text)")
            let first = try await client.post(rest, last: true, [DigestFields.content: Self.digest(file.chunk(0))])
            let place = try #require(first.headers[.location], "a beginning that is refused tells where it goes on")
            #expect(first.status == 400 && client.isEnd(first) == false, "\(first.text)")
            #expect(try await client.patch(place, 0, rest, last: true).status == 201)

            let other = try await client.create(nil, [DigestFields.representation: Self.digest([1])])
            let failed = try await client.patch(other, 0, [2], last: true)
            #expect(failed.status == 422 && client.isEnd(failed) == true && failed.code == "HASH_MISMATCH")
            #expect(try await client.head(other).status == 410)
            #expect(try await client.post([1], last: true, [DigestFields.representation: "sha-512=:AAAA:"]).status == 400)
        }
    }

    @Test("what can't be read is a 400, and changes nothing")
    func badInput() async throws {
        try await serve { client, door in
            #expect(try await client.post([1], last: nil).status == 400)
            for value in ["1", "true", "?2", "", "?1, ?1"] {
                #expect(try await client.post([1], last: nil, [ResumableFields.complete: value]).status == 400, "\(value)")
            }
            #expect(try await client.post([1], last: true, query: "?name=").status == 400)
            #expect(try await client.post([1], last: true, query: "?nom=a").status == 400)
            #expect(try await client.post([1], last: true, query: "?poolId=01890a5d-ac96-774b-bcce-b302099a8057").status == 404)
            #expect(try await client.post([1], last: true, media: "nonsense").status == 415)
            let huge = try await client.post(nil, last: false, [ResumableFields.length: "10000000000000"])
            #expect(huge.status == 413 && huge["type"] != nil)
            #expect(try await door.count("SELECT count(*) FROM drive_uploads") == 0)

            let url = try await client.create([1, 2], [ResumableFields.length: "-5"])
            #expect(try await client.head(url).headers[ResumableFields.length] == nil, "no length is as good as none")
            #expect(try await client.patch(url, nil, [3], last: true).status == 400)
            for offset in ["-1", "x", "2.0", "99999999999999999999", "2, 2"] {
                let answer = try await client.patch(url, nil, [3], last: true, [ResumableFields.offset: offset])
                #expect(answer.status == 400 && client.isEnd(answer) == false, "\(offset)")
            }
            #expect(try await client.patch(url, 2, [3], last: nil).status == 400)
            let plain = try await client.patch(url, 2, [3], last: true, media: "application/octet-stream")
            #expect(plain.status == 415 && plain.headers[ResumableFields.acceptPatch] == ResumableFields.mediaType)
            #expect(try await client.offset(url) == 2)
        }
    }

    @Test("cancelled, an upload is gone with its bytes and its room; a file is not cancelled")
    func cancel() async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let client = Client(asking: asking)
            let url = try await client.create([1, 2, 3])
            #expect(try await asking.send(.delete, url).status == 204)
            for method in [.head, .delete, .get] as [HTTPRequest.Method] {
                #expect(try await asking.send(method, url).status == 410)
            }
            #expect(try await client.patch(url, 3, [4], last: true).status == 410)
            #expect(try await door.stored() == (0, 0))
            let done = try await client.create([1])
            #expect(try await client.patch(done, 1, nil, last: true).status == 201)
            #expect(try await asking.send(.delete, done).code == "UPLOAD_ENDED")
            #expect(try await asking.content(client.id(done)) == [1])
        }
        try await door.checkQuota()
    }

    @Test("another account's upload is the same 404 as one that never was, or that can't be")
    func others() async throws {
        try await serve { client, door in
            let url = try await client.create([1])
            var bob = client
            bob.user = "bob"
            let none = Client.path + "/01890a5d-ac96-774b-bcce-b302099a8057"
            let details = try await [url, none, Client.path + "/x", Client.path + "/..%2Fa"].asyncMap { url async throws in
                let answers = [
                    try await bob.asking.send(.get, url, user: "bob"), try await bob.asking.send(.delete, url, user: "bob"),
                    try await bob.patch(url, 1, [2], last: true),
                ]
                #expect(try await bob.head(url).status == 404)
                for answer in answers {
                    #expect(answer.status == 404 && answer.headers[ResumableFields.offset] == nil, "\(url): \(answer.text)")
                }
                return answers.map { $0["detail"] }
            }
            #expect(details[0] == details[1])
            #expect(try await client.offset(url) == 1)
        }
    }

    @Test("after a crash the offset is that of the durable bytes, and the upload goes on from there")
    func crash() async throws {
        let file = TestFile(2500)
        let door = try await DriveDoor()
        let url = try await door.serve { asking async throws in
            try await Client(asking: asking).create(file.chunk(0), [DigestFields.representation: Self.digest(file.bytes)])
        }
        let next = try await door.restarted()
        try await next.serve { asking async throws in
            let client = Client(asking: asking)
            #expect(try await client.offset(url) == 1000)
            #expect(try await client.patch(url, 1000, Array(file.bytes[1000...]), last: true).status == 201)
            #expect(try await asking.content(client.id(url)) == file.bytes)
        }
        try await next.checkQuota()
    }

    @Test("an upload that was begun by one protocol is gone on with by each of the others")
    func acrossWires() async throws {
        let file = TestFile(3500)
        try await serve { client, door in
            let task = try await client.asking.create(file)
            try await client.asking.put(file.chunk(0), 0, of: task)
            let url = "\(Client.path)/\(task)"
            #expect(try await client.patch(url, 1000, file.chunk(1), last: false).status == 204)
            let tus: HTTPFields = [TusFields.resumable: "1.0.0", TusFields.offset: "2000"]
            let patched = try await client.asking.send(
                .patch, "/api/files/tus/\(task)", file.chunk(2), media: TusFields.mediaType, headers: tus)
            #expect(patched.status == 204 && patched.headers[TusFields.offset] == "3000")
            #expect(try await client.patch(url, 3000, file.chunk(3), last: true).status == 201)
            #expect(try await client.asking.complete(task).status == 200)

            let begun = try await client.create(file.chunk(0), [ResumableFields.length: "3500"])
            for index in 1..<4 { try await client.asking.put(file.chunk(index), index, of: client.id(begun)) }
            #expect(try await client.offset(begun) == 3500)
            #expect(try await client.asking.complete(client.id(begun)).status == 200)
            #expect(try await client.asking.content(client.id(begun)) == file.bytes)
        }
    }

    @Test("who asks for the offset stops whoever was still sending, so that it is taken next")
    func takeOver() async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let client = Client(asking: asking)
            let url = try await client.create([1, 2, 3])
            let service = UploadService(door.feature)
            let upload = try await service.find(
                client.id(url), for: Principal(tenant: door.tenant, user: "ann", roles: []))
            var isFirst = true
            await #expect(throws: UploadRefusal.takenOver) {
                _ = try await service.append(to: upload, at: 3, length: nil, writing: { _, _ in }) {
                    guard isFirst else { return nil }
                    isFirst = false
                    let told = try await client.offset(url)
                    #expect(told == 3)
                    return ByteBuffer(bytes: [9, 9])
                }
            }
            #expect(try await client.patch(url, 3, [4], last: true).status == 201)
            #expect(try await asking.content(client.id(url)) == [1, 2, 3, 4])
        }
        try await door.checkQuota()
    }

    @Test("a body that breaks off keeps what has come, also where it should have been all")
    func brokenOff() async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let client = Client(asking: asking)
            let url = try await client.create(nil, [ResumableFields.length: "5"])
            let service = UploadService(door.feature)
            let upload = try await service.find(
                client.id(url), for: Principal(tenant: door.tenant, user: "ann", roles: []))
            struct Broken: Error {}
            var pieces = [ByteBuffer(bytes: [1, 2]), ByteBuffer(bytes: [3])]
            await #expect(throws: Broken.self) {
                _ = try await service.append(to: upload, at: 0, length: 5, writing: { _, _ in }) {
                    guard !pieces.isEmpty else { throw Broken() }
                    return pieces.removeFirst()
                }
            }
            let head = try await client.head(url)
            #expect(head.headers[ResumableFields.offset] == "3" && client.isEnd(head) == false)
            #expect(try await client.patch(url, 3, [4, 5], last: true).status == 201)
            #expect(try await asking.content(client.id(url)) == [1, 2, 3, 4, 5])
        }
    }

    @Test("each form is found by its number, and what nobody knows is the newest one without a number")
    func forms() {
        for form in Interop.forms {
            let fields: HTTPFields = form.number.map { [ResumableFields.version: "\($0)"] } ?? [:]
            #expect(Interop.of(fields) == form)
        }
        for text in ["4", "7", "10", "-3", "x", "6.0"] {
            #expect(Interop.of([ResumableFields.version: text]) == Interop.newest, "\(text)")
        }
        #expect(Set(Interop.forms.map(\.number)) == [nil, 3, 5, 6, 8, 9])
    }
}

extension Array {
    fileprivate func asyncMap<T>(_ transform: (Element) async throws -> T) async throws -> [T] {
        var all: [T] = []
        for element in self { all.append(try await transform(element)) }
        return all
    }
}
