/// What waits to be hashed and written: whole chunks, and the small pieces that are gathered for the next one. The two go on side
/// by side over the same chunks, each at its own pace; a chunk is let go when both have had it.
struct DiskWriteQueue {
    static let chunkBytes = 256 * 1024
    /// Chunks that are held at most: as much as a disk takes in the moment in which it is busy with a sync.
    static let chunksMax = 8

    enum Work: Hashable {
        case hash, write
    }

    private var chunks: [[UInt8]] = []
    /// How many of the chunks have been hashed, and written.
    private var hashed = 0
    private var written = 0
    private var gathered: [UInt8] = []
    private var isHashing = false
    private var isWriting = false

    /// Whether more may be added without waiting.
    var hasRoom: Bool { chunks.count < DiskWriteQueue.chunksMax }
    var isIdle: Bool { !isHashing && !isWriting }

    /// - Returns: a thread must be started that does this; nil if those that there are suffice.
    mutating func add(_ bytes: [UInt8]) -> Work? {
        if gathered.isEmpty, bytes.count >= DiskWriteQueue.chunkBytes / 4 {
            chunks.append(bytes)
            return start()
        }
        if gathered.isEmpty { gathered.reserveCapacity(DiskWriteQueue.chunkBytes + bytes.count) }
        gathered.append(contentsOf: bytes)
        return gathered.count >= DiskWriteQueue.chunkBytes ? flush() : nil
    }

    /// Makes a chunk of what was gathered.
    /// - Returns: a thread must be started that does this; nil if those that there are suffice.
    mutating func flush() -> Work? {
        if !gathered.isEmpty { chunks.append(gathered) }
        gathered = []
        return start()
    }

    mutating func dropAll() {
        chunks = []
        gathered = []
        hashed = 0
        written = 0
    }

    /// The chunk that comes next for a thread.
    func next(_ work: Work) -> [UInt8]? {
        switch work {
        case .hash: hashed < chunks.count ? chunks[hashed] : nil
        case .write: written < chunks.count ? chunks[written] : nil
        }
    }

    /// A thread has done its work on the chunk that it was given.
    mutating func did(_ work: Work) {
        switch work {
        case .hash: hashed += 1
        case .write: written += 1
        }
        // All has been dropped meanwhile.
        hashed = min(hashed, chunks.count)
        written = min(written, chunks.count)
        let both = min(hashed, written)
        guard both > 0 else { return }
        chunks.removeFirst(both)
        hashed -= both
        written -= both
    }

    /// A thread finds nothing more to do of its work.
    /// - Returns: the other work, if nobody else does it: a short file is written by one thread.
    mutating func turn(from work: Work) -> Work? {
        switch work {
        case .hash: isHashing = false
        case .write: isWriting = false
        }
        return start()
    }

    private mutating func start() -> Work? {
        if !isWriting, written < chunks.count {
            isWriting = true
            return .write
        }
        // Who writes hashes a single chunk afterwards.
        if !isHashing, hashed < chunks.count, !isWriting || chunks.count - hashed > 1 {
            isHashing = true
            return .hash
        }
        return nil
    }
}
