import AgeFiles
import Foundation
import HTTPTypes
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

/// Files with a password.
@Suite struct EncryptionTests {
    private static let path = "/api/files/upload"
    private static let password = "correct horse battery"
    private static let named = #", "encryptPassword": "correct horse battery""#
    private static let header: HTTPFields = [FilePassword.field: #""correct horse battery""#]

    private func door() async throws -> DriveDoor {
        try await DriveDoor(
            configuration: .init(fileBytesMax: 10_000_000, chunkBytes: 100_000, chunkBytesMin: 1, chunkBytesMax: 200_000))
    }

    private func send(_ file: TestFile, _ asking: Asking, more: String = named) async throws -> String {
        let task = try await asking.create(file, more: more)
        for index in 0..<(file.bytes.count + 99_999) / 100_000 {
            let answer = try await asking.put(file.chunk(index, of: 100_000), index, of: task)
            try #require(answer.status == 200, "\(answer.text)")
        }
        return task
    }

    private func open(_ id: String, _ asking: Asking, _ more: HTTPFields = [:]) async throws -> Asking.Answer {
        var fields = Self.header
        for field in more { fields[field.name] = field.value }
        return try await asking.send(.get, "/api/files/\(id)/content", headers: fields)
    }

    /// The bytes as they are stored, opened as age does it.
    private func opened(_ id: String, _ asking: Asking) async throws -> [UInt8] {
        let stored = try await asking.get("/api/files/\(id)/content?encrypted=true")
        try #require(stored.status == 200, "\(stored.text)")
        #expect(stored.headers[.contentDisposition]?.contains(".age") == true)
        var reader = AgeReader(AgeKeyring(passphrases: [Self.password]))
        return try reader.append(stored.body) + reader.finish()
    }

    @Test("a file with a password is stored as an age file, and only who has the password reads it, by any range")
    func content() async throws {
        let file = TestFile(200_001)
        let door = try await door()
        try await door.serve { asking async throws in
            let task = try await send(file, asking)
            let done = try await asking.complete(task)
            #expect(done.status == 200 && done.json["encrypted"] == true && done.number("size") == 200_001, "\(done.text)")
            #expect(done["hash"] != file.hash, "it would let anybody try what is in the file")
            #expect(try await opened(task, asking) == file.bytes)

            let whole = try await open(task, asking)
            #expect(whole.status == 200 && whole.body == file.bytes && whole.headers[.contentType] == "text/plain")
            #expect(whole.headers[.reprDigest] == nil)
            for (first, last) in [(0, 0), (65_535, 65_536), (65_536, 131_071), (199_000, 200_000), (10, 150_000)] {
                let part = try await open(task, asking, [.range: "bytes=\(first)-\(last)"])
                #expect(part.status == 206 && part.body == Array(file.bytes[first...last]), "\(first)-\(last)")
                #expect(part.headers[.contentRange] == "bytes \(first)-\(last)/200001")
            }
            let bytes = ":\(Data(Self.password.utf8).base64EncodedString()):"
            #expect(try await open(task, asking, [FilePassword.field: bytes, .range: "bytes=-1"]).body == [file.bytes[200_000]])

            #expect(try await asking.get("/api/files/\(task)/content").code == "PASSWORD_REQUIRED")
            let wrong = try await open(task, asking, [FilePassword.field: #""correct horse batterie""#])
            #expect(wrong.status == 403 && wrong.code == "PASSWORD_WRONG" && !wrong.text.contains("batterie"))
            #expect(try await open(task, asking, [FilePassword.field: "correct horse"]).status == 400)
            #expect(try await asking.send(.get, "/api/files/\(task)/content", user: "bob", headers: Self.header).status == 404)
            let link = try #require(try await asking.get("/api/files/\(task)/link")["url"])
            #expect(try await asking.send(.get, link, headers: Self.header, signedIn: false).body == file.bytes)
        }
        #expect(try await door.stored() == (blobs: 1, staged: 0))
        try await door.checkQuota()
        #expect(try await door.count("SELECT used_bytes FROM drive_usage WHERE account = 'ann'") == 200_001)
    }

    @Test("the password is shown nowhere, lies closed until the upload ends, and is gone then")
    func secrecy() async throws {
        let file = TestFile(1000)
        let door = try await door()
        try await door.serve { asking async throws in
            let task = try await send(file, asking)
            #expect(try await door.count("SELECT count(*) FROM drive_uploads WHERE password IS NOT NULL") == 1)
            let open = try await door.database.read { session in
                try session.first("SELECT password FROM drive_uploads") { $0.bytes(0) } ?? []
            }
            #expect(!String(decoding: open, as: UTF8.self).contains("horse"))
            let ended = try await send(TestFile(1000, seed: 2), asking)
            #expect(try await asking.send(.delete, "\(Self.path)/task/\(ended)").status == 200)
            #expect(try await door.count("SELECT count(*) FROM drive_uploads WHERE password IS NOT NULL") == 1)
            #expect(try await asking.complete(task).status == 200)
            #expect(try await door.count("SELECT count(*) FROM drive_uploads WHERE password IS NOT NULL") == 0)
            for place in [
                "\(Self.path)/tasks", "\(Self.path)/progress/\(task)", "\(Self.path)/tasks/\(task)/details", "/jobs",
                "/jobs/\(task)", "/api/files", "\(Self.path)/stats",
            ] {
                let answer = try await asking.get(place)
                #expect(answer.status == 200 && !answer.text.contains("horse"), "\(place)")
                #expect(!answer.text.contains(file.hash), "\(place)")
            }
        }
        for (table, column) in [
            ("audit_events", "body"), ("engine_events", "detail"), ("engine_jobs", "input"), ("engine_jobs", "output"),
        ] {
            let rows = try await door.database.read { session in
                try session.all("SELECT \(column) FROM \(table)") {
                    $0.optionalString(0) ?? ""
                }
            }
            #expect(!rows.isEmpty && !rows.joined().contains("horse"), "\(table)")
        }
    }

    @Test("each protocol takes a password by a field; none takes it where it would be seen")
    func wires() async throws {
        let file = TestFile(2000)
        let door = try await door()
        try await door.serve { asking async throws in
            let plain = try await asking.send(
                .post, "/api/files?name=a", file.bytes, media: "text/plain", headers: Self.header)
            #expect(plain.status == 201 && plain.json["encrypted"] == true, "\(plain.text)")
            #expect(try await opened(try #require(plain["id"]), asking) == file.bytes)

            var tus: HTTPFields = [TusFields.resumable: "1.0.0", TusFields.length: "2000"]
            tus[FilePassword.field] = Self.header[FilePassword.field]
            let begun = try await asking.send(.post, "/api/files/tus", file.bytes, media: TusFields.mediaType, headers: tus)
            let url = try #require(begun.headers[.location], "\(begun.text)")
            #expect(begun.headers[TusFields.offset] == "2000")
            #expect(try await opened(String(url.split(separator: "/").last ?? ""), asking) == file.bytes)

            let client = ResumableClient(asking: asking)
            let resumable = try await client.post(file.bytes, last: true, Self.header)
            #expect(resumable.status == 201 && resumable.headers[ResumableFields.offset] == "2000", "\(resumable.text)")
            #expect(resumable.headers[DigestFields.representation] == nil)
            #expect(try await opened(try #require(resumable["id"]), asking) == file.bytes)

            tus[TusFields.metadata] = "encryptPassword \(Data(Self.password.utf8).base64EncodedString())"
            #expect(try await asking.send(.post, "/api/files/tus", headers: tus).status == 400)
            (tus[TusFields.metadata], tus[TusFields.concat]) = (nil, "partial")
            #expect(try await asking.send(.post, "/api/files/tus", headers: tus).status == 400)
            let query = try await asking.send(
                .post, "/api/files?name=a&encryptPassword=correct%20horse", file.bytes, media: "text/plain")
            #expect(query.status == 400)
            for wrong in [#""short""#, "unquoted text", ":****:", #""a\u{7F}aaaaaaaaa""#] {
                let answer = try await asking.send(
                    .post, "/api/files?name=a", file.bytes, media: "text/plain", headers: [FilePassword.field: wrong])
                #expect(answer.status == 400 && answer.text.contains("File-Password"), "\(wrong): \(answer.text)")
            }
        }
        #expect(try await door.stored() == (blobs: 3, staged: 0))
        try await door.checkQuota()
    }

    @Test("a pool that allows no encryption refuses a password, and nothing is begun")
    func pool() async throws {
        let file = TestFile(1000)
        let door = try await door()
        try await door.serve { asking async throws in
            let pool = try await asking.json(
                .post, "/api/pools", #"{"name": "open", "allowEncryption": false}"#, roles: ["admin"])
            let id = try #require(pool["id"])
            let body = asking.createBody(file, more: Self.named + #", "poolId": "\#(id)""#)
            let answer = try await asking.json(.post, "\(Self.path)/create", body)
            #expect(answer.status == 403 && answer.code == "ENCRYPTION_NOT_ALLOWED", "\(answer.text)")
            #expect(try await asking.get("\(Self.path)/tasks").array.isEmpty)
        }
        try await door.checkQuota()
    }

    @Test("an encrypted file is nobody's duplicate: not of the same bytes in clear, and not of itself once more")
    func duplicates() async throws {
        let file = TestFile(1000)
        let door = try await door()
        try await door.serve { asking async throws in
            let first = try await send(file, asking)
            let one = try await asking.complete(first)
            #expect(one.status == 200)
            let second = try await send(file, asking)
            let two = try await asking.complete(second)
            #expect(two.status == 200 && one["hash"] != two["hash"])
            let clear = try await send(file, asking, more: "")
            #expect(try await asking.complete(clear)["hash"] == file.hash)
            #expect(try await asking.json(.post, "\(Self.path)/create", asking.createBody(file)).json["fileExists"] == true)
            let again = try await asking.json(.post, "\(Self.path)/create", asking.createBody(file, more: Self.named))
            #expect(again.json["fileExists"] == false)
            #expect(try await door.stored().blobs == 3)
            #expect(try await asking.send(.delete, "/api/files/\(first)").status == 204)
            #expect(try await opened(second, asking) == file.bytes)
            #expect(try await door.stored().blobs == 2)
        }
        try await door.checkQuota()
    }

    @Test("what is announced is held against what came, not against what is stored; and a key that was changed fails the upload")
    func refusals() async throws {
        let (file, other) = (TestFile(1000), TestFile(1000, seed: 2))
        let door = try await door()
        try await door.serve { asking async throws in
            let task = try await asking.create(file, more: Self.named)
            try await asking.put(other.bytes, 0, of: task)
            #expect(try await asking.complete(task).status == 422)
            let keyless = try await send(file, asking)
            let unopened = [UInt8](repeating: 1, count: 40)
            try await door.database.write { session in
                _ = try session.execute("UPDATE drive_uploads SET password = $1 WHERE id = $2", unopened, keyless)
            }
            #expect(try await asking.complete(keyless).status == 410)
            #expect(try await asking.get("\(Self.path)/progress/\(keyless)")["status"] == "Failed")
        }
        #expect(try await door.stored() == (blobs: 0, staged: 0))
        try await door.checkQuota()
    }

    @Test("an empty file can be encrypted as well")
    func empty() async throws {
        let door = try await door()
        try await door.serve { asking async throws in
            let done = try await asking.send(.post, "/api/files?name=a", [], media: "text/plain", headers: Self.header)
            #expect(done.status == 201 && done.number("size") == 0, "\(done.text)")
            let id = try #require(done["id"])
            let answer = try await open(id, asking)
            #expect(answer.status == 200 && answer.body.isEmpty)
            #expect(try await opened(id, asking).isEmpty)
        }
    }
}
