import Testing
import WaybillBlobs
import WaybillDiskBlobs

/// A blob store that the blob suites run on. A new driver adds one line to `all`.
struct BlobDriver: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// Opens an empty store, with a folder for those who need one.
    var open: @Sendable (TemporaryFolder) async throws -> any BlobStore

    static let all = [
        BlobDriver(testDescription: "memory") { _ in MemoryBlobs() },
        BlobDriver(testDescription: "disk") { try DiskBlobs(root: $0.path) },
    ]

    func withStore(_ body: (any BlobStore) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        try await body(open(folder))
        withExtendedLifetime(folder) {}
    }
}

extension BlobStore {
    @discardableResult
    func put(_ key: BlobKey, _ chunks: [[UInt8]]) async throws -> BlobDigest {
        let writer = try await writer(key)
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
