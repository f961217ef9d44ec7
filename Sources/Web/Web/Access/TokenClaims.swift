import WaybillEngine

/// What a bearer token says, once its shape is checked.
struct TokenClaims: Sendable, Equatable {
    var tenant: TenantID
    var user: String
    var roles: Set<String>
    var issuedAt: Timestamp
    var expiresAt: Timestamp
    var notBefore: Timestamp?
    var issuer: String?
    var audiences: [String]?

    /// - Returns: nil if a claim is missing or has another shape: `sub` 1 to 255 bytes, `tenant` a tenant's name, `roles` a
    ///   list of at most 64 roles, `exp` and `iat` numbers of seconds (fractions allowed), `nbf`, `iss` and `aud` if they are
    ///   there.
    init?(_ json: JSONValue) {
        guard let user = json["sub"]?.string, (1...255).contains(user.utf8.count),
            !user.unicodeScalars.contains(where: { $0.value < 32 }),
            let tenant = json["tenant"]?.string.flatMap(TenantID.init),
            let roles = json["roles"]?.array, roles.count <= 64,
            let issuedAt = json["iat"].flatMap(TokenClaims.time), let expiresAt = json["exp"].flatMap(TokenClaims.time)
        else { return nil }
        let names = roles.compactMap(\.string).filter(RoleTable.isRole)
        guard names.count == roles.count else { return nil }
        self.user = user
        self.tenant = tenant
        self.roles = Set(names)
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        if let claim = json["nbf"] {
            guard let time = TokenClaims.time(claim) else { return nil }
            notBefore = time
        }
        if let claim = json["iss"] {
            guard let text = claim.string else { return nil }
            issuer = text
        }
        switch json["aud"] {
        case nil: audiences = nil
        case .string(let text): audiences = [text]
        case .array(let values):
            guard values.allSatisfy({ $0.string != nil }) else { return nil }
            audiences = values.compactMap(\.string)
        default: return nil
        }
    }

    /// Seconds since 1970, from 0 to the year 9999.
    private static func time(_ value: JSONValue) -> Timestamp? {
        guard let seconds = value.number, (0...253_402_300_799).contains(seconds) else { return nil }
        return Int64(exactly: (seconds * 1_000_000).rounded()).map(Timestamp.init(microseconds:))
    }
}
