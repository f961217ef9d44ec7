import Formats

/// Base64 of RFC 4648 section 4: how bytes that are no text are exported.
enum Base64 {
    private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    static func append(_ bytes: UnsafeBufferPointer<UInt8>, to out: OutputBuffer) {
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
}
