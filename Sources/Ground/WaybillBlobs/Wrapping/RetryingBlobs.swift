/// Makes calls of another store again that failed because it could not be reached or was too busy.
///
/// Only what may be done twice is repeated: looking, listing, deleting, opening. What a writer was given is with the store below,
/// so appending and finishing are its own to repeat; so is a read once bytes have been handed out, because only the store can
/// tell whether it is still the same blob.
public struct RetryingBlobs<Base: BlobStore>: BlobStore {
    private let base: Base
    private let retries: BlobRetries

    public init(_ base: Base, _ retries: BlobRetries) {
        self.base = base
        self.retries = retries
    }

    public func writer(_ key: BlobKey, _ mode: BlobWriteMode, behind hash: BlobHash) async throws -> any BlobWriter {
        try await again { try await base.writer(key, mode, behind: hash) }
    }

    public func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks {
        try await again { try await base.read(key, range: range) }
    }

    public func length(_ key: BlobKey) async throws -> Int64? {
        try await again { try await base.length(key) }
    }

    public func delete(_ key: BlobKey) async throws {
        try await again { try await base.delete(key) }
    }

    public func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry] {
        try await again { try await base.list(prefix: prefix, after: after, limit: limit) }
    }

    public func dropUnfinished(startedBefore: Int64) async throws -> Int {
        try await again { try await base.dropUnfinished(startedBefore: startedBefore) }
    }

    private func again<Result>(_ body: () async throws -> Result) async throws -> Result {
        try await retries.run({ error in
            guard let error = error as? BlobError, error.code == .unavailable else { return nil }
            return .zero
        }) { _ in try await body() }
    }
}
