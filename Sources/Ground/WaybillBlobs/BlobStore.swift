/// A place for immutable blobs. A blob is there whole or not at all.
public protocol BlobStore: Sendable {
    /// Starts a blob. Nothing is visible under `key` until the writer's `finish` has returned.
    func writer(_ key: BlobKey) async throws -> any BlobWriter

    /// The bytes `range` of a blob, as chunks of at most 1 MiB. The range is cut to the blob's length.
    /// - Throws: `BlobError` with code `.notFound`.
    func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks

    /// The length of a blob, or nil if there is none.
    func length(_ key: BlobKey) async throws -> Int64?

    /// Removes a blob. It is no error if there is none.
    func delete(_ key: BlobKey) async throws

    /// Blobs whose key starts with `prefix` (whole parts, `jobs/` or empty), in the order of their keys, after `after`.
    func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry]
}

/// One blob being written. It has one owner, who ends it by `finish` or `abandon`.
public protocol BlobWriter: Sendable {
    /// Appends bytes. Returns when the store is ready for more, which is its back-pressure.
    func append(_ bytes: [UInt8]) async throws

    /// Makes the blob durable and visible, and replaces one that has the same key.
    func finish() async throws -> BlobDigest

    /// Drops what was written.
    func abandon() async
}

/// What a blob is, once written.
public struct BlobDigest: Sendable, Hashable {
    public var length: Int64
    /// SHA-256, 32 bytes.
    public var sha256: [UInt8]

    public init(length: Int64, sha256: [UInt8]) {
        self.length = length
        self.sha256 = sha256
    }
}

/// What a listing says of a blob.
public struct BlobEntry: Sendable, Hashable {
    public var key: BlobKey
    public var length: Int64
    /// Microseconds since 1970.
    public var modifiedAt: Int64

    public init(key: BlobKey, length: Int64, modifiedAt: Int64) {
        self.key = key
        self.length = length
        self.modifiedAt = modifiedAt
    }
}

/// The bytes of a blob, pulled chunk by chunk.
public struct BlobChunks: AsyncSequence, Sendable {
    public typealias Element = [UInt8]
    private let next: @Sendable () async throws -> [UInt8]?

    /// - Parameter next: gives the next chunk, or nil at the end. It is called by one task at a time.
    public init(next: @escaping @Sendable () async throws -> [UInt8]?) {
        self.next = next
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let pull: @Sendable () async throws -> [UInt8]?
        public mutating func next() async throws -> [UInt8]? { try await pull() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(pull: next) }
}
