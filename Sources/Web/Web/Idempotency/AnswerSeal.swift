import Crypto

/// Closes the bodies of answers that hold a secret, such as a new API key, with AES-256-GCM under a key of the installation, so
/// that what is kept for a retry can't be read from the database.
struct AnswerSeal: Sendable {
    private let key: SymmetricKey

    init(_ key: SigningKey) { self.key = key.derived(.answers) }

    /// - Throws: `CryptoKitError` never in practice.
    func close(_ body: [UInt8], for claim: IdempotencyTicket.Claim) throws -> [UInt8] {
        let box = try AES.GCM.seal(body, using: key, authenticating: AnswerSeal.label(of: claim))
        return Array(box.nonce) + Array(box.ciphertext) + Array(box.tag)
    }

    /// - Returns: nil if the body was closed for another claim or under another key: the signing key has been changed since.
    func open(_ sealed: [UInt8], for claim: IdempotencyTicket.Claim) -> [UInt8]? {
        guard let box = try? AES.GCM.SealedBox(combined: sealed),
            let body = try? AES.GCM.open(box, using: key, authenticating: AnswerSeal.label(of: claim))
        else { return nil }
        return Array(body)
    }

    /// Binds a body to its row. None of the three holds a line break.
    private static func label(of claim: IdempotencyTicket.Claim) -> [UInt8] {
        Array("\(claim.tenant)\n\(claim.user)\n\(claim.key)".utf8)
    }
}

extension SigningKey.Purpose {
    static let answers = SigningKey.Purpose("answers")
}
