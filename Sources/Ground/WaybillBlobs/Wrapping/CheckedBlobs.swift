import Synchronization

/// A store that may have to be looked at before anything else reaches it. Whoever needs it then looks first; once that has
/// succeeded, all get through.
public final class CheckedBlobs: BlobStore {
    public typealias Check = @Sendable () async throws -> Void

    private let base: any BlobStore
    private let check = Mutex<Check?>(nil)

    public init(_ base: any BlobStore) {
        self.base = base
    }

    /// From now on nothing gets through until the check has succeeded. Several may run at once.
    public func require(_ check: @escaping Check) {
        self.check.withLock { $0 = check }
    }

    /// - Throws: what the check throws.
    private func checked() async throws -> any BlobStore {
        if let due = check.withLock({ $0 }) {
            try await due()
            check.withLock { $0 = nil }
        }
        return base
    }

    public func writer(_ key: BlobKey, _ mode: BlobWriteMode, behind hash: BlobHash) async throws -> any BlobWriter {
        try await checked().writer(key, mode, behind: hash)
    }

    public func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks {
        try await checked().read(key, range: range)
    }

    public func length(_ key: BlobKey) async throws -> Int64? { try await checked().length(key) }

    public func delete(_ key: BlobKey) async throws { try await checked().delete(key) }

    public func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry] {
        try await checked().list(prefix: prefix, after: after, limit: limit)
    }

    public func dropUnfinished(startedBefore: Int64) async throws -> Int {
        try await checked().dropUnfinished(startedBefore: startedBefore)
    }
}
