import Foundation
import PostgresFixture
import TestServers
import Testing

/// Several runs of the program on one PostgreSQL database.
@Suite struct SharedDatabaseTests {
    static let key = "a key of more than thirty-two bytes, which all nodes share"

    /// Starts two servers that share a database, a bucket and the key.
    static func withNodes(_ body: @Sendable (ServerFixture, ServerFixture) async throws -> Void) async throws {
        var environment = S3Server.credentials
        environment["WAYBILL_DATABASE_URL"] = try await PostgresFixture.makeDatabase()
        environment["WAYBILL_BLOBS_URL"] = try await ServerStores.bucket()
        environment["WAYBILL_SIGNING_KEY"] = key
        let settings = CrashTests.settings
        try await withServer(settings, environment: environment) { [environment] first in
            try await withServer(settings, environment: environment, isIdle: true) { second in try await body(first, second) }
        }
    }

    @Test("what one node has stored, another reads, exports, streams, downloads and erases")
    func doors() async throws {
        try await Self.withNodes { first, second in
            let here = try await first.user("ada", of: "acme", "admin")
            let there = User(server: second, tenant: "acme", name: "ada", token: here.token)
            try await here.makeArticles(200)
            let file = try await there.exportedFile(#"{"contentType": "article", "format": "csv"}"#)
            let id = try await here.export()
            let events = try await there.stream("/content/export/\(id)/monitor") { try await $0.rest() }
            #expect(events.last?.name == "job.completed")
            #expect(try await there.download(id).body == file.body)
            let link = try #require(try await here.job(id)["downloadUrl"]?.string)
            #expect(try await User.nobody(second).get(link).body == file.body, "a link of one node opens at the other")
            let imported = try await there.importing("contentType=article", "id,title\nn1,New\n")
            #expect(try await here.wait(imported, in: User.imports)["result"]?["inserted"]?.integer == 1)
            #expect(try await there.get("/content/types/article").json()["items"]?.integer == 201)
            _ = try await poll("the notices") { () -> Bool? in
                try await there.get("/notifications").json()["total"]?.integer == 3 ? true : nil
            }
            let system = try await second.user("ops", of: "operations", "system")
            let job = try #require(try await system.delete("/tenants/acme").json()["jobId"]?.string)
            #expect(try await system.wait(job, in: "/jobs")["state"]?.string == "completed")
            // A node may trust what it has seen of a tenant for a second.
            _ = try await poll("the closed gate") { () -> Bool? in
                try await here.get("/content/types").status == 410 ? true : nil
            }
        }
    }

    @Test("the start of a second node leaves the jobs of the first alone, and takes them when the first dies")
    func starts() async throws {
        try await Self.withNodes { first, second in
            let here = try await first.slowUser()
            let there = User(server: second, tenant: here.tenant, name: here.name, token: here.token)
            await second.terminate()
            let whole = try await here.exportedFile(SlowContent.request).body
            let id = try await here.slowExport()
            try await second.start()
            _ = try await poll("a checkpoint") { () -> Bool? in (try await here.job(id)["progress"]?.number ?? 0) > 0 ? true : nil
            }
            let running = try await there.job(id)
            #expect(running["deaths"]?.integer == 0 && running["interruptions"]?.integer == 0, "\(running)")
            await first.kill()
            let ended = try await there.wait(id)
            #expect(ended["state"]?.string == "completed" && ended["attempts"]?.integer == 0, "\(ended)")
            let isEqual = try await there.download(id).body == whole
            #expect(isEqual)
            try await first.start()
        }
    }

    @Test("a node that would keep its files elsewhere, or in another installation's store, is refused")
    func stores() async throws {
        let database = try await PostgresFixture.makeDatabase()
        let environment = ["WAYBILL_DATABASE_URL": database, "WAYBILL_SIGNING_KEY": Self.key]
        try await withServer(environment: environment, filesAreOnDisk: true) { server in
            let elsewhere = ["serve", "--data", server.folder + "/other", "--listen", "127.0.0.1:0"]
            let other = try await ServerProcess.run(elsewhere, environment: environment)
            #expect(other.status == 1 && other.output.contains("in another store"), "\(other.output)")
            let shared = try await ServerProcess.run(
                elsewhere + ["--set", "blobs.url=file://\(server.data)"], environment: environment)
            #expect(shared.status == 1 && shared.output.contains("in use by process"), "\(shared.output)")
            await server.terminate()
            let foreign = try await ServerProcess.run(
                elsewhere + ["--set", "blobs.url=file://\(server.data)"],
                environment: environment.merging(["WAYBILL_DATABASE_URL": try await PostgresFixture.makeDatabase()]) { $1 })
            #expect(foreign.status == 1 && foreign.output.contains("another installation"), "\(foreign.output)")
            try await server.start()
        }
    }

    @Test("keys are made and ended, and the doctor looks at a folder of its own, while a node runs")
    func commands() async throws {
        try await Self.withNodes { server, _ in
            let other = server.folder + "/operator"
            let made = try await server.run(
                [
                    "apikey", "create", "--data", other, "--tenant", "acme", "--user", "robot", "--name", "n", "--role", "admin",
                    "--json",
                ])
            try #require(made.status == 0, "\(made.output)")
            let key = try JSON(Array(made.output.utf8))
            var robot = User(server: server, tenant: "acme", name: "robot", token: nil)
            robot.apiSecret = try #require(key["secret"]?.string)
            #expect(try await robot.get("/jobs").status == 200)
            let listed = try await server.run(["apikey", "list", "--data", other, "--tenant", "acme"])
            let id = try #require(key["id"]?.string)
            #expect(listed.status == 0 && listed.output.contains(id), "\(listed.output)")
            let ended = try await server.run(["apikey", "revoke", id, "--data", other, "--tenant", "acme"])
            #expect(ended.status == 0, "\(ended.output)")
            #expect(try await robot.get("/jobs").status == 401)
            let doctor = try await server.run(["doctor", "--data", other])
            #expect(doctor.status == 0 && doctor.output.contains("PostgreSQL 1"), "\(doctor.output)")
            let shown = try await server.run(["config", "show", "--data", other])
            #expect(shown.status == 0 && shown.output.contains("database.url"))
            for output in [doctor.output, shown.output] {
                #expect(!output.contains(Self.key) && !output.contains("postgres://"), "\(output)")
            }
        }
    }
}
