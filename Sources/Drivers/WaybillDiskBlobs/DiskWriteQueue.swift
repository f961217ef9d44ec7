/// What waits to be written: whole chunks, and the small pieces that are gathered for the next one.
struct DiskWriteQueue {
    static let chunkBytes = 256 * 1024
    static let chunksMax = 3

    private var chunks: [[UInt8]] = []
    private var gathered: [UInt8] = []
    private var hasThread = false

    /// Whether more may be added without waiting.
    var hasRoom: Bool { chunks.count < DiskWriteQueue.chunksMax }
    var isIdle: Bool { !hasThread }

    /// - Returns: true if a thread must be started that asks for the chunks.
    mutating func add(_ bytes: [UInt8]) -> Bool {
        if gathered.isEmpty, bytes.count >= DiskWriteQueue.chunkBytes / 4 {
            chunks.append(bytes)
            return startsThread()
        }
        if gathered.isEmpty { gathered.reserveCapacity(DiskWriteQueue.chunkBytes + bytes.count) }
        gathered.append(contentsOf: bytes)
        return gathered.count >= DiskWriteQueue.chunkBytes ? flush() : false
    }

    /// Makes a chunk of what was gathered.
    /// - Returns: true if a thread must be started that asks for the chunks.
    mutating func flush() -> Bool {
        if !gathered.isEmpty { chunks.append(gathered) }
        gathered = []
        return startsThread()
    }

    mutating func dropAll() {
        chunks = []
        gathered = []
    }

    /// The next chunk for the thread, or nil, which ends it.
    mutating func next() -> [UInt8]? {
        hasThread = !chunks.isEmpty
        return chunks.isEmpty ? nil : chunks.removeFirst()
    }

    private mutating func startsThread() -> Bool {
        guard !hasThread, !chunks.isEmpty else { return false }
        hasThread = true
        return true
    }
}
