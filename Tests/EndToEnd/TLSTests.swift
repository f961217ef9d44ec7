import Foundation
import PostgresFixture
import TestServers
import Testing

/// The real program on a PostgreSQL and a bucket that it reaches by TLS, each with a certificate that the machine does not trust.
@Suite(.serialized) struct TLSTests {
    private func environment() async throws -> [String: String] {
        var environment = S3Server.credentials
        environment["WAYBILL_DATABASE_URL"] = try await PostgresFixture.makeDatabase(usesTLS: true)
        environment["WAYBILL_BLOBS_URL"] =
            try await S3Server.seaweedfs.secureURL().replacing("s3://waybill?", with: "s3://waybill/e2e-\(UUID().uuidString)?")
        return environment
    }

    @Test("imports, exports and downloads go by TLS to the database and to the bucket")
    func job() async throws {
        try await withServer(environment: try await environment()) { server in
            let ada = try await server.newUser("editor")
            try await ada.makeArticles(200)
            let imported = try await ada.importing("contentType=article", "id,title\nn1,New\n")
            #expect(try await ada.wait(imported, in: User.imports)["result"]?["inserted"]?.integer == 1)
            let file = try await ada.exportedFile(#"{"contentType": "article", "format": "csv"}"#)
            #expect(try await Tool.csv(file.body).count == 202)
            await server.kill()
            try await server.start()
            #expect(try await ada.exported()["state"]?.string == "completed")
        }
    }

    @Test("a database or a bucket with a stranger's certificate is not used, and the operator reads why, and no secret")
    func strangers() async throws {
        let good = try await environment()
        for (name, words) in [
            ("WAYBILL_DATABASE_URL", "certificate verify failed"), ("WAYBILL_BLOBS_URL", "TLS certificate is not trusted"),
        ] {
            var environment = good
            let other = good[name]?.replacing("ca.pem", with: "other.pem")
            environment[name] = other?.replacing("waybill@", with: "waybill:the-secret@")
            let folder = NSTemporaryDirectory() + "waybill-tls-\(UUID().uuidString.prefix(8))"
            defer { try? FileManager.default.removeItem(atPath: folder) }
            for command in [["doctor"], ["serve", "--listen", "127.0.0.1:0", "--set", "database.startTimeout=1s"]] {
                let (status, output) = try await ServerProcess.run(command + ["--data", folder], environment: environment)
                #expect(status == 1 && output.contains(words), "\(command) with another \(name): \(output)")
                #expect(!output.contains("the-secret") && !output.contains("waybill-test-secret"))
            }
        }
    }
}
