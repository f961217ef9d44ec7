import Foundation
import Testing

/// Tables of others in backups, with the real program.
@Suite struct BackupDatasetTests {
    private static let tests = BackupTests()
    private static let file = "dataset-things.csv"

    private func withThings<T: Sendable>(_ body: @Sendable (ServerFixture) async throws -> T) async throws -> T {
        let outside = NSTemporaryDirectory() + "waybill-e2e-\(UUID().uuidString).sqlite"
        defer { try? FileManager.default.removeItem(atPath: outside) }
        try await Tool.sqlite(
            outside,
            """
            CREATE TABLE things (nr INTEGER PRIMARY KEY, owner TEXT, readers TEXT, text TEXT);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
            INSERT INTO things SELECT i, CASE WHEN i % 3 = 0 THEN 'globex' ELSE 'acme' END, 'role:nobody', 'text ' || i FROM n;
            """)
        let configuration = """
            datasets:
              things: {source: \(outside), table: things, key: nr, tenantColumn: owner, readersColumn: readers}
            """
        return try await withServer(BackupTests.settings, configuration: configuration, body)
    }

    @Test("verify, a restore and a drill hold the rows of others against the manifest, and no restore writes them")
    func others() async throws {
        try await withThings { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            try await ada.makeArticles(20)
            let made = try await Self.tests.backup(ada, "whole")
            let lines = try #require(made.files[Self.file]?.components(separatedBy: "\r\n"))
            #expect(lines.count == 2002 && lines[0] == "id,owner,readers,text" && lines[1] == "1,acme,role:nobody,text 1")
            #expect(lines.dropFirst().dropLast().allSatisfy { $0.contains(",acme,") })
            let checked = try await server.run(["backup", "verify", made.path])
            #expect(checked.status == 0, "\(checked.output)")
            let drilled = try await Self.tests.command(ada, ["drill"])
            #expect(drilled.status == 0 && drilled.output.contains("dataset-things"), "\(drilled.output)")
            try await withServer(BackupTests.settings, isIdle: true) { other in
                let eve = try await other.user("eve", of: "globex", "admin")
                let restored = try await Self.tests.command(eve, ["restore", made.path])
                #expect(restored.status == 0, "\(restored.output)")
                let again = try await Self.tests.backup(eve, "again").files
                #expect(again[Self.file] == nil && again["items-article.csv"] == made.files["items-article.csv"])
            }
        }
    }

    @Test("rows of others that were changed, or are no rows, are refused by verify, with the file, the line and the reason")
    func damaged() async throws {
        try await withThings { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            let made = try await Self.tests.backup(ada, "whole")
            let text = try #require(made.files[Self.file])
            let folder = server.folder + "/unpacked"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for (name, text) in made.files { try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8) }
            for (from, to, reason) in [
                (",text 4\r\n", ",text 5\r\n", "\(Self.file): its SHA-256 is not what the manifest says"),
                (",text 4\r\n", ",text,4\r\n", "\(Self.file), line 4: 5 fields, and the header has 4"),
                ("2999,acme,role:nobody,text 2999\r\n", "", "\(Self.file): it has "),
            ] {
                try text.replacing(from, with: to, maxReplacements: 1).write(
                    toFile: "\(folder)/\(Self.file)", atomically: true, encoding: .utf8)
                let refused = try await server.run(["backup", "verify", folder])
                #expect(refused.status == 1 && refused.output.contains(reason), "\(refused.output)")
            }
        }
    }
}
