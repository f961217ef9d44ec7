/// What a `LineSplitter` gives for each line. Valid until its next call.
public enum LineItem {
    /// The line without its end, and its number from 1.
    case line(UnsafeBufferPointer<UInt8>, number: Int)
    /// The line is longer than allowed and was passed over.
    case tooLong(number: Int)
}

/// Splits input that arrives in pieces into lines, for NDJSON: `push` bytes, call `next` until nil; after the last piece call
/// `finish` and `next` until nil again. LF or CRLF ends a line, the last one needs none, blank lines are skipped but counted.
public final class LineSplitter {
    private let lineBytesMax: Int
    @exclusivity(unchecked) private var input = PieceBuffer()
    @exclusivity(unchecked) private var scanned = 0
    @exclusivity(unchecked) private var number = 0
    @exclusivity(unchecked) private var given = 0
    @exclusivity(unchecked) private var isSkipping = false
    @exclusivity(unchecked) private var isStarted = false
    @exclusivity(unchecked) private var isFinished = false

    /// - Parameter lineBytesMax: a longer line is given as `tooLong`, and reading goes on behind it.
    public init(lineBytesMax: Int = 1 << 20) {
        self.lineBytesMax = max(lineBytesMax, 1)
    }

    /// Takes the next piece of the input.
    public func push(_ bytes: UnsafeBufferPointer<UInt8>) {
        dropGiven()
        input.push(bytes)
    }

    public func push(_ bytes: [UInt8]) {
        bytes.withUnsafeBufferPointer { push($0) }
    }

    /// Says that no more input comes.
    public func finish() {
        isFinished = true
    }

    /// The next line, or nil when more input is needed, or after `finish` when all is read.
    public func next() -> LineItem? {
        dropGiven()
        if !isStarted {
            isStarted = input.dropByteOrderMark(isFinished: isFinished)
            if !isStarted { return nil }
        }
        while true {
            let count = input.unreadCount
            let end = ByteScan.find(0x0A, in: input.unread, from: scanned, to: count)
            scanned = end
            if end == count, !isFinished || count == 0 {
                if isSkipping {
                    input.drop(end)
                    scanned = 0
                } else if end > lineBytesMax + 1 {
                    return refuse()
                }
                return nil
            }
            if let item = close(end, hasLineFeed: end < count) { return item }
        }
    }

    private func close(_ end: Int, hasLineFeed: Bool) -> LineItem? {
        let base = input.unread
        var length = end
        if length > 0, base[length - 1] == 0x0D { length -= 1 }
        let line = UnsafeBufferPointer(start: base, count: length)
        given = end + (hasLineFeed ? 1 : 0)
        scanned = 0
        if isSkipping {
            isSkipping = false
            dropGiven()
            return nil
        }
        number += 1
        if length > lineBytesMax { return .tooLong(number: number) }
        if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) {
            dropGiven()
            return nil
        }
        return .line(line, number: number)
    }

    private func refuse() -> LineItem {
        number += 1
        isSkipping = true
        return .tooLong(number: number)
    }

    private func dropGiven() {
        guard given > 0 else { return }
        input.drop(given)
        given = 0
    }
}
