import Synchronization
import Testing

@testable import WaybillBlobs

@Suite struct BlobStoresTests {
    private func key(_ text: String) throws -> BlobKey { try #require(BlobKey(text)) }

    private func put(_ text: String, _ key: BlobKey, in store: any BlobStore) async throws {
        let writer = try await store.writer(key)
        try await writer.append(Array(text.utf8))
        _ = try await writer.finish()
    }

    private func text(_ key: BlobKey, in store: any BlobStore) async throws -> String {
        var bytes: [UInt8] = []
        for try await chunk in try await store.read(key, range: 0..<100) { bytes += chunk }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func stores(_ own: MemoryBlobs, _ named: [String: MemoryBlobs]) -> BlobStores {
        BlobStores(
            .init(own, staging: MemoryStaging(own)), named: named.mapValues { .init($0, staging: MemoryStaging($0)) })
    }

    @Test(
        "a key says in which store its blob lies, and what it is called there",
        arguments: [
            ("files/a/b", "", "files/a/b"), ("stores/cold/files/a/b", "cold", "files/a/b"), ("stores/cold/a", "cold", "a"),
            ("stores/cold", "", "stores/cold"), ("stores", "", "stores"), ("storesx/a/b", "", "storesx/a/b"),
            ("a/stores/b/c", "", "a/stores/b/c"), ("stores/a/stores/b/c", "a", "stores/b/c"),
        ])
    func routes(text: String, store: String, inner: String) throws {
        let route = BlobRoute(try key(text))
        #expect(route.store == store && route.key.text == inner)
        #expect(BlobRoute.prefix(of: store) + inner == text)
    }

    @Test("every call goes to the store of its key, and what is listed has the keys that it was asked for with")
    func routed() async throws {
        let (own, cold) = (MemoryBlobs(), MemoryBlobs())
        let blobs = stores(own, ["cold": cold]).blobs
        try await put("here", key("files/a"), in: blobs)
        for name in ["a", "b", "c"] { try await put("there \(name)", key("stores/cold/files/\(name)"), in: blobs) }
        #expect(try await text(key("files/a"), in: own) == "here")
        #expect(try await text(key("files/a"), in: cold) == "there a")
        #expect(try await text(key("stores/cold/files/b"), in: blobs) == "there b")
        #expect(try await blobs.length(key("stores/cold/files/a")) == 7)
        #expect(try await blobs.length(key("files/b")) == nil)
        let first = try await blobs.list(prefix: "stores/cold/files/", after: nil, limit: 2)
        #expect(first.map(\.key.text) == ["stores/cold/files/a", "stores/cold/files/b"])
        let rest = try await blobs.list(prefix: "stores/cold/files/", after: first.last?.key, limit: 2)
        #expect(rest.map(\.key.text) == ["stores/cold/files/c"])
        #expect(try await blobs.list(prefix: "stores/cold/", after: nil, limit: 9).count == 3)
        #expect(try await blobs.list(prefix: "files/", after: nil, limit: 9).map(\.key.text) == ["files/a"])
        try await blobs.delete(key("stores/cold/files/a"))
        #expect(try await cold.length(key("files/a")) == nil)
        #expect(try await own.length(key("files/a")) == 4)
    }

    @Test("a store that is not there is named, and none of its blobs is said to be gone")
    func missing() async throws {
        let stores = stores(MemoryBlobs(), ["cold": MemoryBlobs()])
        let (blobs, key) = (stores.blobs, try key("stores/warm/files/a"))
        func missing(_ body: () async throws -> Void) async {
            let error = await #expect(throws: BlobError.self) { try await body() }
            #expect(error?.code == .unavailable && error?.missingStore == "warm")
        }
        await missing { _ = try await blobs.writer(key) }
        await missing { _ = try await blobs.read(key, range: 0..<1) }
        await missing { _ = try await blobs.length(key) }
        await missing { try await blobs.delete(key) }
        await missing { _ = try await blobs.list(prefix: "stores/warm/", after: nil, limit: 1) }
        await missing { _ = try stores.staging(of: "warm") }
        #expect(stores.names == ["", "cold"] && stores.has("cold") && stores.has(BlobStores.own) && !stores.has("warm"))
    }

    @Test("what was never finished is dropped in all stores, also if one of them can't be reached")
    func unfinished() async throws {
        let (own, away, cold) = (CountingBlobs(1), CountingBlobs(nil), CountingBlobs(2))
        let place = { (blobs: CountingBlobs) in BlobStores.Place(blobs, staging: MemoryStaging(MemoryBlobs())) }
        #expect(try await BlobStores(place(own), named: ["cold": place(cold)]).blobs.dropUnfinished(startedBefore: 0) == 3)
        let all = BlobStores(place(own), named: ["away": place(away), "cold": place(cold)])
        await #expect(throws: BlobError.self) { try await all.blobs.dropUnfinished(startedBefore: 0) }
        #expect(own.calls == 2 && cold.calls == 2 && away.calls == 1)
    }
}

/// A store in which there are so many unfinished blobs; nil: it can't be reached.
private final class CountingBlobs: BlobStore {
    private let unfinished: Int?
    private let count = Mutex(0)
    var calls: Int { count.withLock { $0 } }

    init(_ unfinished: Int?) { self.unfinished = unfinished }

    func dropUnfinished(startedBefore: Int64) async throws -> Int {
        count.withLock { $0 += 1 }
        guard let unfinished else { throw BlobError(.unavailable, "away") }
        return unfinished
    }

    func writer(_ key: BlobKey, _ mode: BlobWriteMode, behind hash: BlobHash) async throws -> any BlobWriter {
        throw BlobError(.other, "nothing is written")
    }

    func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks { BlobChunks { nil } }
    func length(_ key: BlobKey) async throws -> Int64? { nil }
    func delete(_ key: BlobKey) async throws {}
    func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry] { [] }
}
