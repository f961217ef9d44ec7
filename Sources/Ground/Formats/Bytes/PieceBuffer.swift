/// Input that arrives in pieces, of which the front is used up: the bytes from `start` to `filled` are still to be read.
struct PieceBuffer: ~Copyable {
    private(set) var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private(set) var filled = 0
    private(set) var start = 0

    init(capacity: Int = 1 << 16) {
        self.capacity = capacity
        base = .allocate(capacity: capacity)
    }

    deinit {
        base.deallocate()
    }

    /// Where the unread bytes begin. Moves with the next `push`.
    var unread: UnsafePointer<UInt8> { UnsafePointer(base + start) }
    var unreadCount: Int { filled - start }

    mutating func push(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
        if start > 0 {
            base.update(from: base + start, count: filled - start)
            filled -= start
            start = 0
        }
        if capacity - filled < bytes.count {
            capacity = max(capacity * 2, filled + bytes.count)
            let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
            larger.update(from: base, count: filled)
            base.deallocate()
            base = larger
        }
        (base + filled).update(from: source, count: bytes.count)
        filled += bytes.count
    }

    /// Passes over bytes that are read.
    mutating func drop(_ count: Int) {
        start += count
    }

    /// Passes over a byte order mark; false while it can't be told yet whether there is one.
    mutating func dropByteOrderMark(isFinished: Bool) -> Bool {
        let mark: StaticString = "\u{FEFF}"
        let known = min(unreadCount, mark.utf8CodeUnitCount)
        for index in 0..<known where unread[index] != mark.utf8Start[index] { return true }
        guard known == mark.utf8CodeUnitCount else { return isFinished }
        drop(known)
        return true
    }
}
