import Crypto

/// Closes what must not lie in the database in clear, with AES-256-GCM under a key that is made from the installation's own.
public struct SecretSeal: Sendable {
    private let key: SymmetricKey

    /// - Parameter purpose: what is closed for one purpose is not opened for another.
    public init(_ key: SigningKey, for purpose: SigningKey.Purpose) {
        self.key = key.derived(purpose)
    }

    /// - Parameter label: of the place where it lies, which it can't be moved from.
    /// - Throws: `CryptoKitError` never in practice.
    public func close(_ bytes: [UInt8], for label: String) throws -> [UInt8] {
        let box = try AES.GCM.seal(bytes, using: key, authenticating: Array(label.utf8))
        return Array(box.nonce) + Array(box.ciphertext) + Array(box.tag)
    }

    /// - Returns: nil if it was closed for another place, or under another key: the signing key has been changed since.
    public func open(_ closed: [UInt8], for label: String) -> [UInt8]? {
        guard let box = try? AES.GCM.SealedBox(combined: closed),
            let bytes = try? AES.GCM.open(box, using: key, authenticating: Array(label.utf8))
        else { return nil }
        return Array(bytes)
    }
}
