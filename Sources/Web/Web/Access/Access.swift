import WaybillEngine

/// Who asks, as proven by credentials.
public struct Identity: Sendable, Equatable {
    public var principal: Principal
    public var scopes: Set<Scope>
    /// When the token ends; nil for an API key without an end.
    public var expiresAt: Timestamp?
    /// When the token was made; nil for an API key.
    public var issuedAt: Timestamp?

    public init(principal: Principal, expiresAt: Timestamp? = nil, issuedAt: Timestamp? = nil) {
        self.principal = principal
        self.issuedAt = issuedAt
        self.scopes = RoleTable.scopes(of: principal.roles)
        self.expiresAt = expiresAt
    }
}

/// A link that was signed for one path of one tenant.
public struct SignedLink: Sendable, Equatable {
    public var tenant: TenantID
    public var expiresAt: Timestamp
}

/// What the credentials of a request amount to.
public enum Access: Sendable {
    /// None were sent.
    case anonymous
    case granted(Identity)
    /// The route takes signed links, and this one is valid.
    case link(SignedLink)
    /// Some were sent and are not valid. Routes that are open to all do not mind.
    case refused(Problem)
}

extension WebContext {
    public var identity: Identity? {
        if case .granted(let identity) = access { identity } else { nil }
    }

    public var principal: Principal? { identity?.principal }

    /// The tenant of the principal or of the signed link.
    public var tenant: TenantID? {
        switch access {
        case .granted(let identity): identity.principal.tenant
        case .link(let link): link.tenant
        default: nil
        }
    }

    public func has(_ scope: Scope) -> Bool { identity?.scopes.contains(scope) ?? false }

    /// Who asks, whatever he may do.
    /// - Throws: a 401 problem if that is not proven.
    @discardableResult
    public func requirePrincipal() throws -> Principal {
        switch access {
        case .granted(let identity): return identity.principal
        case .refused(let problem): throw problem
        case .anonymous, .link: throw Problem.unauthorized("a bearer token or an API key is needed")
        }
    }

    /// Who asks, if he has the scope.
    /// - Throws: a 401 problem if it is not proven who asks, a 403 problem if the scope is missing.
    @discardableResult
    public func require(_ scope: Scope) throws -> Principal {
        let principal = try requirePrincipal()
        guard has(scope) else {
            throw Problem.forbidden("the scope \(scope) is needed").with("scope", .string(scope.rawValue))
        }
        return principal
    }
}
