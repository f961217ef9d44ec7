import Crypto
import WaybillEngine

/// Which tokens of other issuers are taken.
public struct IssuerPolicy: Sendable {
    /// Those that are always there.
    public var keys: KeySet
    /// Those that are fetched from an address.
    public var remote: RemoteKeys?
    /// What `iss` must be; nil takes any.
    public var issuer: String?
    /// What `aud` must hold; nil takes any.
    public var audience: String?

    public init(
        keys: KeySet = KeySet(), remote: RemoteKeys? = nil, issuer: String? = nil, audience: String? = nil
    ) {
        self.keys = keys
        self.remote = remote
        self.issuer = issuer
        self.audience = audience
    }
}

/// Checks bearer tokens (RFC 7519, and RFC 8725 for what must not pass).
public struct TokenVerifier: Sendable {
    /// How far the clock of another issuer may be off.
    static let tolerance = Duration.seconds(30)
    private let key: SigningKey
    private let others: IssuerPolicy

    public init(key: SigningKey, others: IssuerPolicy = IssuerPolicy()) {
        self.key = key
        self.others = others
    }

    /// Who a token speaks for.
    /// - Throws: a 401 problem, which does not say more than it must.
    func verify(_ token: String, now: Timestamp) async throws -> (identity: Identity, issuedAt: Timestamp) {
        guard let claims = await verifiedClaims(token, now: now) else {
            throw Problem.unauthorized("the token is not valid", error: "invalid_token")
        }
        let principal = Principal(tenant: claims.tenant, user: claims.user, roles: claims.roles)
        return (Identity(principal: principal, expiresAt: claims.expiresAt, issuedAt: claims.issuedAt), claims.issuedAt)
    }

    private func verifiedClaims(_ token: String, now: Timestamp) async -> TokenClaims? {
        let parts = token.utf8.count <= 8192 ? token.split(separator: ".", omittingEmptySubsequences: false) : []
        guard parts.count == 3, let header = decode(parts[0]), let signature = Base64URL.decode(parts[2]), !signature.isEmpty,
            let algorithm = header["alg"]?.string, header["crit"] == nil, header["b64"] == nil, isTokenType(header["typ"])
        else { return nil }
        let signed = Array(token.utf8.prefix(token.utf8.count - parts[2].utf8.count - 1))
        let isOwn = algorithm == "HS256"
        // Before the signature: a token that could not pass anyway is no reason to fetch keys.
        guard let claims = decode(parts[1]).flatMap(TokenClaims.init), isTimely(claims, isOwn: isOwn, now: now),
            isMeantForUs(claims, isOwn: isOwn), isOwn || !claims.roles.contains(Scope.system.rawValue)
        else { return nil }
        switch algorithm {
        case "HS256":
            guard HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: signed, using: key.tokens) else { return nil }
        case "RS256", "ES256":
            guard header["kid"] == nil || header["kid"]?.string != nil,
                await isSigned(signed, signature, algorithm, keyID: header["kid"]?.string, now: now)
            else { return nil }
        default: return nil
        }
        return claims
    }

    /// Whether another issuer has signed it. A key that nobody knows may be a new one, so it is asked for.
    private func isSigned(
        _ signed: [UInt8], _ signature: [UInt8], _ algorithm: String, keyID: String?, now: Timestamp
    ) async -> Bool {
        if let known = others.keys.verify(signature, of: signed, algorithm: algorithm, keyID: keyID) { return known }
        guard let remote = others.remote else { return false }
        var keys = remote.keys
        // A fetch that is under way may have begun before the key was there.
        for _ in 0..<2 {
            if let known = keys.verify(signature, of: signed, algorithm: algorithm, keyID: keyID) { return known }
            guard let news = await remote.refreshed(now: now) else { return false }
            keys = news
        }
        return keys.verify(signature, of: signed, algorithm: algorithm, keyID: keyID) ?? false
    }

    private func decode(_ part: Substring) -> JSONValue? {
        guard let bytes = Base64URL.decode(part), let value = try? JSONValue.parse(bytes, depthMax: 8), value.members != nil
        else {
            return nil
        }
        return value
    }

    private func isTokenType(_ type: JSONValue?) -> Bool {
        guard let type else { return true }
        return ["jwt", "at+jwt", "application/at+jwt"].contains(type.string?.lowercased() ?? "")
    }

    /// Our own tokens are made and read by the same clock, so that they end when they say; only nodes may differ a little.
    private func isTimely(_ claims: TokenClaims, isOwn: Bool, now: Timestamp) -> Bool {
        let early = now.advanced(by: isOwn ? .seconds(5) : TokenVerifier.tolerance)
        let late = isOwn ? now : now.advanced(by: .zero - TokenVerifier.tolerance)
        return claims.expiresAt > late && claims.issuedAt <= early && (claims.notBefore ?? claims.issuedAt) <= early
    }

    private func isMeantForUs(_ claims: TokenClaims, isOwn: Bool) -> Bool {
        if isOwn {
            return (claims.audiences?.contains(TokenSigner.audience) ?? true)
                && (claims.issuer ?? TokenSigner.audience) == TokenSigner.audience
        }
        let audience = others.audience.map { claims.audiences?.contains($0) ?? false } ?? true
        return audience && (others.issuer == nil || claims.issuer == others.issuer)
    }
}
