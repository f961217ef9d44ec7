import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine

@testable import Web

@Suite struct RouteTests {
    private struct Boom: Error, CustomStringConvertible { var description: String { "secret of /etc/waybill" } }

    private struct Start: JSONBody {
        struct Options: JSONBody {
            static let fields: Set<String> = ["bom"]
            var bom: Bool?
        }
        static let fields: Set<String> = ["format", "rows", "csv", "parts"]
        static var nested: [String: any JSONBody.Type] { ["csv": Options.self, "parts": Options.self] }
        var format: String
        var rows: Int?
        var csv: Options?
        var parts: [Options]?
    }

    private static func mount(_ catalog: RouteCatalog) {
        catalog.route(.get, "/things/{id}", RouteDoc("getThing", "x", tag: "t", access: .open).query("deep", .boolean)) {
            _, context in
            try JSONAnswer(
                ["id": .string(try context.pathID("id")), "deep": .bool(try context.query.bool("deep") ?? false)] as JSONValue)
        }
        catalog.route(.delete, "/things/{id}", RouteDoc("dropThing", "x", tag: "t", access: .open)) { _, _ in
            HTTPResponse.Status.noContent
        }
        catalog.route(.get, "/names/{name}", RouteDoc("getName", "x", tag: "t", access: .open)) { _, context in
            try context.path("name")
        }
        catalog.route(.get, "/mine", RouteDoc("getMine", "x", tag: "t", access: .scope(.contentExport))) { _, context in
            try context.require(.contentExport).user
        }
        catalog.route(.get, "/me", RouteDoc("getMe", "x", tag: "t", access: .signedIn)) { _, context in
            try context.requirePrincipal().user
        }
        catalog.route(.post, "/starts", RouteDoc("start", "x", tag: "t", access: .open).body(.anyObject)) { request, _ in
            let (value, _) = try await request.json(Start.self, limit: 1000)
            return "\(value.format) \(value.rows ?? 0)"
        }
        catalog.route(.get, "/page", RouteDoc("getPage", "x", tag: "t", access: .open)) { _, _ in
            Response(status: .ok, headers: [.contentType: "text/html; charset=utf-8", .cacheControl: "max-age=60"])
        }
        let errors: [(String, any Error)] = [
            ("boom", Boom()), ("full", SQLError(.full, "table web_x")), ("busy", SQLError(.busy, "x")),
            ("sql", SQLError(.other, "SELECT secret")),
            ("twice", SQLError(.uniqueViolation, "web_x.id")), ("blob", BlobError(.full, "/data/x")),
            ("lost", BlobError(.notFound, "/data/x")),
            ("http", HTTPError(.badRequest, message: "x")), ("teapot", HTTPError(.init(code: 418))),
            ("gone", CancellationError()),
        ]
        for (name, error) in errors {
            catalog.route(.get, "/errors/\(name)", RouteDoc("e" + name, "x", tag: "t", access: .open)) { _, _ -> Response in
                throw error
            }
        }
    }

    private let id = "018f3c4e-7a1b-7c3d-8e4f-0123456789ab"

    @Test("every error becomes a problem with a code, and says nothing of what is inside")
    func errors() async throws {
        let test = try await TestFloor()
        let expected: [(String, Int, String)] = [
            ("boom", 500, "INTERNAL_ERROR"), ("full", 507, "STORAGE_FULL"), ("busy", 503, "UNAVAILABLE"),
            ("sql", 500, "INTERNAL_ERROR"),
            ("twice", 409, "CONFLICT"), ("blob", 507, "STORAGE_FULL"), ("lost", 500, "ARTIFACT_DAMAGED"),
            ("http", 400, "INVALID_REQUEST"),
            ("teapot", 400, "INVALID_REQUEST"), ("gone", 503, "UNAVAILABLE"),
        ]
        try await test.serve(RouteTests.mount) { client async throws in
            for (name, status, code) in expected {
                let answer = try await client.get("/errors/\(name)")
                #expect(answer.status.code == status, "\(name)")
                #expect(try answer.code() == code, "\(name)")
                for secret in ["secret", "web_", "/data", "SELECT"] { #expect(!answer.text.contains(secret)) }
                if status == 503 { #expect(answer.headers[.retryAfter] == "1") }
            }
        }
        #expect(test.log.lines.contains { $0.level == .error && "\($0.metadata["error"] ?? "")".contains("Boom") })
    }

    @Test("an unknown address is 404, an unknown method 405 with those that are known")
    func unknown() async throws {
        try await TestFloor().serve(RouteTests.mount) { client async throws in
            let lost = try await client.get("/nothing")
            #expect(lost.status == .notFound)
            #expect(try lost.code() == "NOT_FOUND")
            for method in ["POST", "PATCH", "TRACE", "OPTIONS", "CONNECT", "FOO"] {
                let answer = try await client.execute(uri: "/things/\(id)", method: try #require(.init(method)))
                #expect(answer.status.code == 405, "\(method)")
                #expect(answer.headers[.allow] == "DELETE, GET, HEAD")
                #expect(try answer.code() == "METHOD_NOT_ALLOWED")
            }
            let override = try await client.get("/things/\(id)", [try #require(.init("X-HTTP-Method-Override")): "DELETE"])
            #expect(override.status == .ok)
        }
    }

    @Test(
        "a path that is not in its one form reaches no route",
        arguments: [
            "//page", "/page/", "/./page", "/x/../page", "/%2e/page", "/x/%2E%2e/page", "/page//", "/%ff", "/names/%00",
            "/names/a%",
        ])
    func paths(path: String) async throws {
        try await TestFloor().serve(RouteTests.mount) { client async throws in
            let answer = try await client.get(path)
            #expect(answer.status == .notFound)
            #expect(try answer.code() == "NOT_FOUND")
        }
    }

    @Test("a target over 8 KiB is 414")
    func longTarget() async throws {
        try await TestFloor().serve(RouteTests.mount) { client async throws in
            let answer = try await client.get("/page?" + String(repeating: "a", count: 8200))
            #expect(answer.status.code == 414)
        }
    }

    @Test("parts of a path are decoded, and an id that is no UUID is unknown")
    func pathParts() async throws {
        try await TestFloor().serve(RouteTests.mount) { client async throws in
            #expect(try await client.get("/names/a%2Fb%20%C3%A9").text == "a/b é")
            #expect(try await client.get("/things/\(id.uppercased())").json()["id"]?.string == id)
            for bad in ["1", "x", String(id.dropLast()), id + "0", id.replacing("-", with: "0"), "%20\(id.dropFirst())"] {
                #expect(try await client.get("/things/\(bad)").status == .notFound)
            }
        }
    }

    @Test("a query that the route does not know is refused by name")
    func query() async throws {
        try await TestFloor().serve(RouteTests.mount) { client async throws in
            #expect(try await client.get("/things/\(id)?deep=true").status == .ok)
            for query in ["shallow=1", "deep=true&deep=true", "deep=yes", "access_token=x", "Deep=true"] {
                let answer = try await client.get("/things/\(id)?\(query)")
                #expect(answer.status == .badRequest, "\(query)")
                #expect(answer.text.contains(query.prefix { $0 != "=" }))
            }
        }
    }

    @Test("HEAD is GET without its body")
    func head() async throws {
        try await TestFloor().serve(RouteTests.mount) { client async throws in
            let get = try await client.get("/things/\(id)")
            let head = try await client.execute(uri: "/things/\(id)", method: .head)
            #expect(head.status == .ok)
            #expect(head.body.readableBytes == 0)
            #expect(head.headers[.contentLength] == get.headers[.contentLength])
            #expect(try await client.execute(uri: "/things/x", method: .head).status == .notFound)
        }
    }

    @Test("who may not, gets 401 or 403, and learns which scope is missing")
    func access() async throws {
        let test = try await TestFloor()
        let key = try await test.floor.keys.create(
            id: id, tenant: try #require(TenantID("acme")), user: "bot", roles: ["content:export"], name: "", expiresAt: nil,
            random: Array(repeating: 7, count: 32), now: test.time.now())
        try await test.serve(RouteTests.mount) { client async throws in
            let none = try await client.get("/mine")
            #expect(none.status == .unauthorized)
            #expect(none.headers[.wwwAuthenticate] == "Bearer realm=\"waybill\", ApiSecret")
            #expect(try none.code() == "UNAUTHORIZED")
            let token = try test.token()
            #expect(try await client.get("/mine", [.authorization: "bearer \(token)"]).text == "ann")
            #expect(try await client.get("/mine", [.apiSecret: key]).text == "bot")
            let other = try await client.get("/mine", try test.bearer(roles: ["uploader", "marketing"]))
            #expect(other.status == .forbidden)
            #expect(try other.json()["scope"]?.string == "content:export")
            #expect(try await client.get("/me", try test.bearer(roles: [])).text == "ann")
            var twice = HTTPFields()
            twice.append(HTTPField(name: .authorization, value: "Bearer \(token)"))
            twice.append(HTTPField(name: .authorization, value: "Bearer \(token)"))
            let bad: [HTTPFields] = [
                twice, [.authorization: "Bearer \(token)", .apiSecret: key], [.authorization: token], [.authorization: "Bearer"],
                [.authorization: "Basic \(token)"], [.authorization: "Bearer \(token), Bearer \(token)"],
                [.authorization: "Bearer \(token) x"],
                [.apiSecret: "wbk_x"], [.apiSecret: key + "x"], [.apiSecret: ""],
            ]
            for headers in bad {
                let answer = try await client.get("/mine", headers)
                #expect(answer.status == .unauthorized, "\(headers)")
                #expect(answer.headers[.wwwAuthenticate]?.hasPrefix("Bearer") == true)
            }
            for query in ["access_token", "token", "authorization"] {
                #expect(try await client.get("/mine?\(query)=\(token)").status == .unauthorized)
            }
            #expect(try await client.get("/page", [.authorization: "nonsense"]).status == .ok)
        }
    }

    @Test(
        "a body must be the JSON that the route knows",
        arguments: [
            ("{}", 400, "INVALID_REQUEST", "format"), ("{\"format\":1}", 400, "INVALID_REQUEST", "format"),
            ("{\"format\":null}", 400, "INVALID_REQUEST", "format"),
            ("{\"format\":\"csv\",\"rows\":1.5}", 400, "INVALID_REQUEST", "rows"),
            ("{\"format\":\"csv\",\"rows\":99999999999999999999}", 400, "INVALID_REQUEST", "rows"),
            ("{\"format\":\"csv\",\"colour\":1}", 400, "UNKNOWN_FIELD", "colour"),
            ("{\"format\":\"csv\",\"csv\":{\"x\":1}}", 400, "UNKNOWN_FIELD", "csv.x"),
            ("{\"format\":\"csv\",\"parts\":[{},{\"y\":1}]}", 400, "UNKNOWN_FIELD", "parts[1].y"),
            ("[]", 400, "INVALID_REQUEST", "body"), ("", 400, "INVALID_JSON", "early"),
            ("{\"format\":", 400, "INVALID_JSON", "byte 10"),
            ("{\"format\":\"a\",\"format\":\"b\"}", 400, "INVALID_JSON", "twice"),
        ])
    func bodies(body: String, status: Int, code: String, named: String) async throws {
        try await TestFloor().serve(RouteTests.mount) { client async throws in
            let answer = try await client.post("/starts", json: body)
            #expect(answer.status.code == status)
            #expect(try answer.code() == code)
            #expect(answer.text.contains(named))
        }
    }

    @Test("media types and codings that are not taken are 415, large bodies 413")
    func media() async throws {
        try await TestFloor().serve(RouteTests.mount) { client async throws in
            let body = "{\"format\":\"csv\"}"
            for type in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""] {
                #expect(try await client.post("/starts", [.contentType: type], json: body).text == "csv 0")
            }
            for type in [
                "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "application/jsonx",
                "json", "",
            ] {
                #expect(try await client.post("/starts", [.contentType: type], json: body).status.code == 415, "\(type)")
            }
            for coding in ["gzip", "br", "identity, gzip"] {
                #expect(try await client.post("/starts", [.contentEncoding: coding], json: body).status.code == 415, "\(coding)")
            }
            let large = try await client.post("/starts", json: "{\"format\":\"\(String(repeating: "a", count: 1000))\"}")
            #expect(large.status.code == 413)
            #expect(try large.code() == "CONTENT_TOO_LARGE")
        }
    }

    @Test("an answer has its safety fields, and a request its id")
    func headers() async throws {
        let test = try await TestFloor()
        try await test.serve(RouteTests.mount) { client async throws in
            let data = try await client.get("/things/\(id)", [.requestID: "abc-1.2_3"])
            #expect(data.headers[.requestID] == "abc-1.2_3")
            #expect(data.headers[.xContentTypeOptions] == "nosniff")
            #expect(data.headers[.referrerPolicy] == "no-referrer")
            #expect(data.headers[.cacheControl] == "no-store")
            #expect(data.headers[.contentSecurityPolicy]?.contains("default-src 'none'") == true)
            let page = try await client.get("/page")
            #expect(page.headers[.contentSecurityPolicy] == data.headers[.contentSecurityPolicy])
            #expect(page.headers[.cacheControl] == "max-age=60")
            for bad in ["a b", "é", String(repeating: "a", count: 65), "a/b", ""] {
                let id = try await client.get("/page", [.requestID: bad]).headers[.requestID]
                #expect(id != bad)
                #expect(id?.utf8.count == 16)
            }
        }
    }

    @Test("the log has one line per request, without tokens, queries or paths")
    func accessLog() async throws {
        let test = try await TestFloor()
        let token = try test.token()
        try await test.serve(RouteTests.mount) { client async throws in
            _ = try await client.get("/mine?signature=hunter2", [.authorization: "Bearer \(token)"])
            _ = try await client.get("/nothing/here?signature=hunter2")
        }
        let lines = test.log.lines.filter { $0.message == "request" }
        try #require(lines.count == 2)
        #expect(lines[0].metadata["route"] == "/mine")
        #expect(lines[0].metadata["tenant"] == "acme")
        #expect(lines[0].metadata["user"] == "ann")
        #expect(lines[0].metadata["status"]?.description == "400")
        #expect(lines[1].metadata["route"] == "-")
        for line in test.log.lines {
            #expect(!"\(line)".contains("hunter2"))
            #expect(!"\(line)".contains(token))
        }
    }

    @Test("who asks too often is told when to come back")
    func rate() async throws {
        let test = try await TestFloor(rate: .init(perSecond: 1, burst: 2))
        try await test.serve(RouteTests.mount) { client async throws in
            let headers = try test.bearer()
            for _ in 0..<2 { #expect(try await client.get("/me", headers).status == .ok) }
            let refused = try await client.get("/me", headers)
            #expect(refused.status.code == 429)
            #expect(refused.headers[.retryAfter] == "1")
            #expect(try refused.code() == "TOO_MANY_REQUESTS")
            #expect(try await client.get("/me", try test.bearer("bob")).status == .ok)
            test.time.advance(.seconds(1))
            #expect(try await client.get("/me", headers).status == .ok)
        }
    }
}
