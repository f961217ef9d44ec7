import Crypto
import Foundation

/// The key of an installation, from which everything that it signs comes.
///
/// Tokens are signed with the key's own bytes, so that any JWT tool that is given the same text can make and check them. Links
/// and whatever else is signed have keys of their own, derived by HKDF (RFC 5869), so that one can never stand for another.
public struct SigningKey: Sendable, CustomStringConvertible {
    /// At least so many bytes: 256 bits.
    public static let bytesMin = 32

    /// What a derived key is for.
    public struct Purpose: Sendable, Hashable {
        let label: String
        public init(_ label: String) { self.label = label }
        public static let links = Purpose("links")
    }

    private let bytes: [UInt8]

    /// - Returns: nil if there are fewer than 32 bytes, or all are the same.
    public init?(bytes: [UInt8]) {
        guard bytes.count >= SigningKey.bytesMin, Set(bytes).count > 1 else { return nil }
        self.bytes = bytes
    }

    /// The key behind a text; white space around it does not count.
    /// - Returns: nil if fewer than 32 bytes are left, or all are the same.
    public init?(text: String) {
        self.init(bytes: Array(text.trimmingCharacters(in: .whitespacesAndNewlines).utf8))
    }

    /// A new key's text, 43 characters.
    /// - Parameter random: 32 random bytes.
    public static func text(random: [UInt8]) -> String { Base64URL.encode(random) }

    var tokens: SymmetricKey { SymmetricKey(data: bytes) }

    /// A key of 32 bytes for one purpose.
    func derived(_ purpose: Purpose) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: bytes), salt: Array("waybill".utf8),
            info: Array("waybill/\(purpose.label)/1".utf8),
            outputByteCount: 32)
    }

    /// A key of 32 bytes for one purpose of a door's own.
    public func bytes(for purpose: Purpose) -> [UInt8] { derived(purpose).withUnsafeBytes { Array($0) } }

    /// Eight characters that tell one key from another and say nothing about it.
    var id: String {
        let code = HMAC<SHA256>.authenticationCode(for: Array("id".utf8), using: derived(Purpose("id")))
        return Base64URL.encode(Array(code).prefix(6))
    }

    public var description: String { "SigningKey(…)" }
}
