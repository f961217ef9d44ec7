import Formats

/// Short texts that stand in every row, in one run of memory, copied eight bytes at a time.
final class RowLabels {
    private static let wordLength = 8

    private let bytes: UnsafeMutableRawPointer
    /// Where each text begins, and behind the last one.
    private let starts: UnsafeMutablePointer<Int>

    init(_ texts: [[UInt8]]) {
        let total = texts.reduce(0) { $0 + $1.count }
        // Reading whole words goes over the end of the last text.
        bytes = .allocate(byteCount: total + Self.wordLength, alignment: Self.wordLength)
        bytes.initializeMemory(as: UInt8.self, repeating: 0, count: total + Self.wordLength)
        starts = .allocate(capacity: texts.count + 1)
        var at = 0
        for (index, text) in texts.enumerated() {
            starts[index] = at
            (bytes + at).copyMemory(from: text, byteCount: text.count)
            at += text.count
        }
        starts[texts.count] = at
    }

    deinit {
        bytes.deallocate()
        starts.deallocate()
    }

    @inline(__always) func append(_ index: Int, to out: OutputBuffer) {
        let start = starts[index]
        let length = starts[index &+ 1] &- start
        let target = UnsafeMutableRawPointer(out.pointer(reserving: length &+ Self.wordLength))
        var at = 0
        while at < length {
            target.storeBytes(of: (bytes + start + at).loadUnaligned(as: UInt64.self), toByteOffset: at, as: UInt64.self)
            at &+= Self.wordLength
        }
        out.advance(by: length)
    }
}
