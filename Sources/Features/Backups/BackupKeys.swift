import Crypto
import Foundation
import Web

/// The keys of this door, made from the installation's own, so that all nodes that share that one have the same.
public struct BackupKeys: Sendable {
    /// Of an Ed25519 key that signs manifests.
    let signing: [UInt8]
    /// Of passphrases, secret keys, and the keys of files that are not ended.
    let seal: SecretSeal

    public init(_ key: SigningKey) {
        signing = key.bytes(for: .init("backup manifests"))
        seal = SecretSeal(key, for: .init("backup secrets"))
    }

    /// What manifests of this installation have as their public key.
    var publicKey: String? {
        try? Curve25519.Signing.PrivateKey(rawRepresentation: signing).publicKey.rawRepresentation.base64EncodedString()
    }
}
