import Foundation
import Synchronization
import Testing
import WaybillBlobs

@testable import WaybillS3Blobs

/// A store on a faulty server. Waiting between tries takes no time, and is noted.
struct S3Fixture {
    static let secret = "a-secret-that-nobody-may-see"

    let server = FaultyStore()
    let store: S3Blobs
    let waits: Notes<Duration>
    private let scripted: ScriptedServer

    init(
        triesMax: Int = 4, tryTimeout: Duration = .seconds(20), silenceMax: Duration = .seconds(15), isVirtual: Bool = false,
        createsBucket: Bool = false, credentials: S3CredentialSource? = nil
    ) async throws {
        let server = server
        scripted = try await ScriptedServer { server.react($0) }
        var configuration = try S3Configuration(
            "s3://bucket/in/here?endpoint=http://localhost:\(scripted.port)&style=\(isVirtual ? "virtual" : "path")")
        configuration.createsBucket = createsBucket
        configuration.tryTimeout = tryTimeout
        configuration.silenceMax = silenceMax
        configuration.parts = PartPlan(bytesMin: 5 << 20, bytesInFlight: 10 << 20)
        let waits = Notes<Duration>()
        self.waits = waits
        let client = S3Client(
            configuration, addresses: ["bucket.localhost": "127.0.0.1", "localhost": "127.0.0.1"],
            now: { 1_700_000_000_000_000 },
            credentials: credentials
                ?? S3CredentialSource {
                    S3Credentials(
                        accessKeyID: "AKIDEXAMPLE", secretAccessKey: S3Fixture.secret,
                        sessionToken: "a-token-of-\(S3Fixture.secret)")
                })
        store = S3Blobs(
            client: client, retries: BlobRetries(BlobRetryPolicy(triesMax: triesMax), sleep: { waits.add($0) }, random: { .max }))
    }

    func stop() async throws {
        try await store.close()
        try await scripted.stop()
    }

    static func run(
        triesMax: Int = 4, tryTimeout: Duration = .seconds(20), silenceMax: Duration = .seconds(15), isVirtual: Bool = false,
        createsBucket: Bool = false, _ body: (S3Fixture) async throws -> Void
    ) async throws {
        let fixture = try await S3Fixture(
            triesMax: triesMax, tryTimeout: tryTimeout, silenceMax: silenceMax, isVirtual: isVirtual,
            createsBucket: createsBucket)
        try await body(fixture)
        try await fixture.stop()
    }

    /// Two parts and a bit.
    static let large = Array(repeating: Array(0...255), count: 48 << 10).flatMap { $0 as [UInt8] }

    func write(_ name: String, _ bytes: [UInt8], _ mode: BlobWriteMode = .replace) async throws -> BlobDigest {
        let writer = try await store.writer(key(name), mode)
        do {
            for start in stride(from: 0, to: bytes.count, by: 4 << 20) {
                try await writer.append(Array(bytes[start..<min(start + 4 << 20, bytes.count)]))
            }
        } catch {
            await writer.abandon()
            throw error
        }
        return try await writer.finish()
    }

    func read(_ name: String, _ range: Range<Int64> = 0..<Int64.max) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await chunk in try await store.read(key(name), range: range) { bytes += chunk }
        return bytes
    }

    func stored(_ name: String) -> [UInt8]? { server.objects["/bucket/in/here/\(name)"]?.bytes }
}

/// What happened, noted from any task.
final class Notes<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])

    var all: [Value] { values.withLock { $0 } }
    func add(_ value: Value) { values.withLock { $0.append(value) } }
}

func key(_ text: String) throws -> BlobKey {
    try #require(BlobKey(text))
}
