import WaybillBlobs

/// Copies every blob of one store to another, and compares what has arrived.
struct BlobMove: Sendable {
    /// So many are under way at a time.
    private static let atOnce = 4

    struct Figures: Sendable, Hashable {
        var blobs = 0
        var bytes: Int64 = 0
        /// Were there already, with the same bytes.
        var found = 0
    }

    let source: any BlobStore
    let target: any BlobStore

    /// Copies what is not there yet.
    /// - Throws: `BlobError`: `.damaged` if a blob has other bytes there than here.
    func run() async throws -> Figures {
        var figures = Figures()
        var after: BlobKey?
        while true {
            let page = try await source.list(prefix: "", after: after, limit: 500)
            guard let last = page.last else { return figures }
            after = last.key
            try await copy(page, &figures)
        }
    }

    private func copy(_ page: [BlobEntry], _ figures: inout Figures) async throws {
        try await withThrowingTaskGroup(of: (bytes: Int64, isNew: Bool).self) { group in
            func note(_ done: (bytes: Int64, isNew: Bool)) {
                figures.blobs += 1
                figures.bytes += done.bytes
                if !done.isNew { figures.found += 1 }
            }
            for (number, entry) in page.enumerated() {
                if number >= Self.atOnce, let done = try await group.next() { note(done) }
                group.addTask { try await copy(entry.key) }
            }
            while let done = try await group.next() { note(done) }
        }
    }

    /// - Returns: its length, and whether it was copied.
    private func copy(_ key: BlobKey) async throws -> (bytes: Int64, isNew: Bool) {
        guard let length = try await source.length(key) else {
            throw BlobError(.notFound, "the blob \(key) has gone while it was moved")
        }
        let here = try await Self.digest(key, length, in: source)
        if try await target.length(key) == length, try await Self.digest(key, length, in: target) == here {
            return (length, false)
        }
        let writer = try await target.writer(key)
        do {
            for try await chunk in try await source.read(key, range: 0..<length) { try await writer.append(chunk) }
        } catch {
            await writer.abandon()
            throw error
        }
        let written = try await writer.finish()
        guard written == here, try await Self.digest(key, length, in: target) == here else {
            throw BlobError(.damaged, "the blob \(key) has other bytes where it was moved to")
        }
        return (length, true)
    }

    private static func digest(_ key: BlobKey, _ length: Int64, in store: any BlobStore) async throws -> BlobDigest {
        var hash = BlobHash()
        for try await chunk in try await store.read(key, range: 0..<length) { hash.update(chunk) }
        return BlobDigest(length: hash.length, hash: hash)
    }
}
