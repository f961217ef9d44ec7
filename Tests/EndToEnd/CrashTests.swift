import Foundation
import Testing

@Suite(.serialized) struct CrashTests {
    /// The moments of the kills follow from it; another one is tried with `WAYBILL_SEED`.
    static let seed = ProcessInfo.processInfo.environment["WAYBILL_SEED"].flatMap { UInt64($0) } ?? 20_130_101
    static let rows = 90_000

    static let checkpointBytes = 1 << 20
    static let settings = ["engine.checkpointSeconds": "100ms", "engine.checkpointBytes": "1MiB", "engine.leaseSeconds": "5s"]

    func makeFlights(_ ada: User, rows: Int = Self.rows) async throws {
        try await ada.define(
            "flight",
            #"""
            {"name": "carrier", "type": "text", "indexed": true}, {"name": "note", "type": "text"},
            {"name": "delay", "type": "number"}
            """#
        )
        var random = SeededRandom(seed: 7)
        var text = "id,carrier,note,delay\n"
        for number in 0..<rows {
            let note = String(random.next(), radix: 36) + "," + String(random.next(), radix: 16)
            text += "f\(1_000_000 + number),C\(random.next() % 20),\"\(note)\",\(Double(random.next() % 10_000) / 8)\n"
        }
        let answer = try await ada.send("POST", "/content/types/flight/items", Array(text.utf8), type: "text/csv")
        try #require(answer.status == 200, "\(answer.text)")
    }

    /// Exports of every form whose bytes come piece by piece, and one that is made at the end.
    static let requests = [
        #"{"contentType": "flight", "format": "csv"}"#,
        #"{"contentType": "flight", "format": "ndjson", "sort": "-id"}"#,
        #"{"contentType": "flight", "format": "csv", "compression": "gzip"}"#,
        #"{"contentType": "flight", "format": "ndjson", "compression": "zstd"}"#,
        #"{"contentType": "flight", "format": "json", "partRows": 20000, "sort": ["-carrier"]}"#,
        #"{"contentType": "flight", "format": "csv", "compression": "zip", "query": "carrier:C1*"}"#,
        #"{"contentType": "flight", "format": "xlsx", "fields": ["id", "note"], "query": "carrier:C7"}"#,
    ]

    @Test(
        "exports that are killed twenty times at random moments end with the bytes of those that never were, and repeat little")
    func killLoop() async throws {
        try await withServer(Self.settings) { server in
            let ada = try await server.newUser("editor")
            try await makeFlights(ada)
            var expected: [[UInt8]] = []
            for request in Self.requests { expected.append(try await ada.exportedFile(request).body) }
            // One at a time: a job that is killed three times in a row before its first checkpoint is taken for poison, and of
            // several at once some would not have come to theirs.
            var random = SeededRandom(seed: Self.seed)
            var kills = 0
            var round = 0
            while kills < 20 {
                let form = round % Self.requests.count
                kills += try await killed(ada, Self.requests[form], expected[form], atMost: min(5, 20 - kills), &random)
                round += 1
                try #require(round < 60, "only \(kills) kills hit a running export; seed \(Self.seed)")
            }
        }
    }

    /// Starts every export, kills the server until all have ended, and compares.
    /// - Returns: how many kills hit a running export.
    func killed(
        _ ada: User, _ request: String, _ expected: [UInt8], atMost limit: Int, _ random: inout SeededRandom
    ) async throws -> Int {
        let server = ada.server
        let ids = [try await ada.export(request)]
        var kills = 0
        var seen: [String: JSON] = [:]
        var fruitless = 0
        while kills < limit {
            // Three deaths in a row without a checkpoint would quarantine a job: after one the next has to come further.
            let waits = fruitless > 0 || random.next() % 4 != 0
            let before = seen
            if waits {
                try await Self.checkpoint(ada, ids, since: before)
                fruitless = 0
            } else {
                fruitless += 1
            }
            try await Task.sleep(for: .milliseconds(Int(random.next() % 120)))
            var isRunning = false
            for id in ids {
                let job = try await ada.job(id)
                Self.check(job, since: seen[id])
                seen[id] = job
                if job["state"]?.string == "running" { isRunning = true }
            }
            guard isRunning else { break }
            kills += 1
            await server.kill()
            if !request.contains("xlsx") { try checkRepeated(server) }
            try await server.start()
        }
        try await compare(ada, ids[0], request, expected)
        return kills
    }

    /// Waits until one of the jobs has stored a checkpoint more, or all have ended.
    private static func checkpoint(_ ada: User, _ ids: [String], since before: [String: JSON]) async throws {
        _ = try await poll("a checkpoint", every: .milliseconds(10)) { () -> Bool? in
            var hasUnfinished = false
            for id in ids {
                let job = try await ada.job(id)
                if job["state"]?.string == "running", (job["progress"]?.number ?? 0) > (before[id]?["progress"]?.number ?? 0) {
                    return true
                }
                if !["completed", "failed", "cancelled"].contains(job["state"]?.string) { hasUnfinished = true }
            }
            return hasUnfinished ? nil : true
        }
    }

    /// What a kill takes back is what was written since the last checkpoint. One is due after so many bytes, and is looked at
    /// after each chunk, so no file of an attempt is longer than both together, whether its checkpoint was stored or not. (Time
    /// makes them shorter, as far as the machine has it.)
    private func checkRepeated(_ server: ServerFixture) throws {
        // In a bucket there is nothing of what had not been sent.
        guard server.stores.databaseURL == nil else { return }
        let chunk = 4096 * 256
        let unfinished = server.data + "/tmp"
        var files = try BlobFolder(server).files(below: "jobs")
        for name in try FileManager.default.contentsOfDirectory(atPath: unfinished) where Int(name) != nil {
            let size = try FileManager.default.attributesOfItem(atPath: "\(unfinished)/\(name)")[.size]
            files[name] = (size as? NSNumber)?.intValue
        }
        for (name, length) in files {
            #expect(length <= Self.checkpointBytes + chunk, "\(name) would be repeated as a whole; seed \(Self.seed)")
        }
    }

    /// What a kill may not take back.
    private static func check(_ job: JSON, since before: JSON?) {
        guard let before else { return }
        #expect((job["progress"]?.number ?? -1) >= (before["progress"]?.number ?? 0), "progress has fallen")
        #expect(
            (job["counters"]?["exported"]?.integer ?? -1) >= (before["counters"]?["exported"]?.integer ?? -1),
            "rows were taken back")
        if before["state"]?.string == "completed" { #expect(job["endedAt"] == before["endedAt"]) }
    }

    private func compare(_ ada: User, _ id: String, _ request: String, _ expected: [UInt8]) async throws {
        let job = try await ada.wait(id)
        #expect(job["state"]?.string == "completed", "seed \(Self.seed): \(job)")
        #expect(job["attempts"]?.integer == 0 && job["interruptions"]?.integer == 0)
        let events = try await ada.get("/jobs/\(id)/events?limit=1000").json()["events"]?.array ?? []
        let deaths = events.count { $0["type"]?.string == "job.died" }
        #expect(job["deaths"]?.integer == deaths)
        guard job["state"]?.string == "completed" else { return }
        let file = try await ada.download(id)
        let isEqual = try await isSame(file.body, as: expected, request)
        #expect(isEqual, "\(request) after \(deaths) deaths, seed \(Self.seed)")
    }

    /// A sheet carries the time at which it was made, so its cells are compared; anything else has the same bytes.
    private func isSame(_ file: [UInt8], as other: [UInt8], _ request: String) async throws -> Bool {
        if !request.contains("xlsx") { return file == other }
        return try await Tool.sheet(file) == Tool.sheet(other)
    }

    @Test("after kills and the sweep, the disk holds what the finished exports point at, and nothing else")
    func sweep() async throws {
        try await withServer(Self.settings, filesAreOnDisk: true) { server in
            let ada = try await server.slowUser(rows: 2 * SlowContent.rows)
            let id = try await ada.slowExport()
            for deaths in 0..<3 {
                _ = try await poll("a checkpoint") { () -> Bool? in
                    let job = try await ada.job(id)
                    // Among other nodes it is some seconds until a death is known.
                    let isRunning = job["state"]?.string == "running" && job["deaths"]?.integer == deaths
                    return isRunning && (job["progress"]?.number ?? 0) > 0 || job["state"]?.string == "completed" ? true : nil
                }
                await server.kill()
                try await server.start()
            }
            let cancelled = try await ada.slowExport()
            _ = try await ada.post("/content/export/\(cancelled)/cancel")
            #expect(try await ada.wait(cancelled)["state"]?.string == "cancelled")
            let job = try await ada.wait(id)
            #expect(job["state"]?.string == "completed" && job["deaths"]?.integer == 3)
            let length = try await ada.download(id).body.count
            await server.terminate()
            // Young files may still get their row, so the sweep leaves them.
            try BlobFolder(server).age(by: 7300)
            try await server.start()
            let files = try await poll("the sweep") { () -> [String: Int]? in
                let files = try BlobFolder(server).files()
                return files.values.reduce(0, +) == length ? files : nil
            }
            #expect(files.keys.allSatisfy { $0.contains(id) })
            let temporary = try FileManager.default.contentsOfDirectory(atPath: server.data + "/tmp")
            #expect(temporary.isEmpty)
            #expect(try await ada.download(id).body.count == length)
        }
    }

    @Test("a stop in the middle costs no attempt, and the export goes on after the start with the same bytes")
    func terminate() async throws {
        try await withServer(Self.settings) { server in
            let ada = try await server.slowUser()
            let whole = try await ada.exportedFile(SlowContent.request)
            let id = try await ada.slowExport()
            let before = try await poll("a checkpoint") { () -> JSON? in
                let job = try await ada.job(id)
                return (job["progress"]?.number ?? 0) > 0 ? job : nil
            }
            try #require(before["state"]?.string == "running", "the export was too quick for this test")
            #expect(await server.terminate() == 0)
            try await server.start()
            let job = try await ada.wait(id)
            #expect(job["state"]?.string == "completed")
            #expect(job["attempts"]?.integer == 0 && job["deaths"]?.integer == 0 && job["interruptions"]?.integer == 1)
            #expect((job["progress"]?.number ?? 0) >= (before["progress"]?.number ?? 100))
            let isEqual = try await ada.download(id).body == whole.body
            #expect(isEqual)
        }
    }

    @Test("an import that is killed again and again stores every row once, and its figures say so")
    func importing() async throws {
        try await withServer(Self.settings) { server in
            let ada = try await server.newUser("editor")
            try await ada.define(
                "page", #"{"name": "title", "type": "text", "indexed": true}, {"name": "size", "type": "integer"}"#)
            let rows = 60_000
            let text = "id,title,size\n" + (0..<rows).map { "r\($0),Row \($0),\($0 % 1000 == 999 ? "bad" : "\($0)")\n" }.joined()
            let id = try await ada.importing("contentType=page&onError=continue&commitEvery=200", text)
            var random = SeededRandom(seed: Self.seed)
            var last = 0
            for _ in 0..<6 {
                let (count, isOver) = try await poll("more rows") { [last] () -> (Int, Bool)? in
                    let job = try await ada.job(id, in: User.imports)
                    let count = job["counters"]?["rows"]?.integer ?? 0
                    let isOver = job["state"]?.string == "completed"
                    return count > last || isOver ? (count, isOver) : nil
                }
                if isOver { break }
                last = count
                try await Task.sleep(for: .milliseconds(Int(random.next() % 100)))
                await server.kill()
                try await server.start()
            }
            #expect(last > 0, "no kill hit the import")
            let job = try await ada.wait(id, in: User.imports)
            #expect(job["state"]?.string == "completed" && job["attempts"]?.integer == 0)
            let result = try #require(job["result"])
            #expect(result["total"]?.integer == rows && result["failed"]?.integer == rows / 1000)
            #expect(
                result["inserted"]?.integer == rows - rows / 1000 && result["updated"]?.integer == 0,
                "a row was stored twice: \(result)")
            #expect(try await ada.get("/content/types/page").json()["items"]?.integer == rows - rows / 1000)
            let ledger = try await Tool.csv(try await ada.get("/content/import/\(id)/ledger").body)
            #expect(ledger.count == rows / 1000 + 1)
            #expect(ledger.dropFirst().map { $0[0] } == (0..<(rows / 1000)).map { "\(($0 + 1) * 1000 + 1)" })
        }
    }

    @Test("a job that waits when the server is killed is still there, and runs")
    func pending() async throws {
        try await withOneWorker { server in
            let ada = try await server.newUser("editor")
            try await ada.makeArticles(3)
            let worker = try await server.holdWorker()
            let waiting = try await ada.export()
            let cancel = try await worker.owner.post("/content/export/\(worker.job)/cancel")
            await server.kill()
            #expect(cancel.status == 202)
            try await server.start()
            let ended = try await worker.owner.wait(worker.job)
            #expect(ended["state"]?.string == "cancelled", "an acknowledged cancel is not forgotten")
            #expect(try await ada.wait(waiting)["result"]?["exported"]?.integer == 3)
        }
    }
}
