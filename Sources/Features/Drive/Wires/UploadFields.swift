import Formats

/// What the protocols say of a file in common.
enum UploadFields {
    static let nameBytesMax = 1024

    /// What is wrong with a name; nil: nothing. A name is data: it may hold whatever is text.
    static func wrong(name: String) -> String? {
        if name.isEmpty { return "must not be empty" }
        if name.utf8.count > nameBytesMax { return "must have at most \(nameBytesMax) bytes" }
        return name.utf8.contains(0) ? "must not hold U+0000" : nil
    }

    /// `type/subtype`, with parameters or without; visible ASCII.
    static func isMediaType(_ text: String) -> Bool {
        guard (3...255).contains(text.utf8.count), text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else { return false }
        let halves = text.prefix { $0 != ";" }.split(separator: "/", omittingEmptySubsequences: false)
        return halves.count == 2
            && halves.allSatisfy { half in
                let half = half.utf8.filter { $0 != 0x20 }
                return !half.isEmpty
                    && half.allSatisfy { byte in
                        switch byte {
                        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                            UInt8(ascii: "0")...UInt8(ascii: "9"):
                            true
                        default: "!#$&^_.+-*%'`|~".utf8.contains(byte)
                        }
                    }
            }
    }

    /// 64 hexadecimal digits, perhaps behind `sha256:`.
    static func sha256(_ text: String) -> [UInt8]? {
        var digits = text.lowercased()
        for prefix in ["sha256:", "sha-256:"] where digits.hasPrefix(prefix) { digits = String(digits.dropFirst(prefix.count)) }
        guard digits.utf8.count == 64 else { return nil }
        return HexText.bytes(digits)
    }

    /// Digits only, as an index or a length in a path or a header field.
    static func number(_ text: String) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return Int64(text)
    }
}
