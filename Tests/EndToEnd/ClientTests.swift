import Foundation
import Testing
import WaybillClient

@Suite(.server())
struct ClientTests {
    private func with<T: Sendable>(_ role: String, _ body: (WaybillClient) async throws -> T) async throws -> T {
        let server = try sharedServer()
        let user = try await server.newUser(role)
        let token = try #require(user.token)
        return try await WaybillClient.with(url: "http://127.0.0.1:\(server.port)", credential: .bearer(token), body)
    }

    private struct Page: Codable, Equatable {
        var title: String
        var size: Int
    }

    @Test("the client library stores, exports, watches and loads down")
    func export() async throws {
        try await with("editor") { client in
            try await client.content.define(
                "page", ContentType(fields: [.init("title", .text, indexed: true), .init("size", .integer)]))
            try await client.content.put(Page(title: "One, two", size: 3), id: "p/1", type: "page")
            #expect(try await client.content.item("p/1", type: "page", as: Page.self) == Page(title: "One, two", size: 3))
            let chunks = AsyncStream { feed in
                feed.yield(Array("id,title,size\np2,Two".utf8))
                feed.yield(Array(",2\n".utf8))
                feed.finish()
            }
            let stored = try await client.content.upload(chunks, format: .csv, type: "page")
            #expect(stored.inserted == 1)
            #expect(try await client.content.types().map(\.items) == [2])
            let job = try await client.exports.create(
                ExportRequest(contentType: "page", sort: ["-title"], format: .csv), idempotencyKey: "once", waitSeconds: 30)
            #expect(job.state == .completed && job.result?.exported == 2)
            var names: [String] = []
            for try await event in client.exports.monitor(job.id, after: "0") { names.append(event.name) }
            #expect(names.last == "job.completed")
            let path = NSTemporaryDirectory() + "waybill-e2e-\(UUID().uuidString).csv"
            let file = try await client.exports.download(job.id, to: path)
            #expect(file.isVerified && file.filename == "page.csv")
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "id,title,size\r\np2,Two,2\r\np/1,\"One, two\",3\r\n")
            try FileManager.default.removeItem(atPath: path)
            #expect(try await client.exports.revoke(job.id).artifactState == "revoked")
            #expect(try await client.exports.list(state: .completed).total == 1)
            #expect(try await client.jobs.get(job.id).kind == "content.export")
            await #expect(throws: WaybillClientError.self) { try await client.exports.cancel(job.id) }
        }
    }

    @Test("the client library imports, and loads what failed down")
    func importing() async throws {
        try await with("editor") { client in
            try await client.content.define("page", ContentType(fields: [.init("size", .integer)]))
            let chunks = AsyncStream { feed in
                feed.yield(Array("{\"id\":\"1\",\"size\":1}\n{\"id\":\"2\",\"size\":\"x\"}\n".utf8))
                feed.finish()
            }
            let job = try await client.imports.create(
                chunks, format: .ndjson, ImportOptions(contentType: "page", onError: .proceed))
            for try await event in client.imports.monitor(job.id) where event.job.state.isFinal {
                #expect(event.job.state == .completed)
            }
            let ended = try await client.imports.get(job.id)
            #expect(ended.result?.inserted == 1 && ended.result?.failed == 1 && ended.result?.errors?.first?.line == 2)
            let path = NSTemporaryDirectory() + "waybill-e2e-\(UUID().uuidString)"
            _ = try await client.imports.downloadFailedRows(job.id, to: path)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "{\"id\":\"2\",\"size\":\"x\"}\n")
            try FileManager.default.removeItem(atPath: path)
            _ = try await client.imports.downloadLedger(job.id, to: path)
            try FileManager.default.removeItem(atPath: path)
        }
    }

    @Test("the client library makes keys, and reads notices")
    func administration() async throws {
        try await with("admin") { client in
            let key = try await client.apiKeys.create(APIKeyRequest(user: "robot", name: "nightly", roles: ["reader"]))
            let secret = try #require(key.secret)
            #expect(try await client.apiKeys.list().map(\.id) == [key.id])
            let total = try await WaybillClient.with(url: client.url, credential: .apiSecret(secret)) { robot in
                try await robot.jobs.list().total
            }
            #expect(total == 0)
            try await client.apiKeys.revoke(key.id)
            #expect(try await client.notifications.list().total == 0)
            let refused = await #expect(throws: WaybillClientError.self) { try await client.content.type("none") }
            #expect(refused?.status == 404 && refused?.problem?.code == "NOT_FOUND")
        }
    }
}
