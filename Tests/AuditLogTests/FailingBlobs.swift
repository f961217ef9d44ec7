import Synchronization
import WaybillBlobs

/// Blobs in memory whose writes or deletes fail while a test wants them to.
final class FailingBlobs: BlobStore {
    enum Call: Sendable { case write, delete }

    private let inner = MemoryBlobs()
    private let failing: Mutex<Call?>

    init(failing call: Call?) {
        failing = Mutex(call)
    }

    func fail(_ call: Call?) { failing.withLock { $0 = call } }

    private func check(_ call: Call) throws {
        if failing.withLock({ $0 == call }) { throw BlobError(.other, "the store is away") }
    }

    func writer(_ key: BlobKey, _ mode: BlobWriteMode, behind hash: BlobHash) async throws -> any BlobWriter {
        try check(.write)
        return try await inner.writer(key, mode, behind: hash)
    }

    func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks { try await inner.read(key, range: range) }
    func length(_ key: BlobKey) async throws -> Int64? { try await inner.length(key) }

    func delete(_ key: BlobKey) async throws {
        try check(.delete)
        try await inner.delete(key)
    }

    func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry] {
        try await inner.list(prefix: prefix, after: after, limit: limit)
    }

    func count() async throws -> Int { try await list(prefix: "", after: nil, limit: 10_000).count }
}
