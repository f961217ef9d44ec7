import Crypto
import WaybillEngine

/// Makes bearer tokens: JWT with HS256 (RFC 7519, RFC 7518 section 3.2), signed by the key of the installation.
public struct TokenSigner: Sendable {
    static let audience = "waybill"
    private let key: SigningKey

    public init(_ key: SigningKey) { self.key = key }

    /// A token, and when it ends.
    /// - Parameters:
    ///   - roles: may hold `system`, so this must be within reach of the command line only.
    ///   - lifetime: how long it is valid.
    public func sign(
        tenant: TenantID, user: String, roles: Set<String>, lifetime: Duration, now: Timestamp
    ) -> (token: String, expiresAt: Timestamp) {
        let expiresAt = now.advanced(by: lifetime)
        let claims: JSONValue = [
            "iss": .string(TokenSigner.audience), "aud": .string(TokenSigner.audience), "sub": .string(user),
            "tenant": .string(tenant.text), "roles": .array(roles.sorted().map { .string($0) }),
            "iat": TokenSigner.seconds(now), "exp": TokenSigner.seconds(expiresAt),
        ]
        let header: JSONValue = ["alg": "HS256", "typ": "JWT"]
        let signed = Base64URL.encode(header.utf8) + "." + Base64URL.encode(claims.utf8)
        let code = HMAC<SHA256>.authenticationCode(for: Array(signed.utf8), using: key.tokens)
        return (signed + "." + Base64URL.encode(Array(code)), expiresAt)
    }

    /// Seconds with milliseconds.
    private static func seconds(_ time: Timestamp) -> JSONValue {
        .double(Double(time.microseconds / 1000) / 1000)
    }
}
