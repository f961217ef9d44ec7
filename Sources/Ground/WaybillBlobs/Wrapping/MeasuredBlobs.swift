/// Notes how often, how long and with what outcome another store is called.
public struct MeasuredBlobs<Base: BlobStore>: BlobStore {
    private let base: Base
    private let meter: BlobMeter
    private let now: @Sendable () -> Duration

    /// - Parameter now: gives the time of a clock that only goes forward.
    public init(_ base: Base, _ meter: BlobMeter, now: @escaping @Sendable () -> Duration) {
        self.base = base
        self.meter = meter
        self.now = now
    }

    public func writer(_ key: BlobKey, _ mode: BlobWriteMode, behind hash: BlobHash) async throws -> any BlobWriter {
        MeasuredBlobWriter(
            base: try await measured(meter, .open, now) { try await base.writer(key, mode, behind: hash) }, meter: meter, now: now
        )
    }

    public func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks {
        let (meter, now) = (meter, now)
        let chunks = try await measured(meter, .read, now) { try await base.read(key, range: range) }
        return chunks.wrapped { pull in
            let chunk = try await measured(meter, .chunk, now) { try await pull() }
            meter.read(chunk?.count ?? 0)
            return chunk
        }
    }

    public func length(_ key: BlobKey) async throws -> Int64? {
        try await measured(meter, .length, now) { try await base.length(key) }
    }

    public func delete(_ key: BlobKey) async throws {
        try await measured(meter, .delete, now) { try await base.delete(key) }
    }

    public func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry] {
        try await measured(meter, .list, now) { try await base.list(prefix: prefix, after: after, limit: limit) }
    }

    public func dropUnfinished(startedBefore: Int64) async throws -> Int {
        try await measured(meter, .sweep, now) { try await base.dropUnfinished(startedBefore: startedBefore) }
    }
}

private struct MeasuredBlobWriter: BlobWriter {
    let base: any BlobWriter
    let meter: BlobMeter
    let now: @Sendable () -> Duration

    func append(_ bytes: [UInt8]) async throws {
        try await measured(meter, .append, now) { try await base.append(bytes) }
        meter.wrote(bytes.count)
    }

    func finish() async throws -> BlobDigest {
        try await measured(meter, .finish, now) { try await base.finish() }
    }

    func abandon() async {
        await base.abandon()
    }
}

private func measured<Result>(
    _ meter: BlobMeter, _ call: BlobMeter.Call, _ now: @Sendable () -> Duration, _ body: () async throws -> Result
) async throws -> Result {
    let start = now()
    do {
        let result = try await body()
        meter.note(call, took: now() - start, failed: nil)
        return result
    } catch {
        meter.note(call, took: now() - start, failed: error as? BlobError)
        throw error
    }
}
