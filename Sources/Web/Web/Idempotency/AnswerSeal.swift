import Crypto

/// Closes the bodies of answers that hold a secret, such as a new API key, which are kept for a retry.
struct AnswerSeal: Sendable {
    private let seal: SecretSeal
    private let digests: SymmetricKey

    init(_ key: SigningKey) {
        seal = SecretSeal(key, for: .answers)
        digests = key.derived(SigningKey.Purpose("digests of requests"))
    }

    /// - Throws: `CryptoKitError` never in practice.
    func close(_ body: [UInt8], for claim: IdempotencyTicket.Claim) throws -> [UInt8] {
        try seal.close(body, for: AnswerSeal.label(of: claim))
    }

    /// - Returns: nil if the body was closed for another claim or under another key: the signing key has been changed since.
    func open(_ sealed: [UInt8], for claim: IdempotencyTicket.Claim) -> [UInt8]? {
        seal.open(sealed, for: AnswerSeal.label(of: claim))
    }

    /// Of a request's body that may hold a secret: nobody without the key can try which one it was.
    func digest(_ body: [UInt8]) -> [UInt8] { Array(HMAC<SHA256>.authenticationCode(for: body, using: digests)) }

    /// Binds a body to its row. None of the three holds a line break.
    private static func label(of claim: IdempotencyTicket.Claim) -> String { "\(claim.tenant)\n\(claim.user)\n\(claim.key)" }
}

extension SigningKey.Purpose {
    static let answers = SigningKey.Purpose("answers")
}
