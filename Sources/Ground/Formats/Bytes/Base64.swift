/// Base64 of RFC 4648 section 4: how bytes that are no text are exported.
public enum Base64 {
    private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    public static func append(_ bytes: UnsafeBufferPointer<UInt8>, to out: OutputBuffer) {
        let letters = alphabet.utf8Start
        var at = 0
        while at < bytes.count {
            let left = bytes.count - at
            let first = bytes[at]
            let second = left > 1 ? bytes[at + 1] : 0
            let third = left > 2 ? bytes[at + 2] : 0
            out.append(letters[Int(first >> 2)])
            out.append(letters[Int((first & 3) << 4 | second >> 4)])
            out.append(left > 1 ? letters[Int((second & 15) << 2 | third >> 6)] : UInt8(ascii: "="))
            out.append(left > 2 ? letters[Int(third & 63)] : UInt8(ascii: "="))
            at += 3
        }
    }

    /// The bytes that a text stands for; nil if it is not what `append` writes.
    public static func decode(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        var at = 0
        while at < text.count {
            let isLast = at + 4 == text.count
            let padding = isLast ? (text[at + 2] == UInt8(ascii: "=") ? 2 : text[at + 3] == UInt8(ascii: "=") ? 1 : 0) : 0
            var group: UInt32 = 0
            for index in 0..<4 {
                let isPadding = index >= 4 - padding
                guard isPadding ? text[at + index] == UInt8(ascii: "=") : value(text[at + index]) != nil else { return nil }
                group = group << 6 | UInt32(isPadding ? 0 : value(text[at + index]) ?? 0)
            }
            let three = [UInt8(group >> 16 & 255), UInt8(group >> 8 & 255), UInt8(group & 255)]
            // Bits behind the last byte must be zero, so that one text stands for some bytes.
            guard three[(3 - padding)...].allSatisfy({ $0 == 0 }) else { return nil }
            bytes += three[..<(3 - padding)]
            at += 4
        }
        return bytes
    }

    private static func value(_ letter: UInt8) -> UInt8? {
        switch letter {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): letter - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): letter - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): letter - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
