import Foundation
import Testing

@testable import Commands

@Suite struct MigrateCommandTests {
    /// Runs command lines on a data folder that is not there yet.
    private func withFolder(_ body: (_ run: ([String]) async -> CommandBench.Ran, _ folder: String) async throws -> Void)
        async throws
    {
        let folder = NSTemporaryDirectory() + "waybill-migrate-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body({ await CommandBench().run($0 + ["--data", folder], environment: [:]) }, folder)
    }

    @Test("status and plan make nothing, up applies what plan has shown, and then nothing is left")
    func steps() async throws {
        try await withFolder { run, folder in
            let before = await run(["migrate", "status"])
            #expect(before.status == 1 && before.output.contains("pending") && !before.output.contains("applied "))
            let plan = await run(["migrate", "plan"])
            #expect(plan.status == 0 && plan.output.contains("-- engine 1: ") && plan.output.contains("CREATE TABLE engine_jobs"))
            #expect(!FileManager.default.fileExists(atPath: folder))

            let up = await run(["migrate", "up"])
            #expect(up.status == 0, "\(up.trouble)")
            let planned = plan.output.split(separator: "\n").filter { $0.hasPrefix("-- ") }.map { $0.dropFirst(3) }
            #expect(up.output.split(separator: "\n") == planned)
            let after = await run(["migrate", "status"])
            #expect(after.status == 0 && !after.output.contains("pending"))
            #expect(await run(["migrate", "plan"]).output == "-- the schema is up to date\n")
            #expect(await run(["migrate", "up"]).output == "the schema is up to date\n")
        }
    }

    @Test("as JSON each step says when it was applied, and what it would run")
    func json() async throws {
        struct Step: Decodable {
            var room: String
            var number: Int
            var title: String
            var isKnown: Bool
            var appliedAt: String?
            var statements: [String]?
        }
        func read(_ ran: CommandBench.Ran) throws -> [Step] {
            try JSONDecoder().decode([Step].self, from: Data(ran.output.utf8))
        }
        try await withFolder { run, _ in
            let plan = try read(await run(["migrate", "plan", "--json"]))
            #expect(plan.allSatisfy { $0.appliedAt == nil && $0.statements != nil && $0.isKnown })
            // Policies are PostgreSQL's: here such a step has nothing to do.
            #expect(
                plan.filter { $0.statements?.isEmpty == true }.allSatisfy { $0.title == "tenants kept apart by the database" })
            let up = try read(await run(["migrate", "up", "--json"]))
            #expect(up.map(\.number) == plan.map(\.number))
            let status = try read(await run(["migrate", "status", "--json"]))
            #expect(status.count == plan.count && status.allSatisfy { $0.appliedAt?.hasSuffix("Z") == true })
        }
    }
}
