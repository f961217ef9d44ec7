import Foundation
import TestServers
import Testing
import WaybillBlobs
import WaybillDiskBlobs
import WaybillEngine
import WaybillEngineTesting
import WaybillS3Blobs
import Web

@testable import Drive

/// The stores that pieces of uploads are put into.
struct PieceStores: Sendable, CustomTestStringConvertible {
    var testDescription: String
    private var open: @Sendable (String) async throws -> any BlobStore

    static let all = [
        PieceStores(testDescription: "memory") { _ in MemoryBlobs() },
        PieceStores(testDescription: "folder") { try DiskBlobs(root: $0) },
        PieceStores(testDescription: "SeaweedFS") { _ in
            var configuration = try S3Configuration(try await S3Server.seaweedfs.url())
            configuration.prefix = "pieces-\(UInt64.random(in: 0 ... .max))/"
            let retries = BlobRetries(sleep: { try await Task.sleep(for: $0) }, random: { .random(in: 0 ... .max) })
            let store = S3Blobs(configuration, retries: retries, now: { Int64(Date().timeIntervalSince1970 * 1_000_000) }) {
                S3Credentials(accessKeyID: "waybill-test", secretAccessKey: "waybill-test-secret")
            }
            try await store.prepare()
            return store
        },
    ]

    /// Two nodes on one database and one store.
    func withNodes(merging: PieceMerging? = nil, _ body: @Sendable (DriveDoor, DriveDoor) async throws -> Void) async throws {
        let folder = NSTemporaryDirectory() + "pieces-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        do {
            let store = try await open(folder)
            let first = try await DriveDoor.pieced(blobs: store, merging: merging)
            try await body(first, first.otherNode())
            if let bucket = store as? S3Blobs { try await bucket.close() }
        } catch {
            try? FileManager.default.removeItem(atPath: folder)
            throw error
        }
        try? FileManager.default.removeItem(atPath: folder)
    }
}

extension DriveDoor {
    /// One that keeps what comes in pieces.
    /// - Parameter merging: nil: any pieces are good as they are.
    static func pieced(
        blobs: (any BlobStore)? = nil, merging: PieceMerging? = nil, finishedAtOnceMax: Int64 = 64 << 20, step: Int64 = 32 << 20
    ) async throws -> DriveDoor {
        var configuration = DriveFeature.Configuration(
            fileBytesMax: 10_000_000, chunkBytes: 1000, chunkBytesMin: 1, chunkBytesMax: 2000,
            finishedAtOnceMax: finishedAtOnceMax)
        configuration.merging = merging ?? PieceMerging(bytesMin: 0)
        configuration.appendStepBytes = step
        return try await DriveDoor(configuration: configuration, isPieced: true, blobs: blobs)
    }

    /// The names of all blobs.
    func keys() async throws -> [String] {
        try await blobs.list(prefix: "files/", after: nil, limit: 1000).map(\.key.text)
    }

    func upload(_ id: String) async throws -> Upload {
        try await UploadService(feature).find(id, for: .init(tenant: tenant, user: "ann", roles: []))
    }

    /// A sweep after what may be on its way has come.
    func sweepLater() async throws {
        time.advance(by: configuration.orphanAge + .seconds(1))
        try await feature.sweep(now: time.now(), withStrays: true)
    }
}
