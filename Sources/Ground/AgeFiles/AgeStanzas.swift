import Crypto
import CryptoExtras
import Foundation

/// The two ways in which a file's key is closed here: for public keys, and by a passphrase.
enum AgeStanzas {
    static let fileKeyBytes = 16
    /// The work of a passphrase's key, as a power of two. One more doubles time and memory, 128 · 2^n · 8 bytes: 15 takes
    /// 32 MiB and about 90 ms, and every file takes it anew.
    static let scryptWork = 15
    /// What `age` writes; files that ask for more are refused, since they would fill the memory.
    static let scryptWorkMax = 18
    private static let saltBytes = 16
    private static let x25519Label = Array("age-encryption.org/v1/X25519".utf8)
    private static let scryptLabel = Array("age-encryption.org/v1/scrypt".utf8)

    // MARK: Public keys

    /// - Parameter secret: 32 random bytes, used this once.
    static func close(_ fileKey: [UInt8], for recipient: AgeRecipient, secret: [UInt8]) throws -> AgeHeader.Stanza {
        let own = try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: secret)
        let share = Array(own.publicKey.rawRepresentation)
        let wrap = try wrapKey(own, with: recipient.key, share: share, recipient: recipient.key)
        return AgeHeader.Stanza(words: ["X25519", Base64Line.encode(share)], body: try close(fileKey, under: wrap))
    }

    /// - Returns: nil if it was closed for somebody else.
    /// - Throws: `AgeError` for a stanza that can't be.
    static func open(_ stanza: AgeHeader.Stanza, with key: AgeSecretKey) throws(AgeError) -> [UInt8]? {
        guard stanza.words.count == 2, let share = Base64Line.decode(stanza.words[1]), share.count == 32, stanza.body.count == 32
        else { throw AgeError(.damaged, "its header has a key that can't be") }
        guard let own = try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: key.bytes),
            let wrap = try? wrapKey(own, with: share, share: share, recipient: key.recipient.key)
        else { throw AgeError(.damaged, "its header has a key that can't be") }
        return open(stanza.body, under: wrap)
    }

    private static func wrapKey(
        _ own: Curve25519.KeyAgreement.PrivateKey, with other: [UInt8], share: [UInt8], recipient: [UInt8]
    ) throws -> SymmetricKey {
        let other = try Curve25519.KeyAgreement.PublicKey(rawRepresentation: other)
        return try sharedSecret(own, with: other).hkdfDerivedSymmetricKey(
            using: SHA256.self, salt: share + recipient, sharedInfo: x25519Label, outputByteCount: 32)
    }

    /// - Throws: `AgeError` for a point of low order, which gives everybody the same secret.
    static func sharedSecret(
        _ own: Curve25519.KeyAgreement.PrivateKey, with other: Curve25519.KeyAgreement.PublicKey
    ) throws -> SharedSecret {
        let secret = try own.sharedSecretFromKeyAgreement(with: other)
        guard secret.withUnsafeBytes({ $0.contains { $0 != 0 } }) else {
            throw AgeError(.invalidKey, "it is a point of low order")
        }
        return secret
    }

    // MARK: Passphrases

    /// - Parameter salt: 16 random bytes, used this once.
    static func close(_ fileKey: [UInt8], by passphrase: String, salt: [UInt8]) throws -> AgeHeader.Stanza {
        let wrap = try wrapKey(passphrase, salt: salt, work: scryptWork)
        let words = ["scrypt", Base64Line.encode(salt), "\(scryptWork)"]
        return AgeHeader.Stanza(words: words, body: try close(fileKey, under: wrap))
    }

    /// - Returns: nil if it was closed by another passphrase.
    /// - Throws: `AgeError` for a stanza that can't be, or asks for too much.
    static func open(_ stanza: AgeHeader.Stanza, by passphrase: String) throws(AgeError) -> [UInt8]? {
        guard stanza.words.count == 3, let salt = Base64Line.decode(stanza.words[1]), salt.count == saltBytes,
            let work = Int(stanza.words[2]), work > 0, "\(work)" == stanza.words[2], stanza.body.count == 32
        else { throw AgeError(.damaged, "its header has a passphrase's salt that can't be") }
        guard work <= scryptWorkMax, let wrap = try? wrapKey(passphrase, salt: salt, work: work) else {
            throw AgeError(.damaged, "its passphrase's key takes more work than is done here, 2^\(work)")
        }
        return open(stanza.body, under: wrap)
    }

    private static func wrapKey(_ passphrase: String, salt: [UInt8], work: Int) throws -> SymmetricKey {
        try KDF.Scrypt.deriveKey(
            from: Array(passphrase.utf8), salt: scryptLabel + salt, outputByteCount: 32, rounds: 1 << work, blockSize: 8,
            parallelism: 1)
    }

    // MARK: The file's key

    private static let zeroNonce = [UInt8](repeating: 0, count: 12)

    /// The nonce is zero, since a key closes one file's key and no other.
    private static func close(_ fileKey: [UInt8], under key: SymmetricKey) throws -> [UInt8] {
        let box = try ChaChaPoly.seal(fileKey, using: key, nonce: ChaChaPoly.Nonce(data: zeroNonce))
        return Array(box.ciphertext) + Array(box.tag)
    }

    private static func open(_ body: [UInt8], under key: SymmetricKey) -> [UInt8]? {
        guard let box = try? ChaChaPoly.SealedBox(combined: zeroNonce + body), let opened = try? ChaChaPoly.open(box, using: key),
            opened.count == fileKeyBytes
        else { return nil }
        return Array(opened)
    }
}
