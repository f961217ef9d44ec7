import Foundation
import TestServers
import Testing

/// Pools with stores of their own, in the real program.
@Suite struct PoolStoreTests {
    private static let archive = "WAYBILL_DRIVE_STORES_ARCHIVE"

    private func pool(_ store: String, _ admin: User) async throws -> String {
        let made = try await admin.post("/api/pools", #"{"name": "in \#(store)", "store": "\#(store)"}"#)
        try #require(made.status == 201, "\(made.text)")
        return try #require(try made.json()["id"]?.string)
    }

    private func upload(_ text: String, to pool: String, _ user: User) async throws -> String {
        let made = try await user.send("POST", "/api/files?name=a.txt&poolId=\(pool)", Array(text.utf8), type: "text/plain")
        try #require(made.status == 201, "\(made.text)")
        return try #require(try made.json()["id"]?.string)
    }

    private func files(in folder: String) -> [String] {
        let all = FileManager.default.enumerator(atPath: folder + "/blobs/files")?.compactMap { $0 as? String } ?? []
        return all.filter { $0.contains("/") }.map { "files/\($0)" }.sorted()
    }

    @Test(
        "files of pools lie in a folder and in a bucket, outlive kill -9, and go with their tenant; the doctor knows the stores")
    func stores() async throws {
        let archive = NSTemporaryDirectory() + "waybill-archive-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: archive) }
        let media = try await ServerStores.bucket()
        let environment = S3Server.credentials.merging([Self.archive: "file://\(archive)"]) { $1 }
        try await withServer(["drive.stores.media": media], environment: environment, filesAreOnDisk: true) { server in
            let (ada, bob) = (
                try await server.user("ada", of: "acme", "admin"), try await server.user("bob", of: "globex", "admin")
            )
            let refused = try await ada.post("/api/pools", #"{"name": "a", "store": "attic"}"#)
            #expect(refused.status == 400 && refused.text.contains("default, archive, media"), "\(refused.text)")
            let (folder, bucket) = (try await pool("archive", ada), try await pool("media", ada))
            let first = try await upload("in a folder", to: folder, ada)
            let second = try await upload("in a bucket", to: bucket, ada)
            let theirs = try await upload("another one's", to: try await pool("archive", bob), bob)
            #expect(files(in: archive) == ["files/acme/\(first)", "files/globex/\(theirs)"])
            #expect(files(in: server.data) == [])
            await server.kill()
            try await server.start()
            for (id, text) in [(first, "in a folder"), (second, "in a bucket")] {
                #expect(try await ada.get("/api/files/\(id)/content").text == text)
            }

            let backup = try #require(try await ada.post("/backup/schedule").json()["jobId"]?.string)
            #expect(try await ada.wait(backup, in: "/jobs")["state"]?.string == "completed")
            let system = try await server.user("ops", of: "operations", "system")
            let erased = try #require(try await system.delete("/tenants/acme").json()["jobId"]?.string)
            #expect(try await system.wait(erased, in: "/jobs")["state"]?.string == "completed")
            #expect(files(in: archive) == ["files/globex/\(theirs)"])
            #expect(try await bob.get("/api/files/\(theirs)/content").text == "another one's")

            await server.terminate()
            let options = ["--data", server.data, "--set", "drive.stores.media=\(media)"]
            let doctor = try await server.run(["doctor"] + options)
            #expect(doctor.status == 0, "\(doctor.output)")
            for name in ["store archive", "store media"] {
                #expect(doctor.output.contains(name), "\(doctor.output)")
            }
            let shown = try await server.run(["config", "show"] + options)
            #expect(shown.output.contains("drive.stores.archive") && shown.output.contains("file://\(archive)"))
            #expect(!shown.output.contains("waybill-test-secret"))
            // Without it, what is in it is named, and nothing of it goes.
            let without = try await ServerProcess.run(["doctor"] + options, environment: Self.without(environment, server))
            #expect(without.status == 1 && without.output.contains("drive.stores.archive does not say"), "\(without.output)")
            #expect(files(in: archive) == ["files/globex/\(theirs)"])
            // Where it has another place, the server does not start.
            var elsewhere = Self.without(environment, server)
            elsewhere[Self.archive] = "file://\(archive)-other"
            defer { try? FileManager.default.removeItem(atPath: archive + "-other") }
            let wrong = try await ServerProcess.run(
                ["serve", "--listen", "127.0.0.1:0"] + options, environment: elsewhere)
            #expect(wrong.status == 1 && wrong.output.contains("drive.stores.archive is the same"), "\(wrong.output)")
            try await server.start()
        }
    }

    @Test("an installation that moves leaves the stores of its pools where they are, and finds their files on the new side")
    func moved() async throws {
        let archive = NSTemporaryDirectory() + "waybill-archive-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: archive) }
        let stores = try await SharedStores()
        let old = ["WAYBILL_DATABASE_URL": "", "WAYBILL_BLOBS_URL": "", Self.archive: "file://\(archive)"]
        try await withServer(environment: old) { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            let id = try await upload("kept", to: try await pool("archive", ada), ada)
            await server.terminate()
            let (status, output) = try await ServerProcess.run(
                ["move", "--from", "sqlite:\(server.data)", "--to", stores.databaseURL, "--to-blobs", stores.bucketURL],
                environment: S3Server.credentials)
            try #require(status == 0, "\(output)")
            var environment = stores.environment.merging([Self.archive: "file://\(archive)"]) { $1 }
            environment["WAYBILL_SIGNING_KEY"] = try String(contentsOfFile: server.data + "/signing.key", encoding: .utf8)
                .trimmingCharacters(in: .whitespacesAndNewlines)
            try await withServer(environment: environment, isIdle: true) { new in
                var ada = ada
                ada.server = new
                #expect(try await ada.get("/api/files/\(id)/content").text == "kept")
                let pools = try await ada.get("/api/pools").json().array ?? []
                #expect(pools.contains { $0["store"]?.string == "archive" })
            }
            #expect(files(in: archive) == ["files/acme/\(id)"])
        }
    }

    @Test("a bucket of a pool that is away when the server starts costs that pool's uploads alone, until it can be reached")
    func away() async throws {
        let url = try await ServerStores.bucket()
        let endpoint = try #require(url.firstMatch(of: /127\.0\.0\.1:(\d+)/))
        let bucketPort = try #require(Int(endpoint.1))
        // Takes a port that is free then, and lets it go.
        let taken = try await PortGate { bucketPort }
        try await taken.close()
        let store = url.replacing(endpoint.0, with: "127.0.0.1:\(taken.port)")
        try await withServer(["drive.stores.media": store], environment: S3Server.credentials, isIdle: true) { server in
            server.expectComplaints()
            let ada = try await server.newUser("admin")
            let media = try await pool("media", ada)
            let refused = try await ada.send("POST", "/api/files?name=a.txt&poolId=\(media)", [1], type: "text/plain")
            #expect(refused.status == 503 && refused["Retry-After"] != nil, "\(refused.text)")
            #expect(try await ada.send("POST", "/api/files?name=b.txt", [1], type: "text/plain").status == 201)
            #expect(try await ada.get("/readyz").status == 200)
            #expect(try await ada.get("/health/uploads").json()["storage"]?.string == "degraded")
            @Sendable func available() async throws -> [String: Bool] {
                let pools = try await ada.get("/api/pools").json().array ?? []
                return Dictionary(uniqueKeysWithValues: pools.map { ($0["store"]?.string ?? "", $0["available"]?.bool ?? false) })
            }
            #expect(try await available() == ["default": true, "media": false])

            let gate = try await PortGate(at: taken.port) { bucketPort }
            let id = try await upload("there again", to: media, ada)
            #expect(try await ada.get("/api/files/\(id)/content").text == "there again")
            _ = try await poll("the store to be told as there") { try await available()["media"] == true ? true : nil }
            #expect(try await ada.get("/health/uploads").json()["storage"]?.string == "healthy")
            await server.terminate()
            try await gate.close()
        }
    }

    /// What the server was told, but for the folder.
    private static func without(_ environment: [String: String], _ server: ServerFixture) -> [String: String] {
        server.stores.environment.merging(environment) { $1 }.merging([archive: ""]) { $1 }
    }
}
