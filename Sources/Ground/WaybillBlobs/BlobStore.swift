/// Where the bytes of blobs can be had.
public protocol BlobReading: Sendable {
    /// The bytes `range` of a blob, as chunks of at most 1 MiB. The range is cut to the blob's length.
    /// - Throws: `BlobError` with code `.notFound`.
    func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks
}

/// A place for immutable blobs. A blob is there whole or not at all.
public protocol BlobStore: BlobReading {
    /// Starts a blob. Nothing is visible under `key` until the writer's `finish` has returned.
    /// - Parameters:
    ///   - mode: what `finish` does if there is a blob of that key by then.
    ///   - hash: of the bytes that come before those of the blob; `finish` tells the digest of all of them.
    func writer(_ key: BlobKey, _ mode: BlobWriteMode, behind hash: BlobHash) async throws -> any BlobWriter

    /// The length of a blob, or nil if there is none.
    func length(_ key: BlobKey) async throws -> Int64?

    /// Removes a blob. It is no error if there is none.
    func delete(_ key: BlobKey) async throws

    /// Blobs whose key starts with `prefix` (whole parts, `jobs/` or empty), in the order of their keys, after `after`.
    func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry]

    /// Drops what writers left behind that started before a time and never ended, as after a crash.
    /// - Parameter startedBefore: microseconds since 1970. A writer that is still at work must be younger.
    /// - Returns: how many were dropped.
    func dropUnfinished(startedBefore: Int64) async throws -> Int
}

extension BlobStore {
    /// Starts a blob that is hashed by itself.
    public func writer(_ key: BlobKey, _ mode: BlobWriteMode = .replace) async throws -> any BlobWriter {
        try await writer(key, mode, behind: BlobHash())
    }

    /// For a store that keeps nothing of writers that never ended. A wrapper must hand this on.
    public func dropUnfinished(startedBefore: Int64) async throws -> Int { 0 }
}

/// What becomes of a blob that has the key of a new one.
public enum BlobWriteMode: Sendable, Hashable {
    /// It is replaced.
    case replace
    /// It stays, and `finish` throws `BlobError` with code `.exists`. Of several who create one key at a time, one succeeds.
    case create
}

/// One blob being written. It has one owner, who ends it by `finish` or `abandon`.
public protocol BlobWriter: Sendable {
    /// Appends bytes. Returns when the store is ready for more, which is its back-pressure.
    func append(_ bytes: [UInt8]) async throws

    /// Makes the blob durable and visible.
    /// - Throws: `BlobError`; then the blob may be there only if the code is `.unavailable`.
    func finish() async throws -> BlobDigest

    /// Drops what was written.
    func abandon() async
}

/// What a blob is, once written.
public struct BlobDigest: Sendable {
    public var length: Int64
    /// Of the blob and what it was told to come behind.
    public var hash: BlobHash
    /// The digest of `hash`, 32 bytes.
    public var sha256: [UInt8]

    public init(length: Int64, hash: BlobHash) {
        self.length = length
        self.hash = hash
        sha256 = hash.sha256
    }
}

extension BlobDigest: Equatable {
    public static func == (one: BlobDigest, other: BlobDigest) -> Bool {
        one.length == other.length && one.sha256 == other.sha256
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

    public struct AsyncIterator: AsyncIteratorProtocol, Sendable {
        let pull: @Sendable () async throws -> [UInt8]?
        public mutating func next() async throws -> [UInt8]? { try await pull() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(pull: next) }

    /// The same chunks, each pulled through `around`.
    func wrapped(_ around: @escaping @Sendable (_ pull: @Sendable () async throws -> [UInt8]?) async throws -> [UInt8]?)
        -> BlobChunks
    {
        let next = next
        return BlobChunks { try await around(next) }
    }
}
