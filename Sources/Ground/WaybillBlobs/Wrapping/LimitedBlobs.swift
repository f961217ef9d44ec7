/// Lets a number of calls at a time through to another store; more wait in the order of their coming.
///
/// A place is held while a call runs, also for each chunk that is appended or pulled, never by a writer or reader that waits for
/// its owner. So a slow client holds up nobody, and nobody who has two writers open waits for himself.
public struct LimitedBlobs<Base: BlobStore>: BlobStore {
    private let base: Base
    private let places: CallPlaces

    public init(_ base: Base, callsMax: Int) {
        self.base = base
        places = CallPlaces(callsMax)
    }

    public func writer(_ key: BlobKey, _ mode: BlobWriteMode, behind hash: BlobHash) async throws -> any BlobWriter {
        LimitedBlobWriter(base: try await inPlace(places) { try await base.writer(key, mode, behind: hash) }, places: places)
    }

    public func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks {
        let places = places
        let chunks = try await inPlace(places) { try await base.read(key, range: range) }
        return chunks.wrapped { pull in try await inPlace(places) { try await pull() } }
    }

    public func length(_ key: BlobKey) async throws -> Int64? {
        try await inPlace(places) { try await base.length(key) }
    }

    public func delete(_ key: BlobKey) async throws {
        try await inPlace(places) { try await base.delete(key) }
    }

    public func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry] {
        try await inPlace(places) { try await base.list(prefix: prefix, after: after, limit: limit) }
    }

    public func dropUnfinished(startedBefore: Int64) async throws -> Int {
        try await inPlace(places) { try await base.dropUnfinished(startedBefore: startedBefore) }
    }
}

private struct LimitedBlobWriter: BlobWriter {
    let base: any BlobWriter
    let places: CallPlaces

    func append(_ bytes: [UInt8]) async throws {
        try await inPlace(places) { try await base.append(bytes) }
    }

    func finish() async throws -> BlobDigest {
        try await inPlace(places) { try await base.finish() }
    }

    /// Without a place: what is dropped makes room, also for a task that is cancelled.
    func abandon() async {
        await base.abandon()
    }
}

private func inPlace<Result>(_ places: CallPlaces, _ body: () async throws -> Result) async throws -> Result {
    try await places.take()
    defer { places.give() }
    return try await body()
}
