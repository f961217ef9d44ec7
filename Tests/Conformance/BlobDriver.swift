import Foundation
import TestServers
import Testing
import WaybillBlobs
import WaybillDiskBlobs

@testable import WaybillS3Blobs

/// A blob store that the blob suites run on. A new driver adds one line to `all`.
struct BlobDriver: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// Whether it is another process.
    var isRemote = false
    /// Opens an empty store, with a folder for those who need one.
    var open: @Sendable (TemporaryFolder) async throws -> any BlobStore

    static let all = [
        BlobDriver(testDescription: "memory") { _ in MemoryBlobs() },
        BlobDriver(testDescription: "disk") { try DiskBlobs(root: $0.path) },
        BlobDriver(testDescription: "memory, wrapped") { _ in
            let measured = MeasuredBlobs(MemoryBlobs(), BlobMeter()) { .zero }
            return RetryingBlobs(LimitedBlobs(measured, callsMax: 2), .patient)
        },
        BlobDriver(testDescription: "memory, as one of several") { _ in
            let (own, other) = (MemoryBlobs(), MemoryBlobs())
            return BlobStores(
                .init(own, staging: MemoryStaging(own)), named: ["other": .init(other, staging: MemoryStaging(other))]
            ).blobs
        },
        BlobDriver(testDescription: "SeaweedFS", isRemote: true) { _ in try await s3(.seaweedfs) },
        BlobDriver(testDescription: "SeaweedFS by TLS and the bucket's host name", isRemote: true) { _ in
            let url = try await S3Server.seaweedfs.secureURL()
            return try await s3(S3Configuration(url + "&style=virtual"), addresses: ["waybill.localhost": "127.0.0.1"])
        },
        BlobDriver(testDescription: "moto", isRemote: true) { _ in try await s3(.moto) },
    ]

    /// A part of the bucket that nobody else uses.
    static func s3(_ server: S3Server) async throws -> S3Blobs { try await s3(S3Configuration(try await server.url())) }

    /// - Parameter addresses: of hosts that no resolver knows.
    static func s3(_ configuration: S3Configuration, addresses: [String: String] = [:]) async throws -> S3Blobs {
        var configuration = configuration
        configuration.prefix = "test-\(UInt64.random(in: 0 ... .max))/"
        configuration.parts = PartPlan(bytesMin: 5 << 20, bytesInFlight: 10 << 20)
        let client = S3Client(
            configuration, addresses: addresses, now: { Int64(Date().timeIntervalSince1970 * 1_000_000) },
            credentials: S3CredentialSource {
                S3Credentials(accessKeyID: "waybill-test", secretAccessKey: "waybill-test-secret")
            })
        let store = S3Blobs(client: client, retries: .patient)
        try await store.prepare()
        return store
    }

    func withStore(_ body: (any BlobStore) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        try await body(open(folder))
        withExtendedLifetime(folder) {}
    }
}

extension BlobRetries {
    static let patient = BlobRetries(sleep: { try await Task.sleep(for: $0) }, random: { .random(in: 0 ... .max) })
}

extension BlobStore {
    @discardableResult
    func put(_ key: BlobKey, _ chunks: [[UInt8]], _ mode: BlobWriteMode = .replace) async throws -> BlobDigest {
        let writer = try await writer(key, mode)
        for chunk in chunks { try await writer.append(chunk) }
        return try await writer.finish()
    }

    func get(_ key: BlobKey, _ range: Range<Int64> = 0..<Int64.max) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await chunk in try await read(key, range: range) {
            #expect(!chunk.isEmpty && chunk.count <= 1 << 20)
            bytes += chunk
        }
        return bytes
    }
}

func key(_ text: String) throws -> BlobKey {
    try #require(BlobKey(text))
}
