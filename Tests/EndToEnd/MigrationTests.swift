import Foundation
import PostgresFixture
import Testing

/// The schema of real databases, under the real program.
@Suite struct MigrationTests {
    enum Store: String, CaseIterable {
        case sqlite, postgres
    }

    /// A database that nobody has touched, and how the program is led to it.
    private struct Place {
        var folder = NSTemporaryDirectory() + "waybill-e2e-\(UUID().uuidString.prefix(8))"
        var environment: [String: String] = [:]
        var url: String?

        init(_ store: Store) async throws {
            guard store == .postgres else { return }
            let url = try await PostgresFixture.makeDatabase()
            self.url = url
            environment = ["WAYBILL_DATABASE_URL": url]
        }

        func run(_ arguments: [String]) async throws -> (status: Int32, output: String) {
            try await ServerProcess.run(arguments + ["--data", folder], environment: environment)
        }

        /// Runs a statement beside the program.
        func change(_ sql: String) async throws {
            if let url { try await PostgresFixture.run(sql, on: url) } else { try await Tool.sqlite(folder + "/waybill.db", sql) }
        }
    }

    @Test("with database.migrate manual a start on an older schema is refused and says the command", arguments: Store.allCases)
    func manual(on store: Store) async throws {
        let place = try await Place(store)
        defer { try? FileManager.default.removeItem(atPath: place.folder) }
        let serve = ["serve", "--listen", "127.0.0.1:0", "--set", "database.migrate=manual"]
        let (refused, output) = try await place.run(serve)
        #expect(refused == 1 && output.contains("waybill migrate up"), "\(output)")
        #expect(try await place.run(["migrate", "status"]).status == 1)
        #expect(try await place.run(["migrate", "up"]).status == 0)
        #expect(try await place.run(["migrate", "status"]).status == 0)
        let node = try await NodeProcess(
            serve + ["--data", place.folder], environment: place.environment, log: place.folder + ".log", until: "listens on")
        defer { try? FileManager.default.removeItem(atPath: place.folder + ".log") }
        #expect(await node.terminate() == 0)
    }

    @Test("an older program refuses the database of a newer one, whatever it was to do there", arguments: Store.allCases)
    func newer(on store: Store) async throws {
        let place = try await Place(store)
        defer { try? FileManager.default.removeItem(atPath: place.folder) }
        #expect(try await place.run(["migrate", "up"]).status == 0)
        try await place.change("INSERT INTO schema_migrations (room, number, title, applied_at) VALUES ('tides', 1, 'ebb', 5)")
        for mode in ["auto", "manual"] {
            let (status, output) = try await place.run(
                ["serve", "--listen", "127.0.0.1:0", "--set", "database.migrate=\(mode)"])
            #expect(status == 1 && output.contains("tides/1") && output.contains("use a newer waybill"), "\(output)")
        }
        #expect(try await place.run(["migrate", "up"]).status == 1)
        let (status, output) = try await place.run(["migrate", "status"])
        #expect(status == 1 && output.contains("unknown here"), "\(output)")
    }

    @Test("several nodes that start at once on an empty database all come up")
    func atOnce() async throws {
        let stores = try await SharedStores()
        let nodes = try await withThrowingTaskGroup(of: NodeProcess.self) { group in
            for number in 1...4 {
                group.addTask {
                    try await NodeProcess(
                        ["serve", "--listen", "127.0.0.1:0", "--data", "\(stores.folder)/\(number)"],
                        environment: stores.environment, log: "\(stores.folder)/log-\(number)", until: "listens on")
                }
            }
            return try await group.reduce(into: [NodeProcess]()) { $0.append($1) }
        }
        for node in nodes {
            let port = try #require(node.port)
            #expect(try await RawHTTP.exchange([RawHTTP.Request(target: "/livez").head], port: port).status == 200)
        }
        for node in nodes { #expect(await node.terminate() == 0, "\(node.process.output)") }
    }
}
