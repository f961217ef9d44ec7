import Foundation
import PostgresFixture
import TestServers
import Testing

/// Backups and restores with the real program.
@Suite(.serialized) struct BackupTests {
    static let settings = CrashTests.settings.merging(["backup.archiveBytes": "1MiB"]) { $1 }

    /// Files that say more after each backup, or when it was.
    private static let growing = ["manifest.json", "notices.csv", "audit-events.csv"]

    /// What a ZIP holds, by the names of its files: as Python's zipfile and csv read it.
    static func files(_ path: String) async throws -> [String: String] {
        let program = """
            import csv, io, json, sys, zipfile
            z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None
            files = {n: z.read(n).decode() for n in z.namelist()}
            for name, text in files.items():
                if name.endswith('.csv'):
                    rows = list(csv.reader(io.StringIO(text, newline=''), strict=True))
                    assert text.endswith('\\r\\n') and all(len(r) == len(rows[0]) for r in rows), name
            print(json.dumps(files))
            """
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        let json = try JSON(Array(try await Tool.python(program, [UInt8](bytes)).utf8))
        return (json.object ?? [:]).compactMapValues(\.string)
    }

    /// Runs `waybill backup …` in the name of a user.
    func command(_ user: User, _ arguments: [String]) async throws -> (status: Int32, output: String) {
        let target = ["--url", "http://127.0.0.1:\(user.server.port)", "--token", user.token ?? ""]
        return try await user.server.run(["backup"] + arguments + target)
    }

    /// Makes a backup and loads it down.
    func backup(_ user: User, _ name: String) async throws -> (path: String, files: [String: String]) {
        let path = user.server.folder + "/\(name).zip"
        let made = try await command(user, ["create", "--output", path])
        try #require(made.status == 0, "\(made.output)")
        return (path, try await Self.files(path))
    }

    private static let longText = "0123456789abcdef"

    /// Stores files: two with the same bytes, and a longer one.
    private func storeFiles(_ ada: User) async throws {
        let long = String(repeating: Self.longText, count: 200_000)
        for (name, text) in [("one", "some text"), ("two", "some text"), ("empty", ""), ("long", long)] {
            let stored = try await ada.send("POST", "/api/files?name=\(name)", Array(text.utf8), type: "text/plain")
            try #require(stored.status == 201, "\(stored.text)")
        }
    }

    private func fill(_ ada: User) async throws {
        try await storeFiles(ada)
        try await ada.makeArticles(300)
        try await ada.define(
            "odd.type",
            #"""
            {"name": "text", "type": "text"}, {"name": "n", "type": "number"}, {"name": "tags", "type": "tags", "indexed": true},
            {"name": "more", "type": "json"}, {"name": "at", "type": "datetime", "indexed": true}
            """#)
        try await ada.store(
            "odd.type",
            [
                #"{"id": "1", "text": "a, \"b\"\r\nc", "n": 0.1, "tags": ["x", "y,z"], "at": "2013-01-01T03:00:00.000001Z"}"#,
                #"{"id": "2", "text": "", "n": -1e-9, "more": {"a": [null, 1]}, "readers": ["role:editor", "user:eve"]}"#,
                #"{"id": "é 😀", "text": "=1+1", "language": "de-AT"}"#, #"{"id": " ", "more": []}"#,
            ])
        let key = try await ada.post("/apikeys", #"{"user": "robot", "roles": ["reader"]}"#)
        try #require(key.status == 201)
        try #require(try await ada.post("/backup/schedule", #"{"cron": "0 3 1 1 *"}"#).status == 201)
        _ = try await ada.exported()
        // Of the export and of the four files.
        _ = try await poll("a notice of each job") { () -> Bool? in
            try await ada.get("/notifications").json()["total"]?.integer == 5 ? true : nil
        }
    }

    @Test(
        "a backup is restored into another installation on other stores, and backed up again: the files are equal",
        arguments: [(from: Stores.folder, to: Stores.bucket), (from: Stores.bucket, to: Stores.folder)])
    func roundTrip(_ way: (from: Stores, to: Stores)) async throws {
        try await withServer(Self.settings, environment: try await way.from.environment) { old in
            let ada = try await old.user("ada", of: "acme", "admin")
            try await fill(ada)
            let first = try await backup(ada, "first")
            let checked = try await old.run(["backup", "verify", first.path])
            #expect(checked.status == 0, "\(checked.output)")
            #expect(checked.output.contains("rows of the tenant acme"))
            // It takes no place of its own: two tests that hold one and wait for another would wait for ever.
            try await withServer(Self.settings, environment: try await way.to.environment, isIdle: true) { new in
                let eve = try await new.user("eve", of: "globex", "admin")
                let dry = try await command(eve, ["restore", first.path, "--dry-run"])
                #expect(dry.status == 0, "\(dry.output)")
                let restored = try await command(eve, ["restore", first.path])
                #expect(restored.status == 0, "\(restored.output)")
                #expect(restored.output.contains("is signed by an installation that is not known here"))
                let second = try await backup(eve, "second")
                var (left, right) = (first.files, second.files)
                // The events of the first are an earlier segment of the second.
                #expect(right.removeValue(forKey: "audit-segment-1.csv") == left["audit-events.csv"])
                #expect(right.removeValue(forKey: "audit-segments.csv")?.contains("audit-segment-1") == true)
                let log = try await eve.get("/audit-log/events?order=asc&limit=1").json()["events"]?[0]
                #expect(log?["details"]?["kind"]?.string == "file.upload" && (log?["seq"]?.integer ?? 1) < 1)
                for name in ["manifest.json", "api-keys.csv", "audit-events.csv"] { (left[name], right[name]) = (nil, nil) }
                // The restores were told to the one who asked for them.
                let notices = (left.removeValue(forKey: "notices.csv"), right.removeValue(forKey: "notices.csv"))
                for line in notices.0?.split(separator: "\r\n") ?? [] { #expect(notices.1?.contains(line) == true) }
                #expect(left == right)
                #expect(left["items-odd~type.csv"] != nil)
                #expect(left.keys.count { $0.hasPrefix("blobs/") } == 3 && left["drive-files.csv"] != nil)
                // The files are hers there as well.
                let owner = try await new.user("ada", of: "globex", "uploader")
                let files = try await owner.get("/api/files?name=long").json().array
                let file = try #require(files?.first?["id"]?.string)
                let content = try await owner.get("/api/files/\(file)/content")
                #expect(content.status == 200 && content.body.count == 3_200_000)
                #expect(try await owner.get("/api/quota").json()["account"]?["usedFiles"]?.integer == 4)
                let keys = second.files["api-keys.csv"]?.split(separator: "\r\n") ?? []
                #expect(keys.count == 2 && keys.last?.hasSuffix("Z") == true, "the key has come, revoked")
                for (server, stores) in [(old, way.from), (new, way.to)] {
                    let onDisk = FileManager.default.enumerator(atPath: server.data + "/blobs")?.allObjects ?? []
                    #expect(onDisk.isEmpty == (stores == .bucket), "the files are not where they belong")
                }
            }
        }
    }

    /// Where an installation keeps what it has, whatever the other tests use.
    enum Stores: Sendable {
        /// SQLite and files in its folder.
        case folder
        /// PostgreSQL and a part of a bucket.
        case bucket

        var environment: [String: String] {
            get async throws {
                guard self == .bucket else { return ["WAYBILL_DATABASE_URL": "", "WAYBILL_BLOBS_URL": ""] }
                let urls = [
                    "WAYBILL_DATABASE_URL": try await PostgresFixture.makeDatabase(),
                    "WAYBILL_BLOBS_URL": try await ServerStores.bucket(),
                ]
                return urls.merging(S3Server.credentials) { $1 }
            }
        }
    }

    @Test("a full backup and its increments are made, checked and restored elsewhere by the command line")
    func chain() async throws {
        try await withServer(Self.settings) { old in
            let ada = try await old.user("ada", of: "acme", "admin")
            try await fill(ada)
            let first = old.folder + "/first.zip"
            #expect(try await command(ada, ["create", "--since", "last", "--output", first]).status == 0)
            try await ada.store("odd.type", [#"{"id": "1", "text": "changed", "n": 2.5}"#, #"{"id": "3", "tags": ["z"]}"#])
            #expect(try await ada.delete("/content/types/odd.type/items/2").status == 204)
            let listed = try await ada.get("/api/files?name=two").json().array
            let two = try #require(listed?.first?["id"]?.string)
            #expect(try await ada.delete("/api/files/\(two)").status == 204)
            #expect(try await ada.send("POST", "/api/files?name=new", Array("new".utf8), type: "text/plain").status == 201)
            let second = old.folder + "/second.zip"
            #expect(try await command(ada, ["create", "--since", "last", "--output", second]).status == 0)
            #expect(try await ada.delete("/content/types/odd.type/items/1").status == 204)
            try await ada.store("odd.type", [#"{"id": "2", "text": "made anew"}"#])
            let third = old.folder + "/third.zip"
            #expect(try await command(ada, ["create", "--since", "last", "--output", third]).status == 0)
            let increment = try await Self.files(third)
            #expect(increment["items-article.csv"]?.split(separator: "\r\n").count == 1, "nothing of it has changed")
            #expect(increment["deleted-odd~type.csv"] == "id,_null\r\n1,\r\n")
            let changes = try await Self.files(second)
            #expect(changes["drive-deleted.csv"] == "id,_null\r\n\(two),\r\n")
            #expect(changes.filter { $0.key.hasPrefix("blobs/") }.map(\.value) == ["new"])
            let checked = try await old.run(["backup", "verify", first, second, third])
            #expect(checked.status == 0 && checked.output.contains("they belong together"), "\(checked.output)")
            let gap = try await old.run(["backup", "verify", first, third])
            #expect(gap.status == 1 && gap.output.contains("1/manifest.json: it is an increment of the backup"), "\(gap.output)")
            let state = try await backup(ada, "state").files
            try await withServer(Self.settings) { new in
                let eve = try await new.user("eve", of: "globex", "admin")
                let refused = try await command(eve, ["restore", first, third])
                #expect(refused.status != 0 && refused.output.contains("it is an increment of the backup"), "\(refused.output)")
                let restored = try await command(eve, ["restore", first, second, third])
                #expect(restored.status == 0, "\(restored.output)")
                let again = try await backup(eve, "again").files
                for name in state.keys.sorted() where ["items", "conte", "drive", "blobs"].contains(name.prefix(5)) {
                    #expect(again[name] == state[name], "\(name)")
                }
            }
        }
    }

    @Test("a ZIP that was changed is told by verify, with the file and the line")
    func verify() async throws {
        try await withServer(Self.settings) { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            try await fill(ada)
            let made = try await backup(ada, "whole")
            let folder = server.folder + "/unpacked"
            try FileManager.default.createDirectory(atPath: folder + "/blobs", withIntermediateDirectories: true)
            for (name, text) in made.files { try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8) }
            #expect(try await server.run(["backup", "verify", folder]).status == 0)
            let items = try #require(made.files["items-odd~type.csv"])
            try items.replacing("=1+1", with: "=1+2").write(
                toFile: "\(folder)/items-odd~type.csv", atomically: true, encoding: .utf8)
            try FileManager.default.removeItem(atPath: "\(folder)/notices.csv")
            let blob = try #require(made.files.first { $0.value == "some text" }?.key)
            try "some texT".write(toFile: "\(folder)/\(blob)", atomically: true, encoding: .utf8)
            let refused = try await server.run(["backup", "verify", folder])
            #expect(refused.status == 1)
            #expect(refused.output.contains("items-odd~type.csv: its SHA-256 is not what the manifest says"))
            #expect(refused.output.contains("notices.csv: it is missing"))
            #expect(refused.output.contains("\(blob): its bytes are not those that it is named by"))
        }
    }

    /// Starts a job and kills the server until it has ended.
    /// - Returns: how many kills hit it while it ran, as the engine counts them: a kill that comes after the end is none.
    func killed(_ user: User, _ id: String, atMost limit: Int, _ random: inout SeededRandom) async throws -> Int {
        var tries = 0
        var progress = -1.0
        while tries < limit {
            // Each time it must have come further: three deaths in a row without a checkpoint are taken for poison.
            let seen = progress
            let job = try await poll("progress", every: .milliseconds(5)) { () -> JSON? in
                let job = try await user.get("/jobs/\(id)").json()
                let hasEnded = ["completed", "failed", "cancelled"].contains(job["state"]?.string)
                return hasEnded || (job["state"]?.string == "running" && (job["progress"]?.number ?? 0) > seen) ? job : nil
            }
            guard job["state"]?.string == "running" else { break }
            progress = job["progress"]?.number ?? 0
            try await Task.sleep(for: .milliseconds(Int(random.next() % 60)))
            guard try await user.get("/jobs/\(id)").json()["state"]?.string == "running" else { break }
            await user.server.kill()
            tries += 1
            try await user.server.start()
        }
        let job = try await poll("the end") { () -> JSON? in
            let job = try await user.get("/jobs/\(id)").json()
            return ["completed", "failed", "cancelled"].contains(job["state"]?.string) ? job : nil
        }
        #expect(job["state"]?.string == "completed", "\(job)")
        return try #require(job["deaths"]?.integer)
    }

    @Test("backups and restores that are killed at random moments end with the bytes of those that never were")
    func killLoop() async throws {
        try await withServer(Self.settings) { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            try await CrashTests().makeFlights(ada)
            try await storeFiles(ada)
            for number in 1...150 {
                let text = Array("text \(number)".utf8)
                try #require(try await ada.send("POST", "/api/files?name=\(number)", text, type: "text/plain").status == 201)
            }
            let whole = try await backup(ada, "whole").files
            var random = SeededRandom(seed: CrashTests.seed)
            var kills = 0
            var rounds = 0
            while kills < 20 {
                let id = try #require(try await ada.post("/backup/schedule").json()["jobId"]?.string)
                let isRefused = try await poll("the job's start") { () -> Bool? in
                    guard try await ada.get("/backup/jobs/\(id)").json()["status"]?.string == "running" else { return nil }
                    return try await ada.post("/backup/schedule").status == 409
                }
                #expect(isRefused, "there is one that runs")
                kills += try await killed(ada, id, atMost: min(7, 20 - kills), &random)
                let path = server.folder + "/killed.zip"
                try? FileManager.default.removeItem(atPath: path)
                let loaded = try await command(ada, ["download", id, "--output", path])
                try #require(loaded.status == 0, "\(loaded.output)")
                var files = try await Self.files(path)
                for name in Self.growing { files[name] = whole[name] }
                #expect(files == whole, "seed \(CrashTests.seed)")
                rounds += 1
                try #require(rounds < 40, "only \(kills) kills hit a running backup")
            }
            try await killRestores(ada, whole, &random)
        }
    }

    /// Restores two backups in turn, each over what the other one has left, kills the server amid them, and compares each time.
    /// - Parameter whole: what the tenant has, and its first backup.
    private func killRestores(_ ada: User, _ whole: [String: String], _ random: inout SeededRandom) async throws {
        let backups = try await ada.get("/backup/jobs").json().array ?? []
        var sources = [(id: try #require(backups.first?["jobId"]?.string), files: whole)]
        try await change(ada)
        let changed = try await backup(ada, "changed").files
        let newest = try await ada.get("/backup/jobs").json().array?.last?["jobId"]?.string
        sources.append((try #require(newest), changed))
        for name in ["items-flight.csv", "drive-files.csv"] { #expect(changed[name] != whole[name], "\(name)") }
        #expect(changed["items-odd.csv"] != nil && whole["items-odd.csv"] == nil)
        var (kills, round) = (0, 0)
        while kills < 20 {
            let source = sources[round % 2]
            let opened = try await ada.post("/backup/restores", #"{"from": "\#(source.id)", "mode": "replace"}"#)
            let restore = try #require(try opened.json()["id"]?.string, "\(opened.text)")
            let started = try await ada.post("/backup/restores/\(restore)/start")
            let id = try #require(try started.json()["jobId"]?.string, "\(started.text)")
            kills += try await killed(ada, id, atMost: min(7, 20 - kills), &random)
            var after = try await backup(ada, "after-\(round)").files
            for name in Self.growing { after[name] = source.files[name] }
            #expect(after.keys.sorted() == source.files.keys.sorted(), "round \(round), seed \(CrashTests.seed)")
            for (name, text) in after {
                #expect(text == source.files[name], "\(name), round \(round), seed \(CrashTests.seed)")
            }
            round += 1
            try #require(round < 40, "only \(kills) kills hit a running restore")
        }
        // All of these events are the tenant's own.
        let first = try await ada.get("/audit-log/events?order=asc&limit=1").json()["events"]?[0]
        #expect(first?["seq"]?.integer == 1)
    }

    /// Changes, adds and removes items and files, and adds a type.
    private func change(_ ada: User) async throws {
        let lines = stride(from: 0, to: CrashTests.rows, by: 3).map { number in
            #"{"id": "f\#(1_000_000 + number)", "carrier": "N\#(number % 9)", "note": "changed"}"#
        }
        try await ada.store("flight", lines)
        for number in 1...20 {
            #expect(try await ada.delete("/content/types/flight/items/f\(1_000_000 + number)").status == 204)
        }
        try await ada.define("odd", #"{"name": "text", "type": "text"}"#)
        try await ada.store("odd", [#"{"id": "1", "text": "new"}"#])
        let files = try await ada.get("/api/files?limit=40").json().array ?? []
        for file in files {
            #expect(try await ada.delete("/api/files/\(try #require(file["id"]?.string))").status == 204)
        }
        for number in 1...40 {
            let text = Array("new text \(number)".utf8)
            try #require(try await ada.send("POST", "/api/files?name=new-\(number)", text, type: "text/plain").status == 201)
        }
    }

    /// All that a log says, without the numbers, oldest first.
    private func log(_ user: User) async throws -> [String] {
        var texts: [String] = []
        var cursor = ""
        while true {
            let page = try await user.get("/audit-log/events?order=asc&limit=1000\(cursor)").json()
            texts += (page["events"]?.array ?? []).map { event in
                ["id", "at", "action", "target"].map { event[$0]?.string ?? "-" }.joined(separator: " ")
            }
            guard let next = page["next"]?.integer else { return texts }
            cursor = "&cursor=\(next)"
        }
    }

    @Test("restores that are killed at random moments bring each event of the audit log once, and their chains hold")
    func segments() async throws {
        try await withServer(Self.settings) { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            var text = ""
            for number in 0..<20_000 {
                let id = number % 2 == 0 ? #""id":"e\#(number)","# : ""
                text += #"{\#(id)"user":"u\#(number % 7)","action":"VIEW","at":"2024-03-10T09:00:00Z","target":"\#(number)"}"#
                text += "\n"
            }
            let sent = try await ada.send("POST", "/audit-log/events", Array(text.utf8), type: "application/x-ndjson")
            try #require(sent.status == 200, "\(sent.text)")
            let expected = try await log(ada)
            let source = try #require(try await ada.post("/backup/schedule", #"{"entities": ["audit"]}"#).json()["jobId"]?.string)
            _ = try await poll("the backup") {
                try await ada.get("/backup/jobs/\(source)").json()["status"]?.string == "completed" ? true : nil
            }
            let root = try await server.user("root", of: "ops", "system")
            var random = SeededRandom(seed: CrashTests.seed)
            var (kills, round) = (0, 0)
            while kills < 8 {
                let tenant = "copy\(round)"
                let opened = try await root.post("/backup/restores", #"{"from": "\#(source)", "tenant": "\#(tenant)"}"#)
                let restore = try #require(try opened.json()["id"]?.string, "\(opened.text)")
                let started = try await root.post("/backup/restores/\(restore)/start?tenant=\(tenant)")
                let id = try #require(try started.json()["jobId"]?.string, "\(started.text)")
                kills += try await killed(root, id, atMost: min(3, 8 - kills), &random)
                let eve = try await server.user("eve", of: tenant, "auditor")
                // Behind them are those of the restore itself.
                #expect(Array(try await log(eve).prefix(expected.count)) == expected, "seed \(CrashTests.seed)")
                round += 1
                try #require(round < 20, "only \(kills) kills hit a running restore")
            }
            await server.terminate()
            let verified = try await server.run(["audit", "verify", "--data", server.data])
            #expect(verified.status == 0 && verified.output.contains("copy0, segment 1"), "\(verified.output)")
            try await server.start()
        }
    }

    @Test("a drill that is killed tells that the newest backup can be restored; one of a damaged backup fails and names the file")
    func drills() async throws {
        try await withServer(Self.settings, filesAreOnDisk: true) { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            try await CrashTests().makeFlights(ada)
            try await fill(ada)
            _ = try await backup(ada, "whole")
            let passed = try await command(ada, ["drill"])
            #expect(passed.status == 0, "\(passed.output)")
            #expect(passed.output.contains("items-flight") && passed.output.contains("passed  backup "), "\(passed.output)")
            var random = SeededRandom(seed: CrashTests.seed)
            let id = try #require(try await ada.post("/backup/drills").json()["jobId"]?.string)
            _ = try await killed(ada, id, atMost: 6, &random)
            let drill = try await ada.get("/backup/drills/\(id)").json()
            #expect(drill["report"]?["outcome"]?.string == "passed", "\(drill)")
            let scheduled = try await command(ada, ["drill", "--cron", "0 5 1 1 *"])
            #expect(scheduled.status == 0 && scheduled.output.contains("drill-"), "\(scheduled.output)")
            try await damage(server, ada)
            let drift = try await command(ada, ["drill"])
            #expect(drift.status == 1 && drift.output.contains("items-flight."), "\(drift.output)")
            let notice = try await poll("the notice") { () -> String? in
                let all = try await ada.get("/notifications").json()["notifications"]?.array ?? []
                return all.first { $0["kind"]?.string == "backup.drill" && $0["outcome"]?.string == "failed" }?["message"]?.string
            }
            #expect(notice.contains("items-flight."), "\(notice)")
        }
    }

    /// Changes a byte of the longest archive of the newest backup, where it is stored.
    private func damage(_ server: ServerFixture, _ user: User) async throws {
        let backups = try await user.get("/backup/jobs").json().array ?? []
        let id = try #require(backups.last?["jobId"]?.string)
        let root = URL(fileURLWithPath: server.data).appendingPathComponent("blobs")
        var files: [(path: URL, size: Int)] = []
        let all = FileManager.default.enumerator(at: root, includingPropertiesForKeys: [.fileSizeKey, .isDirectoryKey])
        while let url = all?.nextObject() as? URL {
            let facts = try url.resourceValues(forKeys: [.fileSizeKey, .isDirectoryKey])
            guard url.path.contains(id), facts.isDirectory == false, let size = facts.fileSize else { continue }
            let begin = try FileHandle(forReadingFrom: url).read(upToCount: Self.longText.count) ?? Data()
            if begin != Data(Self.longText.utf8) { files.append((url, size)) }
        }
        // One of the flights': the bytes of files are left out.
        let longest = try #require(files.max { $0.size < $1.size })
        var bytes = try Data(contentsOf: longest.path)
        bytes[bytes.count / 2] ^= 0x55
        try bytes.write(to: longest.path)
    }
}
