import Foundation
import Testing

/// Chains of backups with the real program, which dies in the middle of each.
@Suite(.serialized) struct BackupChainTests {
    /// More are tried with `WAYBILL_KILLS`.
    private static let kills = ProcessInfo.processInfo.environment["WAYBILL_KILLS"].flatMap { Int($0) } ?? 6
    private static let tests = BackupTests()

    /// Starts a backup, which is killed some times, and loads it down.
    private func backup(
        _ user: User, since: String?, kills: Int = 0, _ random: inout SeededRandom
    ) async throws -> (id: String, files: [String: String], kills: Int) {
        let started = try await user.post("/backup/schedule", since.map { #"{"since": "\#($0)"}"# } ?? "{}")
        let id = try #require(try started.json()["jobId"]?.string, "\(started.text)")
        let hits = try await Self.tests.killed(user, id, atMost: kills, &random)
        let path = "\(user.server.folder)/\(id).zip"
        let loaded = try await Self.tests.command(user, ["download", id, "--output", path])
        try #require(loaded.status == 0, "\(loaded.output)")
        return (id, try await BackupTests.files(path), hits)
    }

    /// What is the tenant's own: neither what backups say of themselves, nor what each of them adds.
    private func own(_ files: [String: String]) -> [String: String] {
        let growing = ["manifest.json", "notices.csv", "api-keys.csv", "schedules.csv"]
        return files.filter { !growing.contains($0.key) && !$0.key.hasPrefix("audit") }
    }

    private func storeFile(_ ada: User, _ name: String, _ text: String) async throws {
        let stored = try await ada.send("POST", "/api/files?name=\(name)", Array(text.utf8), type: "text/plain")
        try #require(stored.status == 201, "\(stored.text)")
    }

    /// Changes, adds and removes items and files.
    private func change(_ ada: User, round: Int) async throws {
        var lines: [String] = []
        for number in stride(from: round, to: CrashTests.rows, by: 30) {
            lines.append(#"{"id": "f\#(1_000_000 + number)", "carrier": "N\#(round)", "note": "changed in \#(round)"}"#)
        }
        try await ada.store("flight", lines)
        for number in 0..<20 {
            #expect(try await ada.delete("/content/types/flight/items/f\(1_000_000 + number * 7 + round)").status == 204)
        }
        let files = try await ada.get("/api/files?limit=10&sortBy=name").json().array ?? []
        for file in files.prefix(5) {
            #expect(try await ada.delete("/api/files/\(try #require(file["id"]?.string))").status == 204)
        }
        for number in 0..<30 { try await storeFile(ada, "of-\(round)-\(number)", "text \(number) of round \(round)") }
        try await storeFile(ada, "long-\(round)", String(repeating: "round \(round), ", count: 300_000))
    }

    @Test("a full backup, its increments and their restore, each killed at random moments, end with the bytes that there were")
    func chain() async throws {
        try await withServer(BackupTests.settings) { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            let root = try await server.user("root", of: "ops", "system")
            try await CrashTests().makeFlights(ada)
            for number in 0..<60 { try await storeFile(ada, "first-\(number)", "first \(number)") }
            var random = SeededRandom(seed: CrashTests.seed)
            var (kills, round) = (0, 0)
            while kills < Self.kills {
                var (links, last): ([[String: String]], String?) = ([], nil)
                for link in 0..<3 {
                    if link > 0 { try await change(ada, round: round * 2 + link) }
                    let left = Self.kills - kills
                    let made = try await backup(ada, since: last, kills: min(2, max(0, left)), &random)
                    // What is made of the same rows without being killed has the same bytes.
                    let twin = try await backup(ada, since: last, &random)
                    #expect(own(made.files) == own(twin.files), "link \(link), seed \(CrashTests.seed)")
                    kills += made.kills
                    links.append(made.files)
                    last = made.id
                }
                let state = try await backup(ada, since: nil, &random)
                #expect(links[2]["items-flight.csv"]?.isEmpty == false && links[2]["deleted-flight.csv"] != nil)
                let tenant = "copy\(round)"
                let body = #"{"from": "\#(try #require(last))", "tenant": "\#(tenant)"}"#
                let opened = try await root.post("/backup/restores", body)
                let restore = try #require(try opened.json()["id"]?.string, "\(opened.text)")
                let started = try await root.post("/backup/restores/\(restore)/start?tenant=\(tenant)")
                let id = try #require(try started.json()["jobId"]?.string, "\(started.text)")
                kills += try await Self.tests.killed(root, id, atMost: 3, &random)
                let eve = try await server.user("eve", of: tenant, "admin")
                let again = try await backup(eve, since: nil, &random)
                #expect(own(again.files) == own(state.files), "seed \(CrashTests.seed)")
                let events = again.files["audit-segment-1.csv"]?.split(separator: "\r\n") ?? []
                #expect(events.count > 100 && Set(events).count == events.count, "an event was brought twice")
                let (files, quota) = (try await count(ada), try await count(eve))
                #expect(files == quota, "what is used is counted twice")
                round += 1
                try #require(round < Self.kills + 4, "only \(kills) kills hit what was running")
            }
        }
    }

    /// What is counted of a tenant's files.
    private func count(_ user: User) async throws -> [Int?] {
        let tenant = try await user.get("/api/quota").json()["tenant"]
        return [tenant?["usedFiles"]?.integer, tenant?["used"]?.integer]
    }
}
