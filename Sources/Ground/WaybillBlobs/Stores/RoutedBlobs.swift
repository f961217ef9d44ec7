/// Several stores as one: `BlobRoute` says of each key in which of them it lies.
///
/// A key of a store that is not there is refused with `BlobError.noStore`: nobody takes its blobs for gone.
struct RoutedBlobs: BlobStore {
    private let own: any BlobStore
    private let named: [String: any BlobStore]

    init(_ own: any BlobStore, named: [String: any BlobStore]) {
        self.own = own
        self.named = named
    }

    private func store(_ name: String) throws -> any BlobStore {
        guard !name.isEmpty else { return own }
        guard let store = named[name] else { throw BlobError.noStore(name) }
        return store
    }

    func writer(_ key: BlobKey, _ mode: BlobWriteMode, behind hash: BlobHash) async throws -> any BlobWriter {
        let route = BlobRoute(key)
        return try await store(route.store).writer(route.key, mode, behind: hash)
    }

    func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks {
        let route = BlobRoute(key)
        return try await store(route.store).read(route.key, range: range)
    }

    func length(_ key: BlobKey) async throws -> Int64? {
        let route = BlobRoute(key)
        return try await store(route.store).length(route.key)
    }

    func delete(_ key: BlobKey) async throws {
        let route = BlobRoute(key)
        try await store(route.store).delete(route.key)
    }

    /// Those of one store: the one that the prefix leads to.
    func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry] {
        let (name, rest) = BlobRoute.split(prefix)
        let last = after.map { BlobRoute($0).key }
        return try await store(name).list(prefix: rest, after: last, limit: limit).compactMap { entry in
            BlobKey(BlobRoute.prefix(of: name) + entry.key.text).map {
                BlobEntry(key: $0, length: entry.length, modifiedAt: entry.modifiedAt)
            }
        }
    }

    /// In all of them, also if one can't be reached.
    func dropUnfinished(startedBefore: Int64) async throws -> Int {
        var (count, failure): (Int, (any Error)?) = (0, nil)
        for store in [own] + named.values {
            do {
                count += try await store.dropUnfinished(startedBefore: startedBefore)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return count
    }
}
