import Synchronization

/// Blobs in memory, for tests and simulations.
public final class MemoryBlobs: BlobStore {
    private struct Blob {
        var bytes: [UInt8]
        var modifiedAt: Int64
    }

    private let blobs = Mutex<[BlobKey: Blob]>([:])
    private let now: @Sendable () -> Int64

    /// - Parameter now: gives the time in microseconds since 1970.
    public init(now: @escaping @Sendable () -> Int64 = { 0 }) {
        self.now = now
    }

    public func writer(_ key: BlobKey, _ mode: BlobWriteMode, behind hash: BlobHash) async throws -> any BlobWriter {
        MemoryBlobWriter(key: key, mode: mode, hash: hash, store: self)
    }

    public func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks {
        guard let blob = blobs.withLock({ $0[key] }) else { throw BlobError(.notFound, "there is no blob \(key)") }
        let cut = range.clamped(to: 0..<Int64(blob.bytes.count))
        let position = MemoryPosition(cut)
        return BlobChunks { position.next().map { Array(blob.bytes[$0]) } }
    }

    public func length(_ key: BlobKey) async throws -> Int64? {
        blobs.withLock { $0[key].map { Int64($0.bytes.count) } }
    }

    public func delete(_ key: BlobKey) async throws {
        blobs.withLock { $0[key] = nil }
    }

    public func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry] {
        guard prefix.isEmpty || prefix.hasSuffix("/") else { throw BlobError(.other, "the prefix \(prefix) does not end with /") }
        let entries = blobs.withLock { blobs in
            blobs.filter { key, _ in key.text.hasPrefix(prefix) && after.map { $0 < key } ?? true }
                .map { BlobEntry(key: $0, length: Int64($1.bytes.count), modifiedAt: $1.modifiedAt) }
        }
        return Array(entries.sorted { $0.key < $1.key }.prefix(max(0, limit)))
    }

    func put(_ bytes: [UInt8], at key: BlobKey, _ mode: BlobWriteMode) throws {
        let blob = Blob(bytes: bytes, modifiedAt: now())
        let isKept = blobs.withLock { blobs in
            if mode == .create, blobs[key] != nil { return true }
            blobs[key] = blob
            return false
        }
        if isKept { throw BlobError(.exists, "there is a blob \(key) already") }
    }
}

private final class MemoryBlobWriter: BlobWriter {
    private let key: BlobKey
    private let mode: BlobWriteMode
    private let hash: BlobHash
    private let store: MemoryBlobs
    /// Nil once the writer has ended.
    private let bytes = Mutex<[UInt8]?>([])

    init(key: BlobKey, mode: BlobWriteMode, hash: BlobHash, store: MemoryBlobs) {
        self.key = key
        self.mode = mode
        self.hash = hash
        self.store = store
    }

    func append(_ more: [UInt8]) async throws {
        let isOpen = bytes.withLock { bytes in
            bytes?.append(contentsOf: more)
            return bytes != nil
        }
        if !isOpen { throw BlobError(.other, "the writer of \(key) has ended") }
    }

    func finish() async throws -> BlobDigest {
        guard let whole = bytes.withLock({ $0.take() }) else { throw BlobError(.other, "the writer of \(key) has ended") }
        try store.put(whole, at: key, mode)
        var hash = hash
        hash.update(whole)
        return BlobDigest(length: Int64(whole.count), hash: hash)
    }

    func abandon() async {
        bytes.withLock { $0 = nil }
    }
}

/// Cuts a range into chunks.
private final class MemoryPosition: Sendable {
    private static let chunkBytes: Int64 = 1 << 20
    private let left: Mutex<Range<Int64>>

    init(_ range: Range<Int64>) {
        left = Mutex(range)
    }

    func next() -> Range<Int>? {
        left.withLock { left in
            guard !left.isEmpty else { return nil }
            let end = left.lowerBound + min(Self.chunkBytes, left.upperBound - left.lowerBound)
            defer { left = end..<left.upperBound }
            return Int(left.lowerBound)..<Int(end)
        }
    }
}
