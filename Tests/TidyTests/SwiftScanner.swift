/// Splits Swift text into what is code and what is said in string literals. Line breaks stay, so that line numbers hold.
/// It works on bytes, because it reads every source file of the checkout.
struct SwiftScanner {
    /// The text with comments and the contents of string literals blanked out.
    var code: String { String(decoding: codeBytes, as: UTF8.self) }
    /// The text with everything but the contents of string literals blanked out.
    var strings: String { String(decoding: stringBytes, as: UTF8.self) }

    private enum Part { case code, string, neither }
    private var bytes: [UInt8]
    private var position = 0
    private var codeBytes: [UInt8] = []
    private var stringBytes: [UInt8] = []

    init(_ text: String) {
        bytes = Array(text.utf8)
        codeBytes.reserveCapacity(bytes.count)
        stringBytes.reserveCapacity(bytes.count)
        while position < bytes.count { scan() }
    }

    private mutating func scan() {
        switch bytes[position] {
        case UInt8(ascii: "/") where stands("//"): while position < bytes.count, bytes[position] != 10 { take(1, .neither) }
        case UInt8(ascii: "/") where stands("/*"): takeBlockComment()
        case UInt8(ascii: "\""), UInt8(ascii: "#"): takeLiteral()
        default: take(1, .code)
        }
    }

    private func stands(_ word: String) -> Bool {
        bytes[position...].starts(with: word.utf8)
    }

    private mutating func takeBlockComment() {
        var depth = 0
        repeat {
            let opens = stands("/*")
            let closes = stands("*/")
            depth += opens ? 1 : closes ? -1 : 0
            take(opens || closes ? 2 : 1, .neither)
        } while depth > 0 && position < bytes.count
    }

    private mutating func takeLiteral() {
        let hashes = bytes[position...].prefix { $0 == UInt8(ascii: "#") }.count
        guard position + hashes < bytes.count, bytes[position + hashes] == UInt8(ascii: "\"") else { return take(hashes, .code) }
        let fence = String(repeating: "#", count: hashes)
        take(hashes, .neither)
        let quote = stands("\"\"\"") ? "\"\"\"" : "\""
        take(quote.utf8.count, .neither)
        while position < bytes.count, !stands(quote + fence) {
            if quote == "\"", bytes[position] == 10 { return }
            take(stands("\\" + fence) ? hashes + 2 : 1, .string)
        }
        take(quote.utf8.count + hashes, .neither)
    }

    private mutating func take(_ count: Int, _ part: Part) {
        for byte in bytes[position..<min(position + count, bytes.count)] {
            let blank = byte == 10 ? byte : UInt8(ascii: " ")
            codeBytes.append(part == .code ? byte : blank)
            stringBytes.append(part == .string ? byte : blank)
        }
        position = min(position + count, bytes.count)
    }
}
