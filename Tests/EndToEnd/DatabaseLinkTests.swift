import Foundation
import PostgresFixture
import Testing

/// The real program and a PostgreSQL that it can't reach, in the ways that make no noise.
@Suite(.serialized) struct DatabaseLinkTests {
    @Test(
        "a link that falls silent costs a caller five seconds at most, and once it is back everything goes on",
        .timeLimit(.minutes(5)))
    func silence() async throws {
        let link = try await DatabaseLink(to: try await PostgresFixture.makeDatabase())
        try await withServer(CrashTests.settings, environment: ["WAYBILL_DATABASE_URL": link.url], filesAreOnDisk: true) {
            server in
            let ada = try await server.newUser("editor")
            try await ada.makeArticles(10)
            server.expectComplaints()
            link.fallSilent()
            let clock = ContinuousClock()
            func refused(_ method: String, _ path: String, _ body: String?) async throws -> Duration {
                let began = clock.now
                let answer = try await ada.send(
                    method, path, body.map { Array($0.utf8) }, type: body == nil ? nil : "application/json")
                #expect(answer.status == 503 && answer["Retry-After"] != nil, "\(method) \(path): \(answer.text)")
                return clock.now - began
            }
            // The first ones find it out, several at once; the later ones meet what is known by then.
            var waits = try await withThrowingTaskGroup(of: Duration.self) { group in
                for number in 0..<4 {
                    group.addTask { try await refused("GET", "/content/types", nil) }
                    group.addTask { try await refused("PUT", "/content/types/other-\(number)", #"{"fields": []}"#) }
                }
                return try await group.reduce(into: [Duration]()) { $0.append($1) }
            }
            for _ in 0..<2 { waits.append(try await refused("PUT", "/content/types/late", #"{"fields": []}"#)) }
            // One of them may have stood in the line for a processor, here where many tests share few.
            #expect(waits.sorted()[waits.count * 3 / 4] < .seconds(5), "\(waits)")
            #expect(try await User.nobody(server).get("/livez").status == 200)
            #expect(try await User.nobody(server).get("/readyz").status == 503)
            link.heal()
            let began = clock.now
            _ = try await poll("the database to be back") { () -> Bool? in
                try await ada.get("/content/types").status == 200 ? true : nil
            }
            #expect(clock.now - began < .seconds(20), "it took \(clock.now - began)")
            #expect(try await ada.get("/content/types/article").json()["items"]?.integer == 10)
            #expect(try await ada.exported()["state"]?.string == "completed")
        }
        try await link.close()
    }

    @Test("an export of a table whose link falls silent stops soon, and is whole once the link is back", .timeLimit(.minutes(5)))
    func silentTable() async throws {
        let rows = 400_000
        let database = try await PostgresFixture.makeDatabase()
        try await Tool.psql(
            database,
            """
            CREATE TABLE many (nr BIGINT PRIMARY KEY, text TEXT);
            INSERT INTO many SELECT i, repeat('x', 400) FROM generate_series(1, \(rows)) AS s (i)
            """)
        let link = try await DatabaseLink(to: database)
        let configuration = """
            datasets:
              many:
                source: \(link.url)
                table: many
                key: nr
                tenants: [acme]
                readers: [everyone]
            """
        try await withServer(CrashTests.settings, configuration: configuration) { server in
            let ada = try await server.user("ada", of: "acme", "reader")
            server.expectComplaints()
            let clock = ContinuousClock()
            // It may have ended when the link falls silent.
            for round in 0... {
                try #require(round < 20, "the link never fell silent while rows came")
                let id = try await ada.export(#"{"dataset": "many", "format": "csv"}"#)
                _ = try await poll("the first rows") { try await ada.job(id)["progress"]?.number ?? 0 > 0 ? true : nil }
                link.fallSilent()
                let began = clock.now
                let stopped = try await poll("the attempt's end") {
                    let job = try await ada.job(id)
                    return job["state"]?.string != "running" ? job : nil
                }
                #expect(clock.now - began < .seconds(10), "it took \(clock.now - began)")
                link.heal()
                let job = try await ada.wait(id)
                #expect(job["state"]?.string == "completed" && job["result"]?["exported"]?.integer == rows, "\(job)")
                if stopped["state"]?.string == "pending" { break }
            }
        }
        try await link.close()
    }

    @Test("a start waits for a database that is not there yet, and ends after the time that is set")
    func start() async throws {
        let database = try await PostgresFixture.makeDatabase()
        let place = try await DatabaseLink(to: database)
        try await place.close()
        let folder = NSTemporaryDirectory() + "waybill-e2e-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let line = ["serve", "--listen", "127.0.0.1:0", "--data", folder + "/data"]
        let environment = ["WAYBILL_DATABASE_URL": place.url]
        let (status, output) = try await ServerProcess.run(
            line + ["--set", "database.startTimeout=1s"], environment: environment)
        #expect(status == 1 && output.contains("database.startTimeout"), "\(output)")

        let node = try await NodeProcess(
            line, environment: environment, log: folder + "/log", until: "the database is not there yet")
        let link = try await DatabaseLink(to: database, port: place.port)
        let port = try await poll("the node's start") { () -> Int? in
            if node.process.hasEnded { throw E2EError("the node did not start: \(node.process.output)") }
            guard node.process.output.contains("listens on") else { return nil }
            return node.process.output.components(by: "listens on http://127.0.0.1:").last.flatMap {
                Int($0.prefix { $0.isNumber })
            }
        }
        #expect(try await RawHTTP.exchange([RawHTTP.Request(target: "/readyz").head], port: port).status == 200)
        #expect(await node.terminate() == 0)
        try await link.close()
    }
}
