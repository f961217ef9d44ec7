import HTTPTypes
import Testing
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

@Suite struct FileRoutesTests {
    private static let path = "/api/files"

    @Test("a file that is there already is told to its owner, and to nobody else")
    func duplicates() async throws {
        let file = TestFile(1500)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let id = try #require(try await asking.upload(file)["id"])
            func create(_ file: TestFile, user: String, tenant: String = "acme") async throws -> Asking.Answer {
                try await asking.send(
                    .post, "\(Asking.path)/create", Array(asking.createBody(file).utf8), media: "application/json", user: user,
                    tenant: tenant)
            }
            let mine = try await create(file, user: "ann")
            #expect(mine.status == 200 && mine.json["fileExists"] == true && mine.json["file"]?["id"]?.string == id)
            #expect(mine["taskId"] == nil)
            for (user, tenant) in [("bob", "acme"), ("ann", "globex")] {
                let other = try await create(file, user: user, tenant: tenant)
                #expect(other.json["fileExists"] == false && other.json["file"] == nil && other["taskId"] != nil)
            }
            let longer = asking.createBody(file).replacing("\"fileSize\": 1500", with: "\"fileSize\": 1501")
            #expect(try await asking.json(.post, "\(Asking.path)/create", longer).json["fileExists"] == false)
        }
        #expect(try await door.count("SELECT count(*) FROM drive_uploads") == 4)
    }

    @Test("the same bytes are kept once for a tenant, until the last of their files has gone")
    func shared() async throws {
        let file = TestFile(1500)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let ann = try #require(try await asking.upload(file)["id"])
            let bob = try #require(try await asking.upload(file, user: "bob")["id"])
            #expect(try await door.stored() == (1, 0))
            #expect(try await door.count("SELECT refs FROM drive_contents") == 2)
            #expect(try await asking.send(.delete, "\(Self.path)/\(ann)").status == 204)
            #expect(try await asking.get("\(Self.path)/\(ann)/content").status == 404)
            #expect(try await asking.content(bob, user: "bob") == file.bytes)
            #expect(try await asking.send(.delete, "\(Self.path)/\(bob)", user: "bob").status == 204)
        }
        #expect(try await door.stored() == (0, 0))
        #expect(try await door.count("SELECT count(*) FROM drive_contents") == 0)
        try await door.checkQuota()
    }

    @Test("a file is listed, shown, renamed, given an end and deleted")
    func life() async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let file = TestFile(1500)
            let id = try #require(try await asking.upload(file, name: "one.txt")["id"])
            _ = try await asking.upload(TestFile(20, seed: 2), name: "two_%.txt")
            let list = try await asking.get(Self.path)
            #expect(list.array.count == 2 && list.headers[.total] == "2")
            #expect(try await asking.get("\(Self.path)?name=ONE").array.first?["id"]?.string == id)
            #expect(try await asking.get("\(Self.path)?name=_%25").array.count == 1, "they stand for themselves")
            #expect(try await asking.get("\(Self.path)?sortBy=size&sortDescending=false").array.last?["id"]?.string == id)
            let shown = try await asking.get("\(Self.path)/\(id)")
            #expect(shown["name"] == "one.txt" && shown["contentType"] == "text/plain" && shown.json["encrypted"] == false)
            #expect(shown["poolId"] == Pool.standardID && shown["hash"] == file.hash)

            let end = "2030-01-01T00:00:00.000Z"
            let changed = try await asking.json(.patch, "\(Self.path)/\(id)", #"{"name": "x", "expiredAt": "\#(end)"}"#)
            #expect(changed.status == 200 && changed["name"] == "x" && changed["expiredAt"] == end)
            #expect(try await asking.json(.patch, "\(Self.path)/\(id)", #"{"expiredAt": null}"#)["expiredAt"] == nil)
            for body in [#"{"name": ""}"#, #"{"name": 7}"#, #"{"size": 1}"#, #"{"expiredAt": "1999-01-01T00:00:00Z"}"#, "[]"] {
                #expect(try await asking.json(.patch, "\(Self.path)/\(id)", body).status == 400, "\(body)")
            }
            #expect(try await asking.json(.patch, "\(Self.path)/\(id)", #"{"name": "y"}"#, user: "bob").status == 404)
            #expect(try await asking.send(.delete, "\(Self.path)/\(id)", user: "bob").status == 404)
            #expect(try await asking.send(.delete, "\(Self.path)/\(id)").status == 204)
            #expect(try await asking.send(.delete, "\(Self.path)/\(id)").status == 404)
            #expect(try await asking.complete(id).status == 410, "the upload is over, and its file gone")
        }
        try await door.checkQuota()
        let actions = try await door.database.read {
            try $0.all("SELECT action FROM audit_events ORDER BY seq") { $0.string(0) }
        }
        #expect(
            actions.filter { $0.hasPrefix("file.") } == ["file.store", "file.store", "file.change", "file.change", "file.delete"])
    }

    @Test("a file goes when its time has passed, and is there for nobody from then on")
    func expiry() async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let end = WireTime(door.time.now().advanced(by: .seconds(100)))
            let id = try #require(try await asking.upload(TestFile(10), more: #", "expiredAt": "\#(end)""#)["id"])
            #expect(try await asking.get("\(Self.path)/\(id)").status == 200)
            door.time.advance(to: door.time.now().advanced(by: .seconds(101)))
            #expect(try await asking.get("\(Self.path)/\(id)").status == 404)
            #expect(try await asking.get(Self.path).array.isEmpty)
            try await door.feature.sweep(now: door.time.now(), withStrays: false)
        }
        #expect(try await door.stored() == (0, 0))
        try await door.checkQuota()
    }

    @Test(
        "a file that a browser would run is an attachment in a sandbox, by a link as well",
        arguments: ["text/html", "TEXT/HTML; x=y", "image/svg+xml", "application/xhtml+xml"])
    func sandbox(type: String) async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let made = try await asking.send(
                .post, "/api/files?name=page", Array("<script>alert(1)</script>".utf8), media: type)
            let id = try #require(made.json["id"]?.string)
            let link = try #require(try await asking.get("\(Self.path)/\(id)/link").json["url"]?.string)
            for path in ["\(Self.path)/\(id)/content", link] {
                let answer = try await asking.get(path)
                #expect(answer.status == 200 && answer.headers[.contentType] == type, "\(answer.status)")
                #expect(answer.headers[.contentSecurityPolicy] == "default-src 'none'; frame-ancestors 'none'; sandbox")
                #expect(answer.headers[.contentDisposition]?.hasPrefix("attachment") == true)
                #expect(answer.headers[.xContentTypeOptions] == "nosniff")
            }
        }
    }

    @Test("bytes are handed out as an attachment, in ranges, with their digest, under a name that is none of a path's")
    func content() async throws {
        let file = TestFile(1500)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let name = #"..\u002f..\u002fetc\u002f\"päss\u0007wd\u202e"#
            let id = try #require(try await asking.upload(file, name: name)["id"])
            let whole = try await asking.get("\(Self.path)/\(id)/content")
            #expect(whole.body == file.bytes && whole.headers[.contentType] == "text/plain")
            #expect(whole.headers[.xContentTypeOptions] == "nosniff")
            #expect(whole.headers[.contentSecurityPolicy]?.contains("sandbox") == true)
            #expect(whole.headers[.reprDigest]?.hasPrefix("sha-256=:") == true)
            let disposition = try #require(whole.headers[.contentDisposition])
            #expect(
                disposition.hasPrefix("attachment; filename=") && !disposition.contains("/") && !disposition.contains("\u{7}"))
            let part = try await asking.send(.get, "\(Self.path)/\(id)/content", headers: [.range: "bytes=100-199"])
            #expect(part.status == 206 && part.body == Array(file.bytes[100..<200]))
            #expect(part.headers[.contentRange] == "bytes 100-199/1500")
            #expect(try await asking.send(.get, "\(Self.path)/\(id)/content", headers: [.range: "bytes=1500-"]).status == 416)
            let tag = try #require(whole.headers[.eTag])
            #expect(try await asking.send(.get, "\(Self.path)/\(id)/content", headers: [.ifNoneMatch: tag]).status == 304)
        }
    }

    @Test("a signed link opens one file for whoever has it, for a while")
    func link() async throws {
        let file = TestFile(500)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let id = try #require(try await asking.upload(file)["id"])
            let url = try #require(try await asking.get("\(Self.path)/\(id)/link")["url"])
            #expect(try await asking.send(.get, url, signedIn: false).body == file.bytes)
            #expect(try await asking.send(.get, url + "x", signedIn: false).status == 403)
            let other = try #require(try await asking.upload(TestFile(500, seed: 3))["id"])
            #expect(try await asking.send(.get, url.replacing(id, with: other), signedIn: false).status == 403)
            #expect(try await asking.get("\(Self.path)/\(id)/link", user: "bob").status == 404)
            door.time.advance(to: door.time.now().advanced(by: .seconds(3601)))
            #expect(try await asking.send(.get, url, signedIn: false).status == 410)
        }
    }

    @Test("a bundle shows its files to its owner and to whoever has its link, and goes without them")
    func bundles() async throws {
        let file = TestFile(500)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let made = try await asking.json(.post, "/api/bundles", #"{"name": "trip"}"#)
            let bundle = try #require(made["id"])
            #expect(made.status == 201 && made.headers[.location] == "/api/bundles/\(bundle)")
            let id = try #require(try await asking.upload(file, more: #", "bundleId": "\#(bundle)""#)["id"])
            let second = try #require(try await asking.upload(TestFile(7))["id"])
            let moved = try await asking.json(.patch, "\(Self.path)/\(second)", #"{"bundleId": "\#(bundle)"}"#)
            #expect(moved["bundleId"] == bundle)
            #expect(try await asking.get("\(Self.path)?bundleId=\(bundle)").array.count == 2)
            let unknown = "01890a5d-ac96-774b-bcce-b302099a8057"
            #expect(try await asking.json(.patch, "\(Self.path)/\(second)", #"{"bundleId": "\#(unknown)"}"#).status == 404)
            let body = asking.createBody(TestFile(9), more: #", "bundleId": "\#(bundle)""#)
            #expect(try await asking.json(.post, "\(Asking.path)/create", body, user: "bob").status == 404)
            #expect(try await asking.get("/api/bundles/\(bundle)", user: "bob").status == 404)
            #expect(try await asking.get("/api/bundles").array.count == 1)
            let url = try #require(try await asking.get("/api/bundles/\(bundle)/link")["url"])
            let shared = try await asking.send(.get, url, signedIn: false)
            let files = try #require(shared.json["files"]?.array)
            #expect(files.count == 2)
            let link = try #require(files.first { $0["file"]?["id"]?.string == id }?["link"]?["url"]?.string)
            #expect(try await asking.send(.get, link, signedIn: false).body == file.bytes)
            #expect(try await asking.send(.delete, "/api/bundles/\(bundle)").status == 204)
            #expect(try await asking.send(.get, url, signedIn: false).status == 404)
            #expect(try await asking.get("\(Self.path)/\(id)")["bundleId"] == nil)
        }
    }

    // MARK: In one request

    @Test("a small file comes in one request, as the body or in a form")
    func plain() async throws {
        let file = TestFile(3000)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let raw = try await asking.send(
                .post, "\(Self.path)?name=a%20b.png&hash=\(file.hash)", file.bytes, media: "image/png")
            #expect(raw.status == 201 && raw["name"] == "a b.png" && raw["contentType"] == "image/png", "\(raw.text)")
            let id = try #require(raw["id"])
            #expect(raw.headers[.location] == "\(Self.path)/\(id)")
            #expect(try await asking.content(id) == file.bytes)
            let (media, body) = asking.form([("file", TestFile(2500).bytes)])
            let form = try await asking.send(.post, Self.path, body, media: media)
            #expect(form.status == 201 && form["name"] == "blob" && form.number("size") == 2500, "\(form.text)")
            let empty = try await asking.send(.post, "\(Self.path)?name=empty", [], media: "text/plain")
            #expect(empty.status == 201 && empty.number("size") == 0, "\(empty.text)")
            #expect(try await asking.content(try #require(empty["id"])) == [])
        }
        try await door.checkQuota()
        #expect(try await door.stored() == (3, 0))
    }

    @Test("what breaks off, or is not what was announced, leaves nothing")
    func plainBroken() async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let (media, body) = asking.form([("file", TestFile(2500).bytes)], ends: false)
            #expect(try await asking.send(.post, Self.path, body, media: media).status == 400)
            let (_, more) = asking.form([("file", [1]), ("other", [2])])
            #expect(try await asking.send(.post, Self.path, more, media: media).status == 400)
            let (_, none) = asking.form([])
            #expect(try await asking.send(.post, Self.path, none, media: media).status == 400)
            let wrong = try await asking.send(
                .post, "\(Self.path)?name=a&hash=\(TestFile(1).hash)", TestFile(20).bytes, media: "image/png")
            #expect(wrong.status == 422)
            #expect(try await asking.send(.post, Self.path, [1], media: "image/png").status == 400, "no name")
            #expect(try await asking.send(.post, "\(Self.path)?name=a&hash=x", [1], media: "image/png").status == 400)
            #expect(try await asking.get(Self.path).array.isEmpty)
        }
        try await door.checkQuota()
        #expect(try await door.stored() == (0, 0))
    }
}
