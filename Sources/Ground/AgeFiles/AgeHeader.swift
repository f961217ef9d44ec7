import Crypto
import Foundation

/// What an age file begins with: the file's key, closed for each of those who may read it.
struct AgeHeader: Sendable, Hashable {
    struct Stanza: Sendable, Hashable {
        /// The first is the kind.
        var words: [String]
        var body: [UInt8]
    }

    static let version = "age-encryption.org/v1"
    static let columns = 64
    static let macBytes = 32
    /// Longer ones are refused before they are read.
    static let bytesMax = 64 << 10

    var stanzas: [Stanza]
    var mac: [UInt8]

    /// Up to and with the hyphens: what the MAC is over.
    private static func text(_ stanzas: [Stanza]) -> String {
        var text = version + "\n"
        for stanza in stanzas {
            text += "-> " + stanza.words.joined(separator: " ") + "\n"
            // A line that is not full ends the body, also an empty one.
            let letters = Array(Base64Line.encode(stanza.body).utf8)
            var at = 0
            while letters.count - at >= columns {
                text += String(decoding: letters[at..<at + columns], as: UTF8.self) + "\n"
                at += columns
            }
            text += String(decoding: letters[at...], as: UTF8.self) + "\n"
        }
        return text + "---"
    }

    private static func code(_ text: String, under fileKey: [UInt8]) -> HMAC<SHA256>.MAC {
        let key = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: fileKey), salt: [UInt8](), info: Array("header".utf8), outputByteCount: 32)
        return HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key)
    }

    /// The header's bytes.
    static func bytes(_ stanzas: [Stanza], fileKey: [UInt8]) -> [UInt8] {
        let text = text(stanzas)
        return Array((text + " " + Base64Line.encode(Array(code(text, under: fileKey))) + "\n").utf8)
    }

    /// Whether it was made by one who had the file's key.
    func isAuthentic(under fileKey: [UInt8]) -> Bool {
        let key = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: fileKey), salt: [UInt8](), info: Array("header".utf8), outputByteCount: 32)
        return HMAC<SHA256>.isValidAuthenticationCode(mac, authenticating: Array(Self.text(stanzas).utf8), using: key)
    }

    /// Where a header ends in what has come of a file; nil if there is more of it to come.
    static func end(in bytes: [UInt8]) -> Int? {
        let newline = UInt8(ascii: "\n")
        var start = 0
        while let end = bytes[start...].firstIndex(of: newline) {
            if bytes[start..<end].starts(with: Array("---".utf8)) { return end + 1 }
            start = end + 1
        }
        return nil
    }

    /// Reads a whole header, strictly: there is one text for it.
    /// - Throws: `AgeError`.
    init(_ bytes: some Sequence<UInt8>) throws(AgeError) {
        let damaged = AgeError(.damaged, "it does not begin as an age file does")
        let bytes = Array(bytes)
        guard let text = String(validating: bytes, as: UTF8.self), text.utf8.last == UInt8(ascii: "\n") else { throw damaged }
        var lines = text.utf8.dropLast().split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)[...]
        guard let first = lines.popFirst(), String(first) == Self.version else { throw damaged }
        var stanzas: [Stanza] = []
        while let line = lines.popFirst().flatMap({ String($0) }) {
            if line.hasPrefix("--- "), lines.isEmpty, !stanzas.isEmpty {
                guard let mac = Base64Line.decode(String(line.dropFirst(4))), mac.count == Self.macBytes else { throw damaged }
                (self.stanzas, self.mac) = (stanzas, mac)
                return
            }
            guard line.hasPrefix("-> ") else { throw damaged }
            let words = line.dropFirst(3).split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            guard words.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x21...0x7E).contains($0) } }) else { throw damaged }
            var body: [UInt8] = []
            while true {
                guard let part = lines.popFirst().flatMap({ String($0) }), part.utf8.count <= Self.columns,
                    let some = Base64Line.decode(part)
                else { throw damaged }
                body += some
                if part.utf8.count < Self.columns { break }
            }
            stanzas.append(Stanza(words: words, body: body))
        }
        throw damaged
    }
}

/// Base64 without padding, of which one text stands for some bytes.
enum Base64Line {
    static func encode(_ bytes: [UInt8]) -> String {
        String(Data(bytes).base64EncodedString().prefix { $0 != "=" })
    }

    static func decode(_ text: String) -> [UInt8]? {
        guard !text.utf8.contains(UInt8(ascii: "=")),
            let data = Data(base64Encoded: text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)),
            encode(Array(data)) == text
        else { return nil }
        return Array(data)
    }
}
