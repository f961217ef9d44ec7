import Crypto
import Foundation
import PostgresFixture
import TestServers
import Testing

/// An installation that grows up: from a folder to PostgreSQL and a bucket, in the middle of its work.
@Suite(.serialized) struct MoveTests {
    private static let settings = ["engine.checkpointSeconds": "100ms", "engine.leaseSeconds": "2s"]
    private static let plain = #"{"contentType": "article", "format": "csv"}"#

    /// A database and a bucket that nobody has touched.
    private func stores() async throws -> SharedStores { try await SharedStores() }

    private func move(_ folder: String, _ stores: SharedStores, _ more: String...) async throws -> (status: Int32, output: String)
    {
        try await ServerProcess.run(arguments(folder, stores) + more, environment: S3Server.credentials)
    }

    private func arguments(_ folder: String, _ stores: SharedStores) -> [String] {
        ["move", "--from", "sqlite:\(folder)", "--to", stores.databaseURL, "--to-blobs", stores.bucketURL]
    }

    /// The variables of a server on the new side, with the key of the old one.
    private func environment(_ stores: SharedStores, key folder: String) throws -> [String: String] {
        var environment = stores.environment
        environment["WAYBILL_SIGNING_KEY"] = try String(contentsOfFile: folder + "/signing.key", encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        return environment
    }

    /// Every event of a tenant's jobs, by number.
    private func numbers(_ ada: User) async throws -> [Int] {
        var numbers: [Int] = []
        for job in try await ada.get("/jobs?size=200").json()["jobs"]?.array ?? [] {
            let id = try #require(job["jobId"]?.string)
            let events = try await ada.get("/jobs/\(id)/events?limit=1000").json()["events"]?.array ?? []
            numbers += events.compactMap { $0["number"]?.integer }
        }
        return numbers.sorted()
    }

    /// What is under way, or kept, when an installation is moved.
    private struct Work {
        static let header = [(name: "Idempotency-Key", value: "order-1")]
        /// An export that is killed in its midst, and what it must become.
        var slow: String
        var whole: [UInt8]
        /// One that was ordered with a key, and has ended.
        var ordered: RawResponse
        var orderedID: String
        var file: [UInt8]
        /// An upload of three chunks, whose first and last one are there.
        var upload: String
    }

    private static let uploads = "/api/files/upload"
    private static let chunk = [UInt8](repeating: 65, count: 1024)

    private func upload(_ ada: User) async throws -> String {
        let hash = SHA256.hash(data: Self.chunk + Self.chunk + Self.chunk).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
        let made = try await ada.post(
            "\(Self.uploads)/create",
            #"""
            {"fileName": "a.bin", "fileSize": 3072, "contentType": "text/plain", "hash": "\#(hash.joined())", "chunkSize": 1024}
            """#)
        let id = try #require(try made.json()["taskId"]?.string, "\(made.text)")
        for index in [0, 2] { #expect(try await put(index, of: id, ada) == 200) }
        return id
    }

    private func put(_ index: Int, of id: String, _ ada: User) async throws -> Int {
        try await ada.send("POST", "\(Self.uploads)/chunk/\(id)/\(index)", Self.chunk, type: "application/octet-stream").status
    }

    /// Works until an export has a checkpoint; whoever runs it is to be killed then.
    private func work(_ ada: User) async throws -> Work {
        try await SlowContent.store(ada)
        try await ada.makeArticles(30)
        let whole = try await ada.exportedFile(SlowContent.request).body
        let ordered = try await ada.post(User.exports, Self.plain, headers: Work.header)
        let orderedID = try #require(try ordered.json()["jobId"]?.string)
        _ = try await ada.wait(orderedID)
        let file = try await ada.download(orderedID).body
        let upload = try await upload(ada)
        let id = try await ada.slowExport()
        _ = try await poll("a checkpoint") { () -> Bool? in (try await ada.job(id)["progress"]?.number ?? 0) > 0 ? true : nil }
        return Work(slow: id, whole: whole, ordered: ordered, orderedID: orderedID, file: file, upload: upload)
    }

    /// All of it is there after the move, and goes on.
    private func check(_ work: Work, _ ada: User) async throws {
        let job = try await ada.wait(work.slow)
        #expect(job["state"]?.string == "completed" && job["deaths"]?.integer == 1 && job["attempts"]?.integer == 0)
        let isEqual = try await ada.download(work.slow).body == work.whole
        #expect(isEqual)
        let again = try await ada.post(User.exports, Self.plain, headers: Work.header)
        #expect(again.status == 202 && again["Idempotent-Replayed"] == "true" && again.body == work.ordered.body)
        #expect(try await ada.download(work.orderedID).body == work.file)
        #expect(try await ada.exportedFile(Self.plain).body == work.file)
        #expect(try await put(1, of: work.upload, ada) == 200)
        #expect(try await ada.post("\(Self.uploads)/complete/\(work.upload)").status == 200)
        #expect(try await ada.get("/api/files/\(work.upload)/content").body == Self.chunk + Self.chunk + Self.chunk)
        let numbers = try await numbers(ada)
        #expect(numbers == Array(1...numbers.count), "the numbers of events have gaps: \(numbers)")
        let names = try await ada.get("/jobs/\(work.slow)/events?limit=1000").json()["events"]?.array?.compactMap {
            $0["type"]?.string
        }
        #expect(names?.filter { $0 == "job.died" }.count == 1 && names?.last == "job.completed")
    }

    @Test(
        "an export that was killed goes on after the move with the same bytes; keys, links, numbers and files are those of before"
    )
    func growing() async throws {
        let stores = try await stores()
        try await withServer(Self.settings, environment: ["WAYBILL_DATABASE_URL": "", "WAYBILL_BLOBS_URL": ""]) { old in
            let ada = try await old.user("ada", of: "acme", "admin")
            let work = try await work(ada)
            await old.kill()

            let (status, output) = try await move(old.data, stores)
            try #require(status == 0, "\(output)")
            #expect(output.contains("2 running jobs were fenced"), "the export was too quick for this test: \(output)")
            #expect(output.contains("every table has the same count and hash"))

            // Nothing starts on the old side, whatever it is told.
            let late = try await ServerProcess.run(["serve", "--data", old.data, "--listen", "127.0.0.1:0"])
            #expect(late.status == 1 && late.output.contains("was moved to postgres://"), "\(late.output)")
            #expect(try await move(old.data, stores).output.contains("already"))
            #expect(try await move(old.data, stores).status == 1)

            try await withServer(Self.settings, environment: environment(stores, key: old.data), isIdle: true) { new in
                var ada = ada
                ada.server = new
                try await check(work, ada)
            }
        }
    }

    @Test("the same the other way round: from PostgreSQL and a bucket home to a folder")
    func home() async throws {
        let stores = try await stores()
        let environment = [
            "WAYBILL_DATABASE_URL": "", "WAYBILL_BLOBS_URL": "",
            "WAYBILL_SIGNING_KEY": try #require(stores.environment["WAYBILL_SIGNING_KEY"]),
        ]
        try await withServer(Self.settings, environment: stores.environment) { old in
            let ada = try await old.user("ada", of: "acme", "admin")
            let work = try await work(ada)
            try await withServer(Self.settings, environment: environment, isIdle: true) { new in
                // The place where it is to go is empty.
                await new.terminate()
                try FileManager.default.removeItem(atPath: new.data)
                let line = [
                    "move", "--from", stores.databaseURL, "--from-blobs", stores.bucketURL, "--to", "sqlite:\(new.data)",
                    "--to-blobs", "data",
                ]
                // A node that lives is in the way, and so is one that was heard of only just now.
                let early = try await ServerProcess.run(line, environment: S3Server.credentials)
                #expect(early.status == 1, "\(early.output)")
                await old.kill()
                let output = try await poll("the end of the dead node's lease") { () -> String? in
                    let (status, output) = try await ServerProcess.run(line, environment: S3Server.credentials)
                    return status == 0 ? output : nil
                }
                #expect(output.contains("2 running jobs were fenced"), "the export was too quick for this test: \(output)")
                #expect(output.contains("every table has the same count and hash"))
                let late = try await ServerProcess.run(
                    ["serve", "--data", stores.folder + "/late", "--listen", "127.0.0.1:0"], environment: stores.environment)
                #expect(late.status == 1 && late.output.contains("was moved to"), "\(late.output)")

                try await new.start()
                var ada = ada
                ada.server = new
                try await check(work, ada)
            }
        }
    }

    @Test("a move that breaks off leaves both sides closed, and goes on where it was; given up, the old side works again")
    func broken() async throws {
        let stores = try await stores()
        try await withServer(Self.settings, environment: ["WAYBILL_DATABASE_URL": "", "WAYBILL_BLOBS_URL": ""]) { old in
            let ada = try await old.user("ada", of: "acme", "admin")
            try await ada.makeArticles(2000)
            let file = try await ada.exportedFile(Self.plain).body
            await old.terminate()

            // A table that takes nothing breaks it off when many others are there already.
            let made = try await ServerProcess.run(["migrate", "up"], environment: stores.environment)
            try #require(made.status == 0, "\(made.output)")
            try await PostgresFixture.run(
                "ALTER TABLE web_principals ADD CONSTRAINT broken CHECK (false)", on: stores.databaseURL)
            let (status, output) = try await move(old.data, stores)
            try #require(status == 1 && output.contains("engine_jobs: 1 rows") && !output.contains("same count"), "\(output)")

            let here = try await ServerProcess.run(["serve", "--data", old.data, "--listen", "127.0.0.1:0"])
            #expect(here.status == 1 && here.output.contains("has not ended"), "\(here.output)")
            let there = try await ServerProcess.run(
                ["serve", "--data", stores.folder + "/new", "--listen", "127.0.0.1:0"], environment: stores.environment)
            #expect(there.status == 1 && there.output.contains("has not ended"), "\(there.output)")

            // Another installation can't be moved into what is half there.
            let other = stores.folder + "/other"
            _ = try await ServerProcess.run(["migrate", "up", "--data", other])
            let foreign = try await move(other, stores)
            #expect(foreign.status == 1 && foreign.output.contains("part of another one"), "\(foreign.output)")

            // Given up, the old side works, and what is done there is in the next try.
            let (given, said) = try await ServerProcess.run(["move", "--from", "sqlite:\(old.data)", "--give-up"])
            #expect(given == 0, "\(said)")
            try await old.start()
            #expect(try await ada.exportedFile(Self.plain).body == file)
            await old.terminate()
            #expect(try await move(old.data, stores).status == 1, "a move that was given up is not gone on with")
        }
    }

    @Test("a move that is killed again and again ends with every row and file, once")
    func killed() async throws {
        let stores = try await stores()
        try await withServer(Self.settings, environment: ["WAYBILL_DATABASE_URL": "", "WAYBILL_BLOBS_URL": ""]) { old in
            let ada = try await old.user("ada", of: "acme", "admin")
            try await ada.makeArticles(20_000)
            let file = try await ada.exportedFile(Self.plain).body
            for _ in 0..<5 { _ = try await ada.exported() }
            await old.terminate()
            var random = SeededRandom(seed: CrashTests.seed)
            var kills = 0
            for _ in 0..<6 {
                let log = stores.folder + "/move-\(kills)"
                let process = try ServerProcess(arguments(old.data, stores), environment: S3Server.credentials, log: log)
                // Some time after it has begun.
                _ = try await poll("the move's beginning", every: .milliseconds(5)) { () -> Bool? in
                    process.output.contains("fenced") || process.hasEnded ? true : nil
                }
                // The first comes at once, so that one hits it for sure.
                if kills > 0 { try await Task.sleep(for: .milliseconds(Int(random.next() % 150))) }
                process.signal(SIGKILL)
                if await process.status() == 0 { break }
                kills += 1
            }
            #expect(kills > 0, "the move was over before it could be killed")
            if kills == 6 {
                let (status, output) = try await move(old.data, stores)
                try #require(status == 0 && output.contains("the move goes on"), "\(output)")
            }
            try await withServer(Self.settings, environment: environment(stores, key: old.data), isIdle: true) { new in
                var ada = ada
                ada.server = new
                #expect(try await ada.get("/content/types/article").json()["items"]?.integer == 20_000)
                #expect(try await ada.get("/jobs").json()["total"]?.integer == 6)
                #expect(try await ada.exportedFile(Self.plain).body == file)
                for job in try await ada.get("/jobs?size=200").json()["jobs"]?.array ?? [] {
                    let isEqual = try await ada.download(try #require(job["jobId"]?.string)).body == file
                    #expect(isEqual)
                }
                let numbers = try await numbers(ada)
                #expect(numbers == Array(1...numbers.count))
            }
        }
    }
}
