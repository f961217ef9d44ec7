import Foundation
import JWTKit

/// The public keys of other issuers (RFC 7517), for tokens with RS256 and ES256.
public struct KeySet: Sendable {
    private struct Key: Sendable {
        var id: String?
        var algorithm: any JWTAlgorithm
    }

    private var keys: [Key] = []

    /// No key at all.
    public init() {}

    /// The keys of a JWKS document. What is no RSA key of 2048 bits or more and no P-256 key is left out.
    /// - Throws: a decoding error if the text is no JWKS.
    public init(json: String) async throws {
        let document = try JSONDecoder().decode(JWKS.self, from: Data(json.utf8))
        for var key in document.keys.prefix(100) {
            guard let name = KeySet.algorithm(for: key) else { continue }
            let id = key.keyIdentifier?.string
            key.keyIdentifier = JWKIdentifier(string: id ?? "key")
            guard let algorithm = try? await JWTKeyCollection().add(jwk: key).getKey(for: key.keyIdentifier, alg: name),
                algorithm.name == name
            else { continue }
            keys.append(Key(id: id, algorithm: algorithm))
        }
    }

    public var isEmpty: Bool { keys.isEmpty }

    private static func algorithm(for key: JWK) -> String? {
        switch key.keyType {
        case .rsa where (key.modulus.flatMap { Base64URL.decode($0) }?.count ?? 0) >= 256:
            key.algorithm == nil || key.algorithm == .rs256 ? "RS256" : nil
        case .ecdsa where key.curve == .ecdsa(.p256):
            key.algorithm == nil || key.algorithm == .es256 ? "ES256" : nil
        default: nil
        }
    }

    /// Whether a signature is valid by the key with this id, or, where the token names none, by the only key of the algorithm.
    /// - Returns: nil if there is no such key.
    func verify(_ signature: [UInt8], of signed: [UInt8], algorithm: String, keyID: String?) -> Bool? {
        let candidates = keys.filter { $0.algorithm.name == algorithm && (keyID == nil || $0.id == keyID) }
        guard let first = candidates.first else { return nil }
        guard candidates.count == 1 else { return false }
        return (try? first.algorithm.verify(signature, signs: signed)) ?? false
    }
}
