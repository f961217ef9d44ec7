import Foundation
import Testing

/// The doors of the audit log through the real program, while work is under way.
@Suite(.serialized) struct AuditDoorTests {
    private static let exports = "/_api/v3/audit-log-bulk-export"
    private static let settings = CrashTests.settings.merging(["audit.rowsPerFile": "5000"]) { $1 }

    /// What is told of each transaction that has stored many items, oldest first.
    private func stores(_ ada: User) async throws -> [JSON] {
        let page = try await ada.get("/audit-log/events?actions=content.items.store&order=asc&limit=1000").json()
        return page["events"]?.array ?? []
    }

    /// Holds the events of a call that has stored `ids`, in their order, against them.
    private func expect(_ events: [JSON], cover ids: [String], inserted: Int, jobID: String? = nil) throws {
        #expect(events.count > 1, "it was one transaction")
        var place = 0
        var (insertions, updates) = (0, 0)
        for event in events {
            let details = try #require(event["details"])
            #expect(event["target"]?.string == "page" && event["user"]?.string == "ada")
            #expect(event["outcome"]?.string == "success" && details["jobId"]?.string == jobID)
            let (new, old) = (details["inserted"]?.integer ?? 0, details["updated"]?.integer ?? 0)
            try #require(new + old > 0 && place + new + old <= ids.count, "\(event)")
            #expect(details["first"]?.string == ids[place])
            place += new + old
            #expect(details["last"]?.string == ids[place - 1])
            (insertions, updates) = (insertions + new, updates + old)
        }
        #expect(place == ids.count && insertions == inserted && updates == ids.count - inserted)
    }

    @Test("a bulk call and an import leave one event a transaction, with counts, the first id and the last")
    func bulk() async throws {
        try await withServer(isIdle: true) { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            try await ada.define("page", #"{"name": "title", "type": "text"}"#)
            let ids = (0..<9000).map { "p\(10_000 + $0)" }
            try await ada.store("page", ids.dropLast(1000).map { #"{"id": "\#($0)", "title": "one"}"# })
            let called = try await stores(ada)
            try expect(called, cover: Array(ids.dropLast(1000)), inserted: 8000)
            #expect(Set(called.compactMap { $0["requestId"]?.string }).count == 1, "all of one request")
            let text = "id,title\r\n" + ids.map { "\($0),two\r\n" }.joined()
            let id = try await ada.importing("contentType=page", text)
            #expect(try await ada.wait(id, in: User.imports)["state"]?.string == "completed")
            try expect(Array(try await stores(ada).dropFirst(called.count)), cover: ids, inserted: 1000, jobID: id)
        }
    }

    private func append(_ ada: User, _ count: Int) async throws {
        let lines = (0..<count).map { number in
            #"{"user":"u\#(number % 7)","action":"VIEW","at":"2024-03-10T09:00:00Z","target":"\#(number * 7919 % 10007)"}"#
        }
        let text = Array(lines.joined(separator: "\n").utf8)
        let answer = try await ada.send("POST", "/audit-log/events", text, type: "application/x-ndjson")
        try #require(answer.status == 200, "\(answer.text)")
    }

    private func start(_ ada: User) async throws -> String {
        let answer = try await ada.post(Self.exports, #"{"filters": {"actions": ["VIEW"]}}"#)
        return try #require(try answer.json()["jobId"]?.string, "\(answer.text)")
    }

    @Test("the stream of an export tells its progress, then its end, and closes")
    func monitor() async throws {
        try await withServer(Self.settings) { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            try await append(ada, 30_000)
            let id = try await start(ada)
            let (response, events) = try await ada.stream("\(Self.exports)/\(id)/monitor") { stream in
                let events = try await stream.rest()
                return (stream.response, events)
            }
            #expect(response.status == 200 && response["Content-Type"] == "text/event-stream")
            let end = try #require(events.last)
            #expect(end.name == "job.completed" && end.data["status"]?.string == "completed")
            #expect(end.data["count"]?.integer == 30_000 && end.data["downloadUrl"]?.string != nil)
            #expect(events.allSatisfy { $0.data["jobId"]?.string == id })
            #expect(events.dropLast().allSatisfy { $0.name == "job.progress" })
            let words = events.compactMap { $0.data["status"]?.string }
            #expect(words.dropLast().allSatisfy { ["exporting", "uploading"].contains($0) }, "\(words)")
            let counts = events.compactMap { $0.data["count"]?.integer }
            #expect(counts == counts.sorted())
            // Another user's stream is not there.
            let bob = try await server.user("bob", of: "acme", "auditor")
            #expect(try await bob.get("\(Self.exports)/\(id)/monitor").status == 404)
        }
    }

    /// The stored files of a job.
    private func files(_ server: ServerFixture, of id: String) throws -> [String] {
        let root = URL(fileURLWithPath: server.data).appendingPathComponent("blobs")
        let all = FileManager.default.enumerator(at: root, includingPropertiesForKeys: [.isRegularFileKey])
        return try (all?.allObjects ?? []).compactMap { $0 as? URL }.filter { url in
            try url.path.contains(id) && url.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true
        }.map(\.path)
    }

    @Test("an export that is cancelled while it runs has failed with that reason, tells so, and its files go")
    func cancels() async throws {
        try await withServer(Self.settings, filesAreOnDisk: true) { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            try await append(ada, 50_000)
            for attempt in 1... {
                try #require(attempt < 6, "each export had ended before it was cancelled")
                let id = try await start(ada)
                _ = try await poll("a checkpoint", every: .milliseconds(5)) { () -> Bool? in
                    let job = try await ada.job(id, in: Self.exports)
                    return (job["count"]?.integer ?? 0) > 0 || job["completedAt"]?.string != nil ? true : nil
                }
                guard try await ada.post("\(Self.exports)/\(id)/cancel").status == 202 else {
                    #expect(try await ada.delete("\(Self.exports)/\(id)").status == 200)
                    continue
                }
                let job = try await ada.wait(id, in: Self.exports)
                guard job["state"]?.string == "cancelled" else { continue }
                #expect(job["status"]?.string == "failed" && job["reason"]?.string == "cancelled", "\(job)")
                #expect((job["count"]?.integer ?? 0) > 0, "it had begun")
                let events = try await ada.stream("\(Self.exports)/\(id)/monitor") { try await $0.rest() }
                #expect(events.last?.name == "job.cancelled" && events.last?.data["status"]?.string == "failed")
                #expect(try await ada.get("\(Self.exports)/\(id)/download").status == 409)
                _ = try await poll("its files to go") { try files(server, of: id).isEmpty ? true : nil }
                let again = try await start(ada)
                #expect(try await ada.wait(again, in: Self.exports)["count"]?.integer == 50_000)
                #expect(try files(server, of: again).isEmpty == false, "these are where they are looked for")
                break
            }
        }
    }
}
