import Foundation
import Synchronization

/// An S3 server that runs beside the tests: the one that a script has started around them, or one that is started for them.
public final class S3Server: Sendable {
    public static let seaweedfs = S3Server("seaweedfs", variable: "WAYBILL_TEST_SEAWEEDFS_URL", "WAYBILL_TEST_SEAWEEDFS_TLS_URL")
    public static let moto = S3Server("moto", variable: "WAYBILL_TEST_MOTO_URL", nil)

    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// What a client of the servers needs in its environment.
    public static let credentials = [
        "AWS_ACCESS_KEY_ID": "waybill-test", "AWS_SECRET_ACCESS_KEY": "waybill-test-secret", "AWS_SESSION_TOKEN": "",
        "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "", "AWS_REGION": "",
    ]

    private let script: String
    private let variable: String
    private let secureVariable: String?
    private let started = Mutex<Task<[String], any Error>?>(nil)
    /// The server ends when this closes, which it does with the process of the tests, however that ends.
    private let lifeline = Pipe()

    private init(_ script: String, variable: String, _ secureVariable: String?) {
        self.script = script
        self.variable = variable
        self.secureVariable = secureVariable
    }

    /// Where it is.
    /// - Throws: `Failure` if there can be none.
    public func url() async throws -> String {
        if let url = ProcessInfo.processInfo.environment[variable] { return url }
        return try await urls()[0]
    }

    /// Where it is by TLS, under the names `localhost` and, with the bucket in it, `waybill.localhost`. The URL names the
    /// certificate `ca.pem`; `other.pem` beside that file is a stranger's.
    /// - Throws: `Failure` if there can be none.
    public func secureURL() async throws -> String {
        guard let secureVariable else { throw Failure(description: "\(script) has no TLS here") }
        if let url = ProcessInfo.processInfo.environment[secureVariable] { return url }
        return try await urls()[1]
    }

    private func urls() async throws -> [String] {
        let task = started.withLock { started in
            let task = started ?? Task { try await self.start() }
            started = task
            return task
        }
        return try await task.value
    }

    private func start() async throws -> [String] {
        let output = Pipe()
        let process = Process()
        let root = (0..<4).reduce(URL(filePath: #filePath)) { url, _ in url.deletingLastPathComponent() }
        process.executableURL = root.appending(path: "Scripts/servers/\(script)")
        process.arguments = ["sh", "-c", "echo \"$\(variable) $\(secureVariable ?? variable)\"; exec cat >/dev/null"]
        process.standardInput = lifeline
        process.standardOutput = output
        try process.run()
        // The first line comes when the server is ready. It may have to be installed before.
        let line = await withCheckedContinuation { caller in
            DispatchQueue.global().async {
                var bytes: [UInt8] = []
                while let byte = try? output.fileHandleForReading.read(upToCount: 1), let first = byte.first, first != 10 {
                    bytes.append(first)
                }
                caller.resume(returning: String(decoding: bytes, as: UTF8.self))
            }
        }
        let urls = line.split(separator: " ").map(String.init)
        guard urls.count == 2, line.hasPrefix("s3://") else {
            throw Failure(description: "Scripts/servers/\(script) did not start the server")
        }
        return urls
    }
}
