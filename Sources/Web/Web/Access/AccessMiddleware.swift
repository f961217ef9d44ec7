import HTTPTypes
import Hummingbird
import Logging
import WaybillEngine

/// Reads the credentials of a request. Whether they are needed is the route's matter.
struct AccessMiddleware: RouterMiddleware {
    typealias Context = WebContext
    let floor: WebFloor

    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        do {
            context.access = try await read(request, context)
        } catch let problem as Problem where problem.kind.status < 500 {
            context.access = .refused(problem)
        }
        if let principal = context.principal {
            context.record.note(tenant: principal.tenant.text, user: principal.user)
        }
        return try await next(request, context)
    }

    private func read(_ request: Request, _ context: WebContext) async throws -> Access {
        let tokens = request.headers[values: .authorization]
        let secrets = request.headers[values: .apiSecret]
        switch (tokens.count, secrets.count) {
        case (0, 0):
            if let misplaced = MisplacedSecret.field(of: request) { throw MisplacedSecret.problem(in: misplaced) }
            return .anonymous
        case (1, 0):
            return .granted(try await floor.identity(bearer: bearer(tokens[0]), now: context.arrivedAt))
        case (0, 1):
            try MisplacedSecret.check(secrets[0])
            let identity = try await floor.keys.verify(secrets[0], now: context.arrivedAt)
            try floor.refuseScratch(identity)
            try await floor.tenants.admit(identity.principal.tenant, issuedAt: nil, now: context.arrivedAt)
            return .granted(identity)
        default: throw Problem.unauthorized("credentials were sent more than once", error: "invalid_request")
        }
    }

    private func bearer(_ value: String) throws -> String {
        let parts = value.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer", !parts[1].contains(" "), !parts[1].contains(",") else {
            throw Problem.unauthorized("the Authorization field must be a bearer token", error: "invalid_request")
        }
        if parts[1].hasPrefix(ApiKeyStore.secretPrefix) { throw MisplacedSecret.problem(in: "Authorization") }
        return String(parts[1])
    }
}

extension WebFloor {
    /// Who a bearer token speaks for, wherever it was sent.
    /// - Throws: a problem.
    func identity(bearer token: String, now: Timestamp) async throws -> Identity {
        let (identity, issuedAt) = try await verifier.verify(token, now: now)
        try refuseScratch(identity)
        try await tenants.admit(identity.principal.tenant, issuedAt: issuedAt, now: now)
        await rights.observe(identity.principal, issuedAt: issuedAt)
        return identity
    }

    /// Nobody is of a scratch tenant, whatever another issuer says.
    fileprivate func refuseScratch(_ identity: Identity) throws {
        guard !identity.principal.tenant.isScratch else {
            throw Problem.unauthorized(
                "names that begin with \(TenantID.scratchPrefix) are no tenants' that anybody signs in to", error: "invalid_token"
            )
        }
    }
}
