import Foundation
import Testing

/// The audit log through the real program: what kills it, and what can't be hidden.
@Suite(.serialized) struct AuditTests {
    private static let exports = "/_api/v3/audit-log-bulk-export"
    private static let events = "/audit-log/events"
    private static let count = 100_000
    private static let settings = CrashTests.settings.merging(["audit.rowsPerFile": "7000"]) { $1 }

    private func append(_ ada: User, _ count: Int) async throws {
        var random = SeededRandom(seed: 11)
        var text = ""
        for number in 0..<count {
            text += #"{"id":"e\#(number)","user":"u\#(number % 7)","action":"\#(number % 3 == 0 ? "LOGIN" : "PAGE_VIEW")","#
            text +=
                #""at":"2024-03-\#(10 + number % 20)T0\#(number % 10):00:00Z","target":"\#(String(random.next(), radix: 36))"}"#
            text += "\n"
        }
        let answer = try await ada.send("POST", Self.events, Array(text.utf8), type: "application/x-ndjson")
        try #require(answer.status == 200, "\(answer.text)")
        #expect(try answer.json()["stored"]?.integer == count)
    }

    private func start(_ ada: User, _ request: String) async throws -> String {
        let answer = try await ada.post(Self.exports, request)
        guard answer.status == 201, let id = try answer.json()["jobId"]?.string else {
            throw E2EError("the export was not taken on: \(answer.status) \(answer.text)")
        }
        return id
    }

    /// The files of an export, without what tells them from another one of the same: the manifest, and the id in the names.
    private func files(_ ada: User, _ id: String) async throws -> String {
        let answer = try await ada.get("\(Self.exports)/\(id)/download")
        try #require(answer.status == 200, "\(answer.text)")
        let program = """
            import hashlib, json, sys, zipfile
            z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None
            m = json.loads(z.read("manifest.json")); assert m["chain"]["holds"], m["chain"]
            told = {f["name"]: f for f in m["files"]}
            names = [n for n in z.namelist() if n != "manifest.json"]; assert sorted(told) == sorted(names), names
            for n in names:
                text = z.read(n)
                assert hashlib.sha256(text).hexdigest() == told[n]["sha256"], n
                if n.endswith(".json"): assert len(json.loads(text)) == told[n]["rows"], n
                print(n.replace(m["jobId"], "ID"), told[n]["rows"], told[n]["sha256"])
            """
        return try await Tool.python(program, answer.body)
    }

    private static let requests = [
        #"{"filters": {"dates": {"start": "2024-03-01", "end": "2024-03-31"}}}"#,
        #"{"filters": {"usernames": ["u1", "u2", "u5", "nobody"], "actions": ["PAGE_VIEW"]}, "format": "csv"}"#,
        #"{"filters": {"actions": ["LOGIN", "PAGE_VIEW"]}, "format": "ndjson"}"#,
    ]

    @Test("exports that are killed twenty times at random moments end with the bytes of those that never were")
    func kills() async throws {
        try await withServer(Self.settings) { server in
            let ada = try await server.newUser("admin")
            try await append(ada, Self.count)
            var expected: [String] = []
            for request in Self.requests {
                let id = try await start(ada, request)
                #expect(try await ada.wait(id, in: Self.exports)["state"]?.string == "completed")
                expected.append(try await files(ada, id))
                // What has been taken back lends its files to nobody.
                #expect(try await ada.delete("\(Self.exports)/\(id)").status == 200)
            }
            #expect(expected[0].split(separator: "\n").count == 15)
            var random = SeededRandom(seed: CrashTests.seed)
            var (kills, round) = (0, 0)
            while kills < 20 {
                let form = round % Self.requests.count
                kills += try await killed(ada, form, expected[form], atMost: min(5, 20 - kills), &random)
                round += 1
                try #require(round < 60, "only \(kills) kills hit a running export; seed \(CrashTests.seed)")
            }
        }
    }

    private func killed(
        _ ada: User, _ form: Int, _ expected: String, atMost limit: Int, _ random: inout SeededRandom
    ) async throws -> Int {
        let id = try await start(ada, Self.requests[form])
        var (kills, fruitless, last) = (0, 0, 0)
        while kills < limit {
            // Three deaths in a row without a checkpoint would quarantine a job: after one the next has to come further.
            if fruitless > 0 || random.next() % 4 != 0 {
                _ = try await poll("a checkpoint", every: .milliseconds(5)) { [last] () -> Bool? in
                    let job = try await ada.job(id, in: Self.exports)
                    return (job["count"]?.integer ?? 0) > last || job["completedAt"]?.string != nil ? true : nil
                }
                fruitless = 0
            } else {
                fruitless += 1
            }
            try await Task.sleep(for: .milliseconds(Int(random.next() % 60)))
            let job = try await ada.job(id, in: Self.exports)
            #expect((job["count"]?.integer ?? -1) >= last, "events were taken back")
            last = job["count"]?.integer ?? 0
            guard job["state"]?.string == "running" else { break }
            kills += 1
            await ada.server.kill()
            try await ada.server.start()
        }
        let job = try await ada.wait(id, in: Self.exports)
        #expect(job["state"]?.string == "completed" && job["reusedJobId"] == nil, "seed \(CrashTests.seed): \(job)")
        #expect(try await files(ada, id) == expected, "\(Self.requests[form]), \(kills) kills, seed \(CrashTests.seed)")
        #expect(try await ada.delete("\(Self.exports)/\(id)").status == 200)
        return kills
    }

    @Test("an export that runs is started over under its id, and its first attempt leaves nothing")
    func restarts() async throws {
        try await withServer(Self.settings) { server in
            let ada = try await server.newUser("admin")
            try await append(ada, 60_000)
            let request = #"{"filters": {"actions": ["LOGIN", "PAGE_VIEW"]}, "restartJob": true}"#
            let id = try await start(ada, request)
            for _ in 0..<3 {
                _ = try await poll("a checkpoint", every: .milliseconds(5)) { () -> Bool? in
                    let job = try await ada.job(id, in: Self.exports)
                    return (job["count"]?.integer ?? 0) > 0 ? true : nil
                }
                guard try await ada.job(id, in: Self.exports)["state"]?.string == "running" else { break }
                let again = try await start(ada, request)
                guard again == id else { return }
            }
            let job = try await ada.wait(id, in: Self.exports)
            #expect(job["state"]?.string == "completed" && job["count"]?.integer == 60_000, "\(job)")
            let names = try await files(ada, id).split(separator: "\n")
            #expect(names.count == 9)
        }
    }

    @Test("the chain of a stopped installation is verified by the command line, and a changed event is found")
    func verify() async throws {
        try await withServer(isIdle: true) { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            try await append(ada, 200)
            _ = try await ada.put("/content/types/page", #"{"fields": [{"name": "title", "type": "text"}]}"#)
            // An export has all that is there sealed.
            let id = try await start(ada, #"{"filters": {}}"#)
            _ = try await ada.wait(id, in: Self.exports)
            await server.terminate()
            let made = try await server.run([
                "apikey", "create", "--data", server.data, "--tenant", "acme", "--user", "bot", "--role", "reader",
            ])
            #expect(made.status == 0, "\(made.output)")
            let good = try await server.run(["audit", "verify", "--data", server.data, "--json"])
            #expect(good.status == 0, "\(good.output)")
            let chain = try JSON(Array(good.output.drop { $0 != "[" }.utf8))[0]
            #expect(chain?["tenant"]?.string == "acme" && chain?["holds"]?.bool == true && chain?["unsealed"]?.integer == 1)
            #expect(chain?["through"]?.integer == 202)
            try await server.execute("UPDATE audit_events SET user_id = 'eve' WHERE seq = 77")
            let bad = try await server.run(["audit", "verify", "--data", server.data, "--tenant", "acme"])
            #expect(bad.status == 1 && bad.output.contains("BROKEN") && bad.output.contains("77 (eventChanged)"), "\(bad.output)")
            try await server.start()
        }
    }
}
