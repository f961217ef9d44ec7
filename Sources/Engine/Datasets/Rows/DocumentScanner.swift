import Formats

/// Finds the values of a document in one pass, without allocation.
///
/// The document must be canonical (as it was stored): a JSON array without white space outside strings, a value for each field in
/// the order of its type, `null` where there is none. Fields that stand behind the last value have none; what stands behind the
/// last field is passed over.
final class DocumentScanner {
    /// Where a value lies, and its first byte, which tells its kind; 0 if there is none.
    struct Slot {
        var start: Int32 = 0
        var end: Int32 = 0
        var first: UInt8 = 0
        var isEscaped = false

        /// An empty list, which stands for a list that is absent.
        @inline(__always) var isEmptyList: Bool { first == UInt8(ascii: "[") && end &- start == 2 }
    }

    private let fieldCount: Int
    private let slots: UnsafeMutablePointer<Slot>

    init(fieldCount: Int) {
        self.fieldCount = fieldCount
        slots = .allocate(capacity: max(1, fieldCount))
        slots.initialize(repeating: Slot(), count: max(1, fieldCount))
    }

    deinit {
        slots.deallocate()
    }

    @inline(__always) subscript(field: Int) -> Slot { slots[field] }

    /// - Returns: false if the bytes are no such document.
    func scan(_ body: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let base = body.baseAddress, body.count >= 2, body.count < Int32.max, base[0] == UInt8(ascii: "[") else {
            return false
        }
        let end = body.count
        var field = 0
        var at = 1
        var isAtEnd = base[1] == UInt8(ascii: "]")
        if isAtEnd { at = 2 }
        while !isAtEnd {
            guard at < end, let value = skipValue(base, at, end), value.end < end else { return false }
            if field < fieldCount {
                let first = base[at]
                slots[field] = Slot(
                    start: Int32(truncatingIfNeeded: at), end: Int32(truncatingIfNeeded: value.end),
                    first: first == UInt8(ascii: "n") ? 0 : first, isEscaped: value.isEscaped)
                field &+= 1
            }
            isAtEnd = base[value.end] == UInt8(ascii: "]")
            guard isAtEnd || base[value.end] == UInt8(ascii: ",") else { return false }
            at = value.end &+ 1
        }
        while field < fieldCount {
            slots[field].first = 0
            field &+= 1
        }
        return at == end
    }

    @inline(__always) private func skipString(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> (
        end: Int, isEscaped: Bool
    )? {
        var at = start &+ 1
        var isEscaped = false
        while at < end {
            at = ByteScan.find(UInt8(ascii: "\""), or: UInt8(ascii: "\\"), in: base, from: at, to: end)
            guard at < end, base[at] != UInt8(ascii: "\"") else { break }
            isEscaped = true
            at &+= 2
        }
        return at < end ? (at &+ 1, isEscaped) : nil
    }

    @inline(__always) private func skipValue(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> (
        end: Int, isEscaped: Bool
    )? {
        switch base[start] {
        case UInt8(ascii: "\""): return skipString(base, start, end)
        case UInt8(ascii: "["), UInt8(ascii: "{"): return skipNested(base, start, end).map { ($0, false) }
        default:
            let behind = ByteScan.find(UInt8(ascii: ","), or: UInt8(ascii: "]"), in: base, from: start, to: end)
            return behind > start ? (behind, false) : nil
        }
    }

    private func skipNested(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int? {
        var at = start
        var depth = 0
        while at < end {
            switch base[at] {
            case UInt8(ascii: "\""):
                guard let string = skipString(base, at, end) else { return nil }
                at = string.end
                continue
            case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= 1
                if depth == 0 { return at + 1 }
            default: break
            }
            at += 1
        }
        return nil
    }
}
