import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Testing
import WaybillEngine

@testable import Web

@Suite struct OpenAPITests {
    private static func mount(_ test: TestFloor) -> (RouteCatalog) -> Void {
        { catalog in
            SystemRoutes(test.floor, health: HealthBoard(time: test.time, checks: []), version: BuildVersion(version: "1.2.3"))
                .mount(catalog)
            SessionRoutes(test.floor).mount(catalog)
            catalog.component("Job", .object(["jobId": .uuid, "startedAt": .dateTime.nullable, "result": .anyObject.optional]))
            let start = RouteDoc("start", "Starts", tag: "jobs", access: .scope(.contentExport)).described("Text.")
                .body(.body(["format": .enumeration(["csv", "json"]), "rows": .integer(1...10).optional])).idempotent().waits()
                .answer(202, "taken on", .ref("Job"), headers: ["Location", "Retry-After"]).problems(409)
            catalog.route(.post, "/jobs", start) { _, _ in "" }
            let list = RouteDoc("list", "Lists", tag: "jobs", access: .scope(.jobsRead)).paged().query(
                "status", .enumeration(["open"])
            )
            .answer(200, "a page", .array(of: .ref("Job")), headers: ["X-Total"])
            catalog.route(.get, "/jobs", list) { _, _ in "" }
            let file = RouteDoc("file", "The file", tag: "jobs", access: .scopeOrLink(.contentExport)).path("jobId", .uuid)
                .download(media: ["text/csv", "application/zip"]).problems(409, 425)
            catalog.route(.get, "/jobs/{jobId}/{name}", file) { _, _ in "" }
        }
    }

    private func document() async throws -> JSONValue {
        let test = try await TestFloor()
        return try await test.serve(OpenAPITests.mount(test)) { client async throws in
            let answer = try await client.get("/openapi.json")
            #expect(answer.headers[.contentType] == "application/json")
            return try answer.json()
        }
    }

    @Test("every route is in the document, and every reference leads somewhere")
    func complete() async throws {
        let document = try await document()
        #expect(document["openapi"] == "3.1.0")
        let paths = try #require(document["paths"]?.members)
        #expect(
            paths.map(\.name) == [
                "/livez", "/readyz", "/version", "/metrics", "/openapi.json", "/session", "/jobs", "/jobs/{jobId}/{name}",
            ])
        let text = String(decoding: document.utf8, as: UTF8.self)
        let references = text.split(separator: "\"$ref\":\"#/").dropFirst().map { $0.prefix { $0 != "\"" } }
        #expect(references.count > 20)
        for reference in references {
            var value: JSONValue? = document
            for step in reference.split(separator: "/") { value = value?[String(step)] }
            #expect(value != nil, "\(reference)")
        }
    }

    @Test("an operation says who may, what it takes and what it answers")
    func operation() async throws {
        let paths = try await document()["paths"]
        let start = try #require(paths?["/jobs"]?["post"])
        #expect(start["operationId"] == "start")
        #expect(start["description"] == "Text.\n\nNeeds the scope `content:export`.")
        #expect(start["security"] == [["bearer": []], ["apiKey": []]])
        #expect(
            start["requestBody"]?["content"]?["application/json"]?["schema"]
                == [
                    "type": "object",
                    "properties": [
                        "format": ["type": "string", "enum": ["csv", "json"]],
                        "rows": ["type": "integer", "minimum": 1, "maximum": 10],
                    ],
                    "required": ["format"], "additionalProperties": false,
                ])
        #expect(start["parameters"]?.array?.compactMap { $0["name"]?.string } == ["Idempotency-Key", "Prefer"])
        let answers = start["responses"]?.members?.map(\.name) ?? []
        #expect(
            answers == [
                "202", "400", "401", "403", "404", "408", "409", "410", "413", "414", "415", "422", "429", "431", "500", "503",
                "507",
            ])
        #expect(start["responses"]?["202"]?["headers"]?["Location"] != nil)
        let file = try #require(paths?["/jobs/{jobId}/{name}"]?["get"])
        #expect(file["parameters"]?.array?.prefix(2).compactMap { $0["name"]?.string } == ["name", "jobId"])
        #expect(file["responses"]?["200"]?["content"]?.members?.map(\.name) == ["text/csv", "application/zip"])
        #expect(file["responses"]?["410"] != nil)
        #expect(file["responses"]?["425"] != nil)
        #expect(paths?["/livez"]?["get"]?["security"] == [])
    }

    @Test("a schema that may be null says so")
    func nullable() {
        #expect(Schema.dateTime.nullable.json == ["type": ["string", "null"], "format": "date-time"])
        #expect(Schema.enumeration(["a"]).nullable.json == ["type": ["string", "null"], "enum": ["a", nil]])
        #expect(Schema.ref("X").nullable.optional.isOptional)
        #expect(Schema.integer(1...2).optional.described("x").isOptional)
    }
}
