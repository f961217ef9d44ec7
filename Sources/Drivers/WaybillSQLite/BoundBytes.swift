import WaybillDatabases

/// Room for the texts and blobs that are bound to a statement while it runs. One piece of memory for all of them costs less than
/// a copy of each that SQLite makes.
struct BoundBytes {
    /// More than this is not kept from one run to the next.
    static let keptMax = 256 * 1024

    private var base: UnsafeMutableRawPointer?
    private var capacity = 0
    private var count = 0

    /// How many bytes of texts and blobs there are.
    static func bytes(of arguments: [SQLValue]) -> Int {
        var bytes = 0
        for argument in arguments {
            switch argument {
            case .text(let text): bytes += text.utf8.count
            case .blob(let blob): bytes += blob.count
            case .null, .integer, .double: break
            }
        }
        return bytes
    }

    /// Makes room for so many bytes. What was bound before must not be used any more.
    mutating func reserve(_ bytes: Int) {
        let needed = bytes + 1
        count = 0
        guard needed > capacity else { return }
        base?.deallocate()
        capacity = max(needed, 64)
        base = .allocate(byteCount: capacity, alignment: 16)
    }

    /// Copies bytes that there is room for. The copy is never at a null pointer.
    mutating func keep(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard let base else { return bytes }
        let start = base + count
        if let source = bytes.baseAddress { start.copyMemory(from: source, byteCount: bytes.count) }
        count += bytes.count
        return UnsafeRawBufferPointer(start: start, count: bytes.count)
    }

    /// Gives much memory back.
    mutating func clear() {
        if capacity > Self.keptMax { deallocate() }
    }

    mutating func deallocate() {
        base?.deallocate()
        (base, capacity, count) = (nil, 0, 0)
    }
}
