import Foundation
import TestServers
import Testing

/// The real program with its files in a bucket.
@Suite(.serialized) struct S3Tests {
    @Test("exports that are killed at random moments end with the bytes of those that never were, also in a bucket")
    func killLoop() async throws {
        var settings = CrashTests.settings
        settings["blobs.url"] = try await ServerStores.bucket()
        try await withServer(settings, environment: S3Server.credentials) { server in
            let tests = CrashTests()
            let ada = try await server.newUser("editor")
            try await tests.makeFlights(ada)
            var random = SeededRandom(seed: CrashTests.seed &+ 1)
            var kills = 0
            for round in 0..<20 where kills < 6 {
                let request = CrashTests.requests[round % CrashTests.requests.count]
                let expected = try await ada.exportedFile(request).body
                kills += try await tests.killed(ada, request, expected, atMost: min(3, 6 - kills), &random)
            }
            #expect(kills == 6, "too few kills hit a running export; seed \(CrashTests.seed)")
            let files = FileManager.default.enumerator(atPath: server.data + "/blobs")?.allObjects ?? []
            #expect(files.isEmpty, "the files are not in the bucket")
        }
    }

    @Test("the doctor probes the bucket, and neither it nor the configuration shows a secret")
    func doctor() async throws {
        let url = try await ServerStores.bucket()
        let folder = NSTemporaryDirectory() + "waybill-e2e-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let arguments = ["--data", folder, "--set", "blobs.url=\(url)"]
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let (made, _) = try await ServerProcess.run([
            "token", "--data", folder, "--tenant", "a", "--user", "a", "--role", "admin",
        ])
        #expect(made == 0)
        let prepared = try await ServerProcess.run(
            ["apikey", "create"] + arguments + ["--tenant", "a", "--user", "a", "--name", "n", "--role", "reader"],
            environment: S3Server.credentials)
        #expect(prepared.status == 0, "\(prepared.output)")

        let (status, output) = try await ServerProcess.run(["doctor"] + arguments, environment: S3Server.credentials)
        #expect(status == 0 && output.contains("written, read, listed and deleted"), "\(output)")
        let shown = try await ServerProcess.run(["config", "show"] + arguments, environment: S3Server.credentials)
        #expect(shown.status == 0 && shown.output.contains("AWS_SECRET_ACCESS_KEY") && shown.output.contains("********"))

        var wrong = S3Server.credentials
        wrong["AWS_SECRET_ACCESS_KEY"] = "not-the-secret-at-all"
        let refused = try await ServerProcess.run(["doctor"] + arguments, environment: wrong)
        #expect(refused.status == 1 && refused.output.contains("SignatureDoesNotMatch"), "\(refused.output)")
        for text in [output, shown.output, refused.output] {
            #expect(!text.contains("waybill-test-secret") && !text.contains("not-the-secret-at-all"))
        }
    }
}
