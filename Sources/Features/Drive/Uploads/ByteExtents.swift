/// Which bytes of a file are there: ranges in order that neither touch nor overlap.
struct ByteExtents: Sendable, Hashable {
    /// Each step of an upload writes them all, so there may not be any number of them.
    static let countMax = 4096

    private(set) var ranges: [Range<Int64>] = []

    init() {}

    var isEmpty: Bool { ranges.isEmpty }

    /// How many bytes are there.
    var count: Int64 { ranges.reduce(0) { $0 + ($1.upperBound - $1.lowerBound) } }

    /// How many are there from the beginning on, without a gap.
    var prefix: Int64 { ranges.first.flatMap { $0.lowerBound == 0 ? $0.upperBound : nil } ?? 0 }

    func contains(_ range: Range<Int64>) -> Bool {
        guard !range.isEmpty, let index = first(endingAfter: range.lowerBound) else { return range.isEmpty }
        return ranges[index].lowerBound <= range.lowerBound && ranges[index].upperBound >= range.upperBound
    }

    func overlaps(_ range: Range<Int64>) -> Bool {
        guard !range.isEmpty, let index = first(endingAfter: range.lowerBound) else { return false }
        return ranges[index].lowerBound < range.upperBound
    }

    /// Up to where all bytes from a place on are there.
    func end(from place: Int64) -> Int64 {
        guard let index = first(endingAfter: place), ranges[index].lowerBound <= place else { return place }
        return ranges[index].upperBound
    }

    mutating func insert(_ range: Range<Int64>) {
        guard !range.isEmpty else { return }
        let start = first(endingAfter: range.lowerBound - 1) ?? ranges.count
        var end = start
        var whole = range
        while end < ranges.count, ranges[end].lowerBound <= range.upperBound {
            whole = min(whole.lowerBound, ranges[end].lowerBound)..<max(whole.upperBound, ranges[end].upperBound)
            end += 1
        }
        ranges.replaceSubrange(start..<end, with: [whole])
    }

    /// Forgets all from a place on.
    mutating func truncate(to end: Int64) {
        ranges = ranges.compactMap { $0.lowerBound < end ? $0.lowerBound..<min($0.upperBound, end) : nil }
    }

    /// The first range that ends behind a place.
    private func first(endingAfter place: Int64) -> Int? {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound > place { high = middle } else { low = middle + 1 }
        }
        return low < ranges.count ? low : nil
    }
}

extension ByteExtents {
    /// `0-5242880,10485760-15728640`: first, and behind the last.
    var text: String { ranges.map { "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",") }

    /// - Returns: nil for what is no such text.
    init?(text: String) {
        for part in text.split(separator: ",") {
            let ends = part.split(separator: "-")
            guard ends.count == 2, let first = Int64(ends[0]), let end = Int64(ends[1]), first >= 0, first < end,
                first > ranges.last?.upperBound ?? -1
            else { return nil }
            ranges.append(first..<end)
        }
    }
}
