import Foundation
import Testing

/// `waybill export`, `waybill jobs` and `waybill tenant` against the real server.
@Suite struct JobCommandTests {
    private struct Shell {
        let user: User

        private var environment: [String: String] {
            ["WAYBILL_URL": "http://127.0.0.1:\(user.server.port)", "WAYBILL_TOKEN": user.token ?? ""]
        }

        /// Runs a command that must end with a status.
        /// - Returns: what it has written, without the line end.
        @discardableResult
        func callAsFunction(
            _ line: String..., status: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation
        ) async throws -> String {
            let ran = try await ServerProcess.run(line, environment: environment)
            #expect(ran.status == status, "\(line): \(ran.output)", sourceLocation: sourceLocation)
            return ran.output.trimmingCharacters(in: .newlines)
        }

        func start(_ line: String..., log: String) throws -> ServerProcess {
            try ServerProcess(line, environment: environment, log: user.server.folder + "/" + log)
        }

        func state(_ id: String) async throws -> String? {
            try JSON(Array(try await self("jobs", "show", id, "--json").utf8))["state"]?.string
        }
    }

    @Test("an export from the command line is watched, lies where it was ordered, and is as it was ordered")
    func export() async throws {
        try await withServer { server in
            let ada = try await server.newUser("editor")
            try await ada.makeArticles(25)
            let shell = Shell(user: ada)
            let path = server.folder + "/articles.csv"
            let told = try await shell(
                "export", "--type", "article", "--query", "year:[1901 TO 1903]", "--fields", "id,year", "--sort=-title",
                "--csv-delimiter", ";", "--csv-bom", "--output", path)
            #expect(told.contains("100 %  completed") && told.contains("3 of 3 items exported") && told.contains("SHA-256"))
            // As bytes: a text that is read from a file has no mark any more.
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            #expect(bytes == Data("\u{FEFF}id;year\r\na0000003;1903\r\na0000002;1902\r\na0000001;1901\r\n".utf8))

            let json = try await shell("export", "--type", "article", "--part-rows", "10", "--format", "ndjson", "--json")
            let job = try JSON(Array(json.utf8))
            #expect(job["state"]?.string == "completed" && job["parts"]?.integer == 3)

            let link = try await shell("export", "--type", "article").components(by: "\n").last ?? ""
            let address = "http://127.0.0.1:\(server.port)"
            try #require(link.hasPrefix(address), "\(link)")
            #expect(try await User.nobody(server).get(String(link.dropFirst(address.count))).status == 200)

            #expect(try await shell("export", "--type", "none", status: 2).contains("none"))
            try await shell("export", "--type", "article", "--format", "xlsx", "--part-bytes", "4096", status: 2)
        }
    }

    @Test("a job is paused, resumed, cancelled, started over and followed to its end from the command line")
    func jobs() async throws {
        try await withOneWorker { server in
            let ada = try await server.newUser("editor")
            try await ada.makeArticles(3)
            let shell = Shell(user: ada)
            let worker = try await server.holdWorker()
            let id = try await shell("export", "--type", "article", "--no-wait")
            #expect(try await shell("jobs", "show", id).contains("waits for"))
            #expect(try await shell("jobs", "pause", id) == "\(id): pause requested")
            #expect(try await shell.state(id) == "paused")
            #expect(try await shell("jobs", "resume", id) == "\(id): resumed")
            #expect(try await shell.state(id) == "pending")
            let cancelled = try JSON(Array(try await shell("jobs", "cancel", id, "--json").utf8))
            #expect(cancelled["jobId"]?.string == id && cancelled["state"]?.string == "cancelled")
            #expect(try await shell("jobs", "watch", id, status: 1).contains("is cancelled"))
            for verb in ["cancel", "pause", "resume"] { try await shell("jobs", verb, id, status: 1) }
            #expect(try await shell("jobs", "retry", id) == "\(id): started over")

            let watching = try shell.start("jobs", "watch", id, "--json", log: "watch")
            _ = try await poll("the first event") { watching.output.contains("\n") ? true : nil }
            try await worker.release()
            #expect(await watching.status() == 0, "\(watching.output)")
            let events = try watching.output.split(separator: "\n").map { try JSON(Array($0.utf8)) }
            #expect(events.first?["state"]?.string == "pending" && events.last?["state"]?.string == "completed")

            let list = try JSON(Array(try await shell("jobs", "list", "--state", "completed", "--json").utf8))
            #expect(list["total"]?.integer == 1 && list["jobs"]?[0]?["jobId"]?.string == id)
            let table = try await shell("jobs", "list").components(by: "\n")
            #expect(table.contains { $0.hasPrefix(id) && $0.contains("completed") && $0.contains("100 %") }, "\(table)")
            try await shell("jobs", "retry", id, status: 1)
            try await shell("jobs", "show", "01890a5d-ac96-774b-bcce-b302099a8057", status: 5)
        }
    }

    @Test("a tenant is listed, and erased by who says its name twice")
    func tenants() async throws {
        try await withServer { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            try await ada.makeArticles(1)
            let system = Shell(user: try await server.user("ops", of: "operations", "system"))
            let url = "http://127.0.0.1:\(server.port)"
            #expect(try await system("tenant", "list", "--url", url).components(by: "\n").contains { $0.hasPrefix("acme ") })
            try await system("tenant", "delete", "acme", "--confirm", "acne", "--url", url, status: 2)
            try await Shell(user: ada)("tenant", "delete", "acme", "--confirm", "acme", "--url", url, status: 4)
            #expect(try await ada.get("/content/types/article").status == 200)
            let job = try JSON(
                Array(try await system("tenant", "delete", "acme", "--confirm", "acme", "--url", url, "--json").utf8))
            try await system("jobs", "watch", try #require(job["jobId"]?.string))
            #expect(try await ada.get("/content/types/article").status == 410)
        }
    }
}
