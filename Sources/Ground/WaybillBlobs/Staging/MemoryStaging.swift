import Synchronization

/// Files that are being filled in memory, for tests and simulations.
public final class MemoryStaging: BlobStaging {
    private struct File {
        var bytes: [UInt8] = []
        /// What a power cut leaves.
        var durable: [UInt8] = []
    }

    private let files = Mutex<[BlobKey: File]>([:])
    private let blobs: MemoryBlobs
    private let now: @Sendable () -> Int64
    private let flushCount = Mutex(0)
    private let room = Mutex(Int.max)
    public let prefersPieces: Bool

    /// - Parameters:
    ///   - blobs: gets what is published.
    ///   - prefersPieces: as where blobs are in a store that can't be written at any place.
    public init(_ blobs: MemoryBlobs, prefersPieces: Bool = false, now: @escaping @Sendable () -> Int64 = { 0 }) {
        self.blobs = blobs
        self.prefersPieces = prefersPieces
        self.now = now
    }

    /// How often something was made durable.
    public var flushes: Int { flushCount.withLock { $0 } }

    /// Takes so many bytes more, and then throws as a disk that is full.
    public func fill(leaving bytes: Int) { room.withLock { $0 = bytes } }

    /// Loses what was not flushed.
    public func cutPower() {
        files.withLock { files in
            files = files.mapValues { File(bytes: $0.durable, durable: $0.durable) }
        }
    }

    public func scratch() async throws -> any StagedBlob {
        MemoryScratch { [self] in try take($0) }
    }

    private func take(_ bytes: Int) throws {
        try room.withLock { room in
            guard bytes <= room else { throw BlobError(.full, "there is no room for more bytes") }
            room -= bytes
        }
    }

    public func open(_ name: BlobKey) async throws -> any StagedBlob {
        files.withLock { files in if files[name] == nil { files[name] = File() } }
        return MemoryStagedBlob(name: name, staging: self)
    }

    public func length(_ name: BlobKey) async throws -> Int64? {
        files.withLock { $0[name].map { Int64($0.bytes.count) } }
    }

    public func publish(_ name: BlobKey, length: Int64, as key: BlobKey) async throws {
        guard let bytes = files.withLock({ $0[name]?.bytes }) else {
            guard try await blobs.length(key) == length else { throw BlobError(.notFound, "there is no staged file \(name)") }
            return
        }
        guard let count = Int(exactly: length), count <= bytes.count else {
            throw BlobError(.damaged, "the staged file \(name) is shorter than \(length)")
        }
        try blobs.put(Array(bytes.prefix(count)), at: key, .replace)
        files.withLock { $0[name] = nil }
    }

    public func drop(_ name: BlobKey) async throws {
        files.withLock { $0[name] = nil }
    }

    public func list(after: BlobKey?, limit: Int) async throws -> [BlobEntry] {
        let entries = files.withLock { files in
            files.filter { name, _ in after.map { $0 < name } ?? true }
                .map { BlobEntry(key: $0, length: Int64($1.bytes.count), modifiedAt: now()) }
        }
        return Array(entries.sorted { $0.key < $1.key }.prefix(max(0, limit)))
    }

    fileprivate func write(_ bytes: [UInt8], at offset: Int64, to name: BlobKey) throws {
        guard let start = Int(exactly: offset), start >= 0 else { throw BlobError(.other, "no place \(offset) in a file") }
        try take(bytes.count)
        try files.withLock { files in
            guard var file = files.removeValue(forKey: name) else {
                throw BlobError(.notFound, "there is no staged file \(name)")
            }
            file.bytes.place(bytes, at: start)
            files[name] = file
        }
    }

    fileprivate func flush(_ name: BlobKey) {
        files.withLock { files in
            guard let bytes = files[name]?.bytes else { return }
            files[name]?.durable = bytes
        }
        flushCount.withLock { $0 += 1 }
    }

    fileprivate func bytes(of name: BlobKey, _ range: Range<Int64>) throws -> [UInt8] {
        try files.withLock { files in
            guard let file = files[name] else { throw BlobError(.notFound, "there is no staged file \(name)") }
            let cut = range.clamped(to: 0..<Int64(file.bytes.count))
            return Array(file.bytes[Int(cut.lowerBound)..<Int(cut.upperBound)])
        }
    }
}

private struct MemoryStagedBlob: StagedBlob {
    let name: BlobKey
    let staging: MemoryStaging

    func write(_ bytes: [UInt8], at offset: Int64) async throws { try staging.write(bytes, at: offset, to: name) }
    func flush() async throws { staging.flush(name) }

    func read(_ range: Range<Int64>) async throws -> BlobChunks {
        let left = Mutex(try staging.bytes(of: name, range)[...])
        let chunks = MemoryChunks(left: left)
        return BlobChunks { chunks.next() }
    }

    func close() async {}
}

private final class MemoryChunks: Sendable {
    private let left: Mutex<ArraySlice<UInt8>>

    init(left: consuming Mutex<ArraySlice<UInt8>>) {
        self.left = left
    }

    func next() -> [UInt8]? {
        left.withLock { left in
            guard !left.isEmpty else { return nil }
            let chunk = Array(left.prefix(1 << 20))
            left = left.dropFirst(chunk.count)
            return chunk
        }
    }
}

private final class MemoryScratch: StagedBlob {
    private let bytes = Mutex<[UInt8]>([])
    private let take: @Sendable (Int) throws -> Void

    /// - Parameter take: takes room for so many bytes, or throws.
    init(take: @escaping @Sendable (Int) throws -> Void) {
        self.take = take
    }

    func write(_ more: [UInt8], at offset: Int64) async throws {
        guard let start = Int(exactly: offset), start >= 0 else { throw BlobError(.other, "no place \(offset) in a file") }
        try take(more.count)
        bytes.withLock { $0.place(more, at: start) }
    }

    func flush() async throws {}

    func read(_ range: Range<Int64>) async throws -> BlobChunks {
        let left = bytes.withLock { bytes in
            let cut = range.clamped(to: 0..<Int64(bytes.count))
            return bytes[Int(cut.lowerBound)..<Int(cut.upperBound)]
        }
        let chunks = MemoryChunks(left: Mutex(left))
        return BlobChunks { chunks.next() }
    }

    func close() async {}
}

extension [UInt8] {
    fileprivate mutating func place(_ bytes: [UInt8], at start: Int) {
        let missing = start + bytes.count - count
        if missing > 0 { self += [UInt8](repeating: 0, count: missing) }
        replaceSubrange(start..<start + bytes.count, with: bytes)
    }
}
