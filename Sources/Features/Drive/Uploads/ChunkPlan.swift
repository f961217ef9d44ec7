/// How a file of a known size is cut into chunks: all of one size, the last one as long as what is left.
struct ChunkPlan: Sendable, Hashable {
    /// Who asks for small chunks of a large file gets no more of them: lists of chunks are made in memory.
    static let countMax: Int64 = 1_000_000

    var size: Int64
    var chunkSize: Int64

    var count: Int64 { size / chunkSize + (size % chunkSize == 0 ? 0 : 1) }

    /// - Returns: nil if there is no such chunk.
    func range(of index: Int64) -> Range<Int64>? {
        guard index >= 0, index < count else { return nil }
        let start = index * chunkSize
        return start..<min(start + chunkSize, size)
    }

    /// The chunks that are there whole.
    func stored(in extents: ByteExtents) -> [Int64] {
        extents.ranges.flatMap { range -> [Int64] in
            let first = range.lowerBound / chunkSize + (range.lowerBound % chunkSize == 0 ? 0 : 1)
            let end = range.upperBound == size ? count : range.upperBound / chunkSize
            return first < end ? Array(first..<end) : []
        }
    }

    /// How many chunks are there whole.
    func storedCount(in extents: ByteExtents) -> Int64 {
        extents.ranges.reduce(0) { sum, range in
            let first = range.lowerBound / chunkSize + (range.lowerBound % chunkSize == 0 ? 0 : 1)
            let end = range.upperBound == size ? count : range.upperBound / chunkSize
            return sum + max(0, end - first)
        }
    }

    /// The first chunks that are not there whole.
    func missing(in extents: ByteExtents, limit: Int) -> [Int64] {
        var missing: [Int64] = []
        var next: Int64 = 0
        for stored in stored(in: extents) {
            while next < stored {
                guard missing.count < limit else { return missing }
                missing.append(next)
                next += 1
            }
            next = stored + 1
        }
        while next < count, missing.count < limit {
            missing.append(next)
            next += 1
        }
        return missing
    }
}
