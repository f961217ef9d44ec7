import Crypto

/// Who can read a file: the public half of an X25519 key, `age1…`.
public struct AgeRecipient: Sendable, Hashable, CustomStringConvertible {
    static let prefix = "age"

    let key: [UInt8]

    /// - Throws: `AgeError` for what is no such key.
    public init(_ text: String) throws(AgeError) {
        guard !AgeSecretKey.looksLikeOne(text) else {
            throw AgeError(.invalidKey, "it is a secret key: give its public one, which age-keygen -y tells")
        }
        guard text.utf8.count <= 100, let bytes = Bech32.decode(text, prefix: Self.prefix), bytes.count == 32,
            text == text.lowercased(), Self.canAgree(bytes)
        else { throw AgeError(.invalidKey, "it is no public key of age (age1…)") }
        key = bytes
    }

    init(key: [UInt8]) {
        self.key = key
    }

    /// A point of low order would give everybody the same secret.
    private static func canAgree(_ bytes: [UInt8]) -> Bool {
        let own = try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: [UInt8](repeating: 7, count: 32))
        let theirs = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: bytes)
        guard let own, let theirs else { return false }
        return (try? AgeStanzas.sharedSecret(own, with: theirs)) != nil
    }

    public var description: String { Bech32.encode(key, prefix: Self.prefix) }
}

/// The secret half of an X25519 key, `AGE-SECRET-KEY-1…`.
public struct AgeSecretKey: Sendable, Hashable {
    private static let prefix = "age-secret-key-"

    let bytes: [UInt8]
    public let recipient: AgeRecipient

    /// - Throws: `AgeError` for what is no such key; it does not repeat the text.
    public init(_ text: String) throws(AgeError) {
        guard text.utf8.count <= 100, text == text.uppercased(), let bytes = Bech32.decode(text, prefix: Self.prefix),
            let key = try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: bytes)
        else { throw AgeError(.invalidKey, "it is no secret key of age (AGE-SECRET-KEY-1…)") }
        self.bytes = bytes
        recipient = AgeRecipient(key: Array(key.publicKey.rawRepresentation))
    }

    /// Those of an identity file: one a line, with lines that are empty or begin with `#`.
    /// - Throws: `AgeError` that names the line.
    public static func all(in text: String) throws(AgeError) -> [AgeSecretKey] {
        var keys: [AgeSecretKey] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = String(line)
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            guard let key = try? AgeSecretKey(line) else {
                throw AgeError(.invalidKey, "line \(index + 1) is no secret key of age (AGE-SECRET-KEY-1…)")
            }
            keys.append(key)
        }
        guard !keys.isEmpty else { throw AgeError(.invalidKey, "there is no secret key in it") }
        return keys
    }

    /// As it stands in an identity file.
    public var text: String { Bech32.encode(bytes, prefix: Self.prefix).uppercased() }

    static func looksLikeOne(_ text: String) -> Bool { text.lowercased().hasPrefix(prefix) }
}
