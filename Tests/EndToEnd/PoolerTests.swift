import Foundation
import PostgresFixture
import TestServers
import Testing

/// The real program on a database that it reaches through pgbouncer.
@Suite(.serialized) struct PoolerTests {
    private func withFolder<T>(_ body: (String) async throws -> T) async throws -> T {
        let folder = NSTemporaryDirectory() + "waybill-pooler-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try await body(folder)
    }

    @Test("two nodes work where each transaction gets another connection: no prepared statements, no words between them")
    func transactions() async throws {
        try await withFolder { folder in
            let pooler = try Pooler(before: try await PostgresFixture.makeDatabase(), .transaction, folder: folder)
            var environment = S3Server.credentials
            environment["WAYBILL_DATABASE_URL"] = pooler.url
            environment["WAYBILL_BLOBS_URL"] = try await ServerStores.bucket()
            environment["WAYBILL_SIGNING_KEY"] = SharedDatabaseTests.key
            #expect(pooler.url.contains("prepare=off"))
            try await withServer(CrashTests.settings, environment: environment) { [environment] first in
                try await withServer(CrashTests.settings, environment: environment, isIdle: true) { second in
                    let here = try await first.user("ada", of: "acme", "editor")
                    let there = User(server: second, tenant: "acme", name: "ada", token: here.token)
                    try await here.makeArticles(3000)
                    let imported = try await there.importing("contentType=article", "id,title\nn1,New\nn2,Newer\n")
                    #expect(try await here.wait(imported, in: User.imports)["result"]?["inserted"]?.integer == 2)
                    let file = try await here.exportedFile(#"{"contentType": "article", "format": "csv", "sort": ["-title"]}"#)
                    #expect(try await Tool.csv(file.body).count == 3003)
                    // Whichever node runs it, the other one sees its events by looking.
                    for (mine, other) in [(here, there), (there, here)] {
                        let id = try await mine.export()
                        let events = try await other.stream("/content/export/\(id)/monitor") { try await $0.rest() }
                        #expect(events.last?.name == "job.completed")
                    }
                    let slow = try await first.slowUser()
                    let id = try await slow.slowExport()
                    let stopped = User(server: second, tenant: slow.tenant, name: slow.name, token: slow.token)
                    #expect(try await stopped.post("/content/export/\(id)/cancel").status == 202)
                    #expect(try await slow.wait(id)["state"]?.string == "cancelled")
                }
            }
            try pooler.stop()
        }
    }

    @Test("while the database is away answers are 503 within 5 s, and once it is back everything goes on, the running export too")
    func outage() async throws {
        try await withFolder { folder in
            let database = try await PostgresFixture.makeDatabase()
            let link = try Pooler(before: database, .session, folder: folder)
            let environment = ["WAYBILL_DATABASE_URL": link.url]
            try await withServer(CrashTests.settings, environment: environment, filesAreOnDisk: true) { server in
                let ada = try await server.slowUser()
                try await ada.makeArticles(10)
                let whole = try await ada.exportedFile(SlowContent.request).body
                let id = try await ada.slowExport()
                _ = try await poll("a checkpoint") { () -> Bool? in
                    (try await ada.job(id)["progress"]?.number ?? 0) > 0 ? true : nil
                }
                server.expectComplaints()
                try link.stop()
                let clock = ContinuousClock()
                var waits: [Duration] = []
                for _ in 0..<2 {
                    for (method, path) in [
                        ("GET", "/content/types"), ("GET", "/jobs"), ("PUT", "/content/types/other"), ("POST", User.exports),
                    ] {
                        let body = method == "PUT" ? #"{"fields": []}"# : #"{"contentType": "article", "format": "csv"}"#
                        let began = clock.now
                        let answer = try await ada.send(
                            method, path, method == "GET" ? nil : Array(body.utf8),
                            type: method == "GET" ? nil : "application/json")
                        #expect(answer.status == 503 && answer["Retry-After"] != nil, "\(method) \(path): \(answer.text)")
                        waits.append(clock.now - began)
                    }
                }
                // One of them may have stood in the line for a processor, here where many tests share few.
                #expect(waits.sorted()[waits.count / 2] < .seconds(5), "\(waits)")
                #expect(try await User.nobody(server).get("/readyz").status == 503)
                #expect(try await User.nobody(server).get("/livez").status == 200)
                let again = try Pooler(before: database, .session, folder: folder)
                let began = clock.now
                _ = try await poll("the database to be back") { () -> Bool? in
                    try await ada.get("/content/types").status == 200 ? true : nil
                }
                #expect(clock.now - began < .seconds(20), "it took \(clock.now - began)")
                let job = try await ada.wait(id)
                #expect(job["state"]?.string == "completed" && job["attempts"]?.integer == 0, "\(job)")
                let isEqual = try await ada.download(id).body == whole
                #expect(isEqual)
                #expect(try await ada.get("/content/types/other").status == 404, "what got no answer was not done")
                withExtendedLifetime(again) {}
            }
        }
    }
}
