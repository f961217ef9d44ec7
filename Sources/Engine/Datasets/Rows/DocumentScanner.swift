import Formats

/// Finds the members of a document whose names are known beforehand and stand in a known order: one pass, no allocation.
///
/// The document must be canonical (as it was stored): no white space outside strings, members in the order of `fields`, each at
/// most once, some left out. Members with other names are passed over.
final class DocumentScanner {
    /// Where a value lies, and its first byte, which tells its kind; 0 if there is none.
    struct Slot {
        var start: Int32 = 0
        var end: Int32 = 0
        var first: UInt8 = 0
        var isEscaped = false
    }

    private let fieldCount: Int
    /// `"name":` of each field, one after the other.
    private let patterns: UnsafeMutablePointer<UInt8>
    private let patternStarts: UnsafeMutablePointer<Int>
    private let slots: UnsafeMutablePointer<Slot>

    init(fields: [String]) {
        fieldCount = fields.count
        var bytes: [UInt8] = []
        var starts: [Int] = []
        for field in fields {
            starts.append(bytes.count)
            let buffer = OutputBuffer(capacity: 64)
            JSONWriter.string(field, to: buffer)
            bytes += buffer.takeBytes() + [UInt8(ascii: ":")]
        }
        starts.append(bytes.count)
        patterns = .allocate(capacity: max(1, bytes.count))
        patterns.initialize(from: bytes, count: bytes.count)
        patternStarts = .allocate(capacity: starts.count)
        patternStarts.initialize(from: starts, count: starts.count)
        slots = .allocate(capacity: max(1, fields.count))
        slots.initialize(repeating: Slot(), count: max(1, fields.count))
    }

    deinit {
        patterns.deallocate()
        patternStarts.deallocate()
        slots.deallocate()
    }

    @inline(__always) subscript(field: Int) -> Slot { slots[field] }

    /// Where the member begins that has the value of a slot: with its name.
    @inline(__always) func memberStart(_ field: Int) -> Int {
        Int(slots[field].start) &- (patternStarts[field &+ 1] &- patternStarts[field])
    }

    /// - Returns: false if the bytes are no such document.
    func scan(_ body: UnsafeBufferPointer<UInt8>) -> Bool {
        for field in 0..<fieldCount { slots[field].first = 0 }
        guard let base = body.baseAddress, body.count >= 2, body.count < Int32.max, base[0] == UInt8(ascii: "{") else {
            return false
        }
        let end = body.count
        if base[1] == UInt8(ascii: "}") { return end == 2 }
        var at = 1
        var next = 0
        while at < end {
            guard base[at] == UInt8(ascii: "\"") else { return false }
            let field = match(base, at, end, from: &next)
            if let field {
                at += patternStarts[field + 1] - patternStarts[field]
            } else {
                guard let behind = skipString(base, at, end)?.end, behind < end, base[behind] == UInt8(ascii: ":") else {
                    return false
                }
                at = behind + 1
            }
            guard at < end, let value = skipValue(base, at, end) else { return false }
            if let field {
                slots[field] = Slot(start: Int32(at), end: Int32(value.end), first: base[at], isEscaped: value.isEscaped)
            }
            at = value.end
            guard at < end else { return false }
            if base[at] == UInt8(ascii: "}") { return at + 1 == end }
            guard base[at] == UInt8(ascii: ",") else { return false }
            at += 1
        }
        return false
    }

    /// The field whose name stands at `at`, looked for in order.
    @inline(__always) private func match(_ base: UnsafePointer<UInt8>, _ at: Int, _ end: Int, from next: inout Int) -> Int? {
        var field = next
        while field < fieldCount {
            let start = patternStarts[field]
            let length = patternStarts[field + 1] - start
            if length <= end &- at, ByteScan.isEqual(base + at, patterns + start, length) {
                next = field + 1
                return field
            }
            field += 1
        }
        return nil
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
            let behind = ByteScan.find(UInt8(ascii: ","), or: UInt8(ascii: "}"), in: base, from: start, to: end)
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
