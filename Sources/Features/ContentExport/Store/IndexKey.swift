import Datasets
import Formats

/// The texts by which index rows are sorted: their bytewise order is the order of the values they stand for.
///
/// Text is cut at 1 KiB, at the end of a character, so equal keys of long texts have to be checked again; integers and
/// instants are 16 hexadecimal digits with the sign turned, doubles likewise. A letter before them makes items without a
/// value come last.
enum IndexKey {
    static let textBytesMax = 1024
    /// Of items without the value: after all others.
    static let missing = "~"
    static let presentMark = "v"

    static func integer(_ value: Int64) -> String { hexadecimal(UInt64(bitPattern: value) ^ (1 << 63)) }

    static func number(_ value: Double) -> String {
        let bits = (value == 0 ? 0 : value).bitPattern
        return hexadecimal(bits >> 63 == 1 ? ~bits : bits ^ (1 << 63))
    }

    static func boolean(_ value: Bool) -> String { value ? "v1" : "v0" }

    static func text(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        var end = min(bytes.count, textBytesMax)
        if end < bytes.count {
            while end > 0, bytes[end] & 0xC0 == 0x80 { end -= 1 }
        }
        return presentMark + String(decoding: bytes[..<end], as: UTF8.self)
    }

    static func text(_ text: String) -> String {
        var text = text
        return text.withUTF8 { Self.text($0) }
    }

    static func value(_ value: QueryValue) -> String {
        switch value {
        case .text(let text): Self.text(text)
        case .integer(let integer), .instant(let integer): Self.integer(integer)
        case .number(let number): Self.number(number)
        case .boolean(let boolean): Self.boolean(boolean)
        }
    }

    private static func hexadecimal(_ bits: UInt64) -> String {
        String(unsafeUninitializedCapacity: 17) { target in
            target[0] = UInt8(ascii: "v")
            for index in 0..<16 {
                let nibble = UInt8(truncatingIfNeeded: bits >> UInt64(60 - 4 * index)) & 15
                target[index + 1] = nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
            }
            return 17
        }
    }

    /// The keys of all values that a test may admit, perhaps with some more: equal to one, or from one to another.
    enum Span: Hashable, Sendable, Codable {
        case equal(String)
        /// From `lower` on, before `end`, or through it.
        case between(String, String, includesEnd: Bool)
    }

    /// nil if the test says nothing about the order of keys.
    static func span(of condition: QueryCondition) -> Span? {
        switch condition {
        case .exists: return .between(presentMark, missing, includesEnd: false)
        case .equals(let value): return .equal(Self.value(value))
        case .range(let lower, let upper):
            let start = lower.map { Self.value($0.value) } ?? presentMark
            if let upper { return .between(start, Self.value(upper.value), includesEnd: true) }
            return .between(start, missing, includesEnd: false)
        case .matches(let pattern):
            let prefix = pattern.prefix
            guard !prefix.isEmpty else { return nil }
            let start = Self.text(prefix)
            return .between(start, successor(start), includesEnd: false)
        }
    }

    /// The first text after all those that begin with a prefix, in bytewise order.
    private static func successor(_ prefix: String) -> String {
        var scalars = Array(prefix.unicodeScalars)
        while let last = scalars.popLast() {
            let value = last.value == 0xD7FF ? 0xE000 : last.value + 1
            guard let next = Unicode.Scalar(value) else { continue }
            scalars.append(next)
            var text = String.UnicodeScalarView()
            text.append(contentsOf: scalars)
            return String(text)
        }
        return missing
    }
}

/// One row of an item's index.
struct IndexEntry: Hashable, Sendable {
    var index: Int64
    var value: String

    // Keys are compared bytewise; Swift's own equality of strings is coarser.
    static func == (left: IndexEntry, right: IndexEntry) -> Bool {
        left.index == right.index && left.value.equalsBytewise(right.value)
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(index)
        for byte in value.utf8 { hasher.combine(byte) }
    }

    func precedes(_ other: IndexEntry) -> Bool {
        index != other.index ? index < other.index : value.precedesBytewise(other.value)
    }
}
