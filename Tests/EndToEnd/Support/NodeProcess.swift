import Foundation
import PostgresFixture
import TestServers
import Testing

/// What several nodes share: a database, a bucket, a key.
struct SharedStores: Sendable {
    let databaseURL: String
    let bucketURL: String
    let folder = NSTemporaryDirectory() + "waybill-e2e-\(UUID().uuidString.prefix(8))"
    private static let key = "the key that all nodes of a test sign with"

    init() async throws {
        databaseURL = try await PostgresFixture.makeDatabase()
        let url = try await S3Server.seaweedfs.url()
        bucketURL = url.replacingOccurrences(of: "s3://waybill?", with: "s3://waybill/nodes-\(UUID().uuidString)?")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    var environment: [String: String] {
        S3Server.credentials.merging([
            "WAYBILL_DATABASE_URL": databaseURL, "WAYBILL_BLOBS_URL": bucketURL, "WAYBILL_SIGNING_KEY": Self.key,
        ]) { $1 }
    }

    /// A token that is good at every node.
    func token(_ tenant: String, _ user: String, _ roles: String...) async throws -> String {
        let (status, output) = try await ServerProcess.run(
            ["token", "--data", folder + "/tokens", "--tenant", tenant, "--user", user] + roles.flatMap { ["--role", $0] },
            environment: environment)
        guard status == 0 else { throw E2EError("waybill token: \(output)") }
        return output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Somebody who asks one of the nodes.
    func user(_ user: String, of tenant: String, at node: ServerFixture, _ role: String) async throws -> User {
        User(server: node, tenant: tenant, name: user, token: try await token(tenant, user, role))
    }
}

/// A run of the program that is not a server of the fixture: one that does not listen, or one that is to be refused. It ends with
/// the one who holds it, so that a test that throws leaves none behind.
final class NodeProcess: Sendable {
    let process: ServerProcess

    /// - Parameter line: what it prints once it is up.
    init(_ arguments: [String], environment: [String: String], log: String, until line: String) async throws {
        let process = try ServerProcess(arguments, environment: environment, log: log)
        self.process = process
        do {
            _ = try await poll("the start of a node") { () -> Bool? in
                if process.hasEnded { throw E2EError("the node did not start: \(process.output)") }
                return process.output.contains(line) ? true : nil
            }
        } catch {
            process.signal(SIGKILL)
            throw error
        }
    }

    deinit {
        if !process.hasEnded { process.signal(SIGKILL) }
    }

    var port: Int? {
        process.output.components(by: "127.0.0.1:").dropFirst().first.flatMap { Int($0.prefix { $0.isNumber }) }
    }

    /// SIGKILL.
    func kill() async {
        process.signal(SIGKILL)
        _ = await process.status()
    }

    /// SIGTERM.
    /// - Returns: its exit status.
    func terminate() async -> Int32 {
        process.signal(SIGTERM)
        return await process.status()
    }
}
