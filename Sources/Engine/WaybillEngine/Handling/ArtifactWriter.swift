import SeededBugs
import WaybillBlobs

/// One output of a running job. What is appended becomes part of the artifact with the next commit, and the artifact becomes
/// visible, whole, when the job completes.
///
/// Rule: one task at a time appends and commits; calls that overlap are refused.
public actor ArtifactWriter {
    public nonisolated let name: String
    public nonisolated let contentType: String
    nonisolated let position: Int

    private let blobs: any BlobStore
    private let makeKey: @Sendable () -> BlobKey?
    private let wrote: @Sendable (Int) -> Void

    private var segment: (key: BlobKey, writer: any BlobWriter)?
    private var segmentCount: Int
    /// Sealed, but not yet stored by a commit.
    private var drafts: [SegmentDraft] = []
    private var isStored: Bool
    private var isBusy = false
    private var isFailed = false

    /// Of all segments: each goes on with the hash of those before it, so that no byte is hashed twice. Nil while those of
    /// earlier attempts have not been read back.
    private var hash: BlobHash?
    private let earlier: [Segment]
    /// Those of `earlier` that the next commit drops.
    private var replaced: [Segment] = []

    private var isClosed: Bool
    private var closing: (facts: String?, whole: ArtifactChange.Whole?)?

    /// Bytes of the artifact so far, committed or not.
    public private(set) var length: Int64

    /// - Parameters:
    ///   - segments: what earlier attempts have committed.
    ///   - isStored: whether it has a row.
    init(
        name: String, contentType: String, position: Int, segments: [Segment] = [], isStored: Bool = false,
        isClosed: Bool = false,
        blobs: any BlobStore, makeKey: @escaping @Sendable () -> BlobKey?, wrote: @escaping @Sendable (Int) -> Void
    ) {
        self.name = name
        self.contentType = contentType
        self.position = position
        self.blobs = blobs
        self.makeKey = makeKey
        self.wrote = wrote
        self.isStored = isStored
        self.isClosed = isClosed
        hash = segments.isEmpty ? BlobHash() : nil
        earlier = segments
        segmentCount = segments.count
        length = segments.reduce(0) { $0 + $1.length }
    }

    /// Whether it has been closed, now or before an earlier commit.
    public var isWhole: Bool { isClosed }

    /// - Throws: `BlobError`, or `EngineError` with code `.invalid` once it has been closed.
    public func append(_ bytes: [UInt8]) async throws {
        guard !bytes.isEmpty else { return }
        guard !isClosed else { throw EngineError(.invalid, "the artifact \(name) has been closed") }
        try await alone {
            let writer = try await openSegment()
            length += Int64(bytes.count)
            wrote(bytes.count)
            try await writer.append(bytes)
        }
    }

    /// Reads what earlier attempts have committed, from the beginning.
    /// - Throws: `BlobError`, or what `body` throws.
    public nonisolated func readCommitted(_ body: (_ bytes: [UInt8]) async throws -> Void) async throws {
        for segment in earlier {
            for try await chunk in try await blobs.read(segment.key, range: 0..<segment.length) { try await body(chunk) }
        }
    }

    /// Begins the artifact anew: with the next commit, what is appended from here takes the place of what earlier attempts have
    /// committed, which `readCommitted` still gives.
    /// - Throws: `EngineError` with code `.invalid` once this attempt has written to it.
    public func replaceCommitted() throws {
        guard !isClosed, segment == nil, drafts.isEmpty, segmentCount == earlier.count else {
            throw EngineError(.invalid, "the artifact \(name) can't be begun anew")
        }
        replaced = earlier
        hash = BlobHash()
        segmentCount = 0
        length = 0
    }

    /// Ends the artifact: nothing more is appended. It counts with the next commit.
    /// - Parameter facts: JSON that is stored beside it.
    public func close(facts: String? = nil) {
        guard !isClosed else { return }
        isClosed = true
        closing = (facts, nil)
    }

    /// Ends the artifact as `close` does, and makes its bytes durable at once: of many small ones, each would else keep the
    /// buffer of its file until the next commit.
    /// - Throws: `BlobError`.
    public func finish(facts: String? = nil) async throws {
        close(facts: facts)
        try await alone { try await sealSegment() }
    }

    private func sealSegment() async throws {
        guard let open = segment else { return }
        let sealed = try await open.writer.finish()
        segment = nil
        hash = sealed.hash
        let done = Segment(key: open.key, length: sealed.length, sha256: sealed.sha256)
        drafts.append(SegmentDraft(number: segmentCount, segment: done))
        segmentCount += 1
    }

    /// Makes what was appended since the last time durable in the blob store.
    /// - Returns: all that no commit has stored yet; nil if there is nothing.
    func seal() async throws -> ArtifactChange? {
        try await alone {
            try await sealSegment()
            if let closing, closing.whole == nil {
                let whole = ArtifactChange.Whole(length: length, sha256: try await wholeDigest(), facts: closing.facts)
                self.closing = (closing.facts, whole)
            }
        }
        guard !drafts.isEmpty || !isStored || closing != nil || !replaced.isEmpty else { return nil }
        return ArtifactChange(
            position: position, name: name, contentType: contentType, replaced: replaced, segments: drafts, whole: closing?.whole)
    }

    /// What `seal` returned is stored now.
    func stored() {
        isStored = true
        replaced = []
        drafts = []
        closing = nil
    }

    /// Drops what was appended after the last commit.
    /// - Parameter deletes: whether sealed segments go as well: only if it is sure that no commit has stored them.
    func abandon(deletes: Bool) async {
        isClosed = true
        await segment?.writer.abandon()
        segment = nil
        guard deletes else { return }
        for draft in drafts {
            do {
                try await blobs.delete(draft.segment.key)
            } catch {
                // The sweep of orphans finds it later.
            }
        }
        drafts = []
    }

    private func openSegment() async throws -> any BlobWriter {
        if let segment { return segment.writer }
        let before = try await hashSoFar()
        guard let key = makeKey() else { throw EngineError(.invalid, "the artifact has no key for its bytes") }
        let writer = try await blobs.writer(key, .replace, behind: before)
        segment = (key, writer)
        return writer
    }

    private func wholeDigest() async throws -> [UInt8] {
        if hash == nil, segmentCount == 1, let only = earlier.first { return only.sha256 }
        return try await hashSoFar().sha256
    }

    /// The hash of all segments. Those of earlier attempts are read back, once: what is half done can't be kept.
    private func hashSoFar() async throws -> BlobHash {
        if let hash { return hash }
        var hash = BlobHash()
        for segment in earlier where !SeededBug.skipsRehash {
            let before = hash.length
            for try await chunk in try await blobs.read(segment.key, range: 0..<segment.length) { hash.update(chunk) }
            guard hash.length - before == segment.length else {
                throw BlobError(.damaged, "the blob \(segment.key) is not as long as it was")
            }
        }
        self.hash = hash
        return hash
    }

    /// Runs one call at a time; after a failure the bytes are not sure any more, so it refuses the rest.
    private func alone(_ body: () async throws -> Void) async throws {
        guard !isBusy else { throw EngineError(.invalid, "two tasks use the artifact \(name) at once") }
        guard !isFailed else { throw EngineError(.invalid, "an earlier write to the artifact \(name) failed") }
        isBusy = true
        defer { isBusy = false }
        do {
            try await body()
        } catch {
            isFailed = true
            throw error
        }
    }
}
