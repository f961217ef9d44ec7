import AuditTrail
import Hummingbird
import WaybillEngine
import Web

/// `/apikeys`: the keys that programs use instead of a token.
struct APIKeyRoutes: Sendable {
    let feature: AdministrationFeature

    private struct Body: JSONBody {
        static let fields: Set = ["tenant", "user", "name", "roles", "scopes", "ttlSeconds"]
        var tenant: TenantID?
        var user: String
        var name: String?
        var roles: [String]?
        var scopes: [String]?
        var ttlSeconds: Int64?

        /// Ten years.
        static let ttlSecondsMax: Int64 = 315_360_000

        static let schema = Schema.body([
            "tenant": Schema.tenant.described("one's own; another's with the role `system`").optional, "user": .string(1...255),
            "name": .string(0...255).optional, "roles": .array(of: .string(1...64)).optional,
            "scopes": .array(of: .string(1...64)).optional, "ttlSeconds": .integer(1...Int(ttlSecondsMax)).optional,
        ])
    }

    private struct View: Encodable {
        var id: String
        var name: String
        var tenant: String
        var user: String
        var roles: [String]
        var scopes: [String]
        var createdAt: WireTime
        var expiresAt: WireTime?
        var lastUsedAt: WireTime?
        var revokedAt: WireTime?
        var secret: String?

        init(_ key: ApiKey, secret: String? = nil) {
            id = key.id
            name = key.name
            tenant = key.tenant.text
            user = key.user
            roles = key.roles.filter { !$0.contains(":") }.sorted()
            scopes = key.roles.filter { $0.contains(":") }.sorted()
            createdAt = WireTime(key.createdAt)
            expiresAt = WireTime(key.expiresAt)
            lastUsedAt = WireTime(key.lastUsedAt)
            revokedAt = WireTime(key.revokedAt)
            self.secret = secret
        }

        static let schema = Schema.object([
            "id": .uuid, "name": .string, "tenant": .tenant, "user": .string, "roles": .array(of: .string),
            "scopes": .array(of: .string), "createdAt": .dateTime, "expiresAt": .dateTime.optional,
            "lastUsedAt": .dateTime.optional,
            "revokedAt": .dateTime.optional, "secret": .string.described("only in the answer that makes it").optional,
        ])
    }

    func mount(_ catalog: RouteCatalog) {
        catalog.component("APIKey", View.schema)
        let create = RouteDoc("createAPIKey", "Makes an API key", tag: "administration", access: .scope(.tenantAdmin))
            .described(
                "With an `Idempotency-Key` a retry within a day gets the same key and secret; until then the answer is kept, "
                    + "encrypted under a key that comes from the signing key."
            )
            .holdingSecret().body(Body.schema).answer(201, "the key with its secret, which is shown this once", .ref("APIKey"))
        catalog.change(.post, "/apikeys", create) { request, context, ticket in
            let principal = try context.require(.tenantAdmin)
            let (body, _) = try await request.json(Body.self)
            let tenant = try Self.tenant(body.tenant, principal, context)
            let roles = Set((body.roles ?? []) + (body.scopes ?? []))
            guard !roles.isEmpty else { throw Problem.invalid("roles", "a key without a role or scope may do nothing") }
            guard (1...Body.ttlSecondsMax).contains(body.ttlSeconds ?? 1) else {
                throw Problem.invalid("ttlSeconds", "must be from 1 to \(Body.ttlSecondsMax)")
            }
            let id = feature.newID()
            let expires = body.ttlSeconds.map { context.arrivedAt.advanced(by: .seconds($0)) }
            return try await feature.floor.keys.create(
                id: id, tenant: tenant, user: body.user, roles: roles, name: body.name ?? "", expiresAt: expires,
                random: feature.floor.random(32), now: context.arrivedAt
            ) { session, key, secret in
                let answer = try StoredAnswer(status: 201, json: View(key, secret: secret))
                try ticket.settle(session, answer, auditing: AuditEntry(creationOf: key))
                return answer
            }
        }

        let list = RouteDoc(
            "listAPIKeys", "Lists the API keys of the tenant", tag: "administration", access: .scope(.tenantAdmin)
        )
        .answer(200, "all keys, oldest first, without their secrets", .object(["keys": .array(of: .ref("APIKey"))]))
        catalog.route(.get, "/apikeys", list) { _, context in
            let principal = try context.require(.tenantAdmin)
            return try JSONAnswer(["keys": try await feature.floor.keys.list(tenant: principal.tenant).map { View($0) }])
        }

        let revoke = RouteDoc("revokeAPIKey", "Ends an API key at once", tag: "administration", access: .scope(.tenantAdmin))
            .path("keyId", .uuid).answer(204, "ended")
        catalog.change(.delete, "/apikeys/{keyId}", revoke) { _, context, ticket in
            let principal = try context.require(.tenantAdmin)
            let id = try context.pathID("keyId")
            let answer = StoredAnswer(status: 204)
            let isKnown = try await feature.floor.keys.revoke(id: id, tenant: principal.tenant, now: context.arrivedAt) {
                try ticket.settle($0, answer, auditing: AuditEntry(.keyRevoke, id))
            }
            guard isKnown else { throw Problem.notFound("there is no such key") }
            return answer
        }
    }

    private static func tenant(_ asked: TenantID?, _ principal: Principal, _ context: WebContext) throws -> TenantID {
        guard let asked, asked != principal.tenant else { return principal.tenant }
        guard context.has(.system) else { throw Problem.forbidden("another tenant's keys take the role system") }
        return asked
    }
}

extension AuditEntry {
    /// Everything of a key but its secret.
    fileprivate init(creationOf key: ApiKey) {
        self.init(
            .keyCreate, key.id,
            details: [
                AuditDetail("user", key.user), AuditDetail("name", key.name),
                AuditDetail("roles", key.roles.sorted().joined(separator: " ")),
            ], tenant: key.tenant)
    }
}
