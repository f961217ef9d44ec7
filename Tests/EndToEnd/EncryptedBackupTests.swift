import Foundation
import PostgresFixture
import Testing

/// Encrypted backups with the real program, opened by `age` and gunzip.
@Suite(.serialized) struct EncryptedBackupTests {
    private static let settings = CrashTests.settings.merging(["backup.archiveBytes": "1MiB"]) { $1 }
    private static let passphrase = "correct horse battery staple é"

    /// Files that say more after each backup.
    private static let growing = ["notices.csv", "audit-events.csv"]

    private func command(
        _ user: User, _ arguments: [String], environment: [String: String] = [:]
    ) async throws -> (status: Int32, output: String) {
        let target = ["--url", "http://127.0.0.1:\(user.server.port)", "--token", user.token ?? ""]
        return try await ServerProcess.run(["backup"] + arguments + target, environment: environment)
    }

    /// Makes a key with age-keygen.
    private func key(_ server: ServerFixture) async throws -> (path: String, recipient: String) {
        let path = "\(server.folder)/key-\(UUID().uuidString)"
        let made = try await ServerProcess.run(["age-keygen", "-o", path], program: "/usr/bin/env")
        try #require(made.status == 0, "\(made.output)")
        let text = try await ServerProcess.run(["age-keygen", "-y", path], program: "/usr/bin/env").output
        return (path, text.split(whereSeparator: \.isWhitespace).map(String.init).last ?? "")
    }

    /// The CSV in a ZIP, as age and gunzip open it, by its name.
    private func opened(_ zip: String, _ key: String) async throws -> [String: String] {
        let program = """
            import gzip, json, subprocess, sys, zipfile
            z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None
            files = {}
            for name in z.namelist():
                if name == "manifest.json": continue
                assert name.endswith(".csv.gz.age"), name
                plain = subprocess.run(["age", "-d", "-i", sys.argv[2]], input=z.read(name), capture_output=True)
                assert plain.returncode == 0, (name, plain.stderr)
                files[name[:-7]] = gzip.decompress(plain.stdout).decode()
            print(json.dumps(files))
            """
        let (status, output) = try await ServerProcess.run(["python3", "-c", program, zip, key], program: "/usr/bin/env")
        try #require(status == 0, "\(output)")
        return (try JSON(Array(output.utf8)).object ?? [:]).compactMapValues(\.string)
    }

    /// Every file below the server's folder that has a text in it.
    private func files(_ server: ServerFixture, with text: String) throws -> [String] {
        let all = try FileManager.default.subpathsOfDirectory(atPath: server.folder)
        return all.filter { path in
            guard let bytes = FileManager.default.contents(atPath: "\(server.folder)/\(path)") else { return false }
            return bytes.range(of: Data(text.utf8)) != nil
        }
    }

    @Test("age and gunzip open an encrypted backup, and it is restored into another installation with the key")
    func roundTrip() async throws {
        let stores = ["WAYBILL_DATABASE_URL": "", "WAYBILL_BLOBS_URL": ""]
        try await withServer(Self.settings, environment: stores) { old in
            let ada = try await old.user("ada", of: "acme", "admin")
            try await ada.makeArticles(5000)
            let (mine, theirs) = (try await key(old), try await key(old))
            let zip = "\(old.folder)/encrypted.zip"
            let made = try await command(
                ada, ["create", "--recipient", mine.recipient, "--recipient", theirs.recipient, "--output", zip])
            try #require(made.status == 0, "\(made.output)")
            let files = try await opened(zip, mine.path)
            #expect(try await opened(zip, theirs.path) == files)
            #expect(files["items-article.csv"]?.split(separator: "\r\n").count == 5001)
            let digests = try await ServerProcess.run(["backup", "verify", zip])
            #expect(digests.status == 0 && digests.output.contains("not their rows"), "\(digests.output)")
            let checked = try await ServerProcess.run(["backup", "verify", zip, "--identity", theirs.path])
            #expect(checked.status == 0 && !checked.output.contains("not their rows"), "\(checked.output)")
            let other = ["WAYBILL_DATABASE_URL": try await PostgresFixture.makeDatabase()]
            // It takes no place of its own: two tests that hold one and wait for another would wait for ever.
            try await withServer(Self.settings, environment: other, isIdle: true, filesAreOnDisk: true) { new in
                let eve = try await new.user("eve", of: "globex", "admin")
                let stranger = try await key(new)
                let refused = try await command(eve, ["restore", zip, "--identity", stranger.path])
                #expect(refused.status != 0 && refused.output.contains("none of the keys"), "\(refused.output)")
                let restored = try await command(eve, ["restore", zip, "--identity", theirs.path])
                #expect(restored.status == 0, "\(restored.output)")
                let second = "\(new.folder)/second.zip"
                let again = try await command(eve, ["create", "--recipient", stranger.recipient, "--output", second])
                try #require(again.status == 0, "\(again.output)")
                let after = try await opened(second, stranger.path)
                for name in ["items-article.csv", "content-types.csv"] { #expect(after[name] == files[name], "\(name)") }
            }
        }
    }

    @Test("an encrypted backup that is killed at random moments opens to the files of one that never was")
    func kills() async throws {
        try await withServer(Self.settings) { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            try await CrashTests().makeFlights(ada)
            let key = try await key(server)
            let body = #"{"recipients": ["\#(key.recipient)"]}"#
            var random = SeededRandom(seed: CrashTests.seed)
            func backup(_ name: String, kills: Int) async throws -> (files: [String: String], kills: Int) {
                let id = try #require(try await ada.post("/backup/schedule", body).json()["jobId"]?.string)
                let hits = try await BackupTests().killed(ada, id, atMost: kills, &random)
                let path = "\(server.folder)/\(name).zip"
                let loaded = try await command(ada, ["download", id, "--output", path])
                try #require(loaded.status == 0, "\(loaded.output)")
                let checked = try await ServerProcess.run(["backup", "verify", path, "--identity", key.path])
                #expect(checked.status == 0, "\(checked.output)")
                return (try await opened(path, key.path), hits)
            }
            var whole = try await backup("whole", kills: 0).files
            for name in Self.growing { whole[name] = nil }
            var (kills, rounds) = (0, 0)
            while kills < 10 {
                var (files, hits) = try await backup("killed-\(rounds)", kills: min(5, 10 - kills))
                for name in Self.growing { files[name] = nil }
                #expect(files == whole, "seed \(CrashTests.seed)")
                (kills, rounds) = (kills + hits, rounds + 1)
                try #require(rounds < 20, "only \(kills) kills hit a running backup")
            }
        }
    }

    @Test("a passphrase is in no file of the server and in no log, while its job waits, runs, and has ended")
    func passphrase() async throws {
        try await withOneWorker { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            try await ada.makeArticles(200)
            let worker = try await server.holdWorker()
            let body = #"{"passphrase": "\#(Self.passphrase)"}"#
            let started = try await ada.send(
                "POST", "/backup/schedule", Array(body.utf8), type: "application/json", headers: [("Idempotency-Key", "k")])
            let id = try #require(try started.json()["jobId"]?.string, "\(started.text)")
            #expect(try files(server, with: Self.passphrase) == [])
            for path in ["/jobs/\(id)", "/backup/jobs/\(id)", "/audit-log/events"] {
                #expect(try await ada.get(path).text.contains("battery") == false, "\(path)")
            }
            try await worker.release()
            let job = try await poll("the end") { () -> JSON? in
                let job = try await ada.get("/jobs/\(id)").json()
                return ["completed", "failed"].contains(job["state"]?.string) ? job : nil
            }
            #expect(job["state"]?.string == "completed", "\(job)")
            let zip = "\(server.folder)/locked.zip"
            let loaded = try await command(ada, ["download", id, "--output", zip])
            try #require(loaded.status == 0, "\(loaded.output)")
            let known = ["WAYBILL_PASSPHRASE": Self.passphrase]
            let checked = try await ServerProcess.run(["backup", "verify", zip], environment: known)
            #expect(checked.status == 0, "\(checked.output)")
            let wrong = try await command(
                ada, ["restore", zip, "--replace"], environment: ["WAYBILL_PASSPHRASE": "another passphrase"])
            #expect(wrong.status != 0 && wrong.output.contains("none of the keys"), "\(wrong.output)")
            let restored = try await command(ada, ["restore", zip, "--replace"], environment: known)
            #expect(restored.status == 0, "\(restored.output)")
            #expect(try files(server, with: Self.passphrase) == [])
        }
    }
}
