import Foundation

/// A key that programs use instead of a token. Its secret is told once, when it is made.
public struct WaybillAPIKey: Sendable, Hashable, Codable, Identifiable {
    public var id: String
    public var name: String?
    public var tenant: String?
    public var user: String?
    public var roles: [String]?
    public var scopes: [String]?
    public var createdAt: Date?
    /// From when on it is not good any more; nil: it is until it is revoked.
    public var expiresAt: Date?
    public var lastUsedAt: Date?
    public var revokedAt: Date?
    /// Only in the answer that makes it.
    public var secret: String?

    public init(
        id: String, name: String? = nil, tenant: String? = nil, user: String? = nil, roles: [String]? = nil,
        scopes: [String]? = nil, expiresAt: Date? = nil,
        secret: String? = nil
    ) {
        self.id = id
        self.name = name
        self.tenant = tenant
        self.user = user
        self.roles = roles
        self.scopes = scopes
        self.expiresAt = expiresAt
        self.secret = secret
    }
}

/// Whose key is to be made, and what it may do.
public struct APIKeyRequest: Sendable, Hashable, Codable {
    public var tenant: String?
    public var user: String
    public var name: String?
    public var roles: [String]?
    public var scopes: [String]?
    /// How long it is good for; until it is revoked if nil.
    public var ttlSeconds: Int64?

    public init(
        user: String, tenant: String? = nil, name: String? = nil, roles: [String]? = nil, scopes: [String]? = nil,
        ttlSeconds: Int64? = nil
    ) {
        self.user = user
        self.tenant = tenant
        self.name = name
        self.roles = roles
        self.scopes = scopes
        self.ttlSeconds = ttlSeconds
    }
}

/// API keys: `client.apiKeys`.
public struct APIKeyCalls: Sendable {
    let caller: Caller
    private static let path = ["apikeys"]
    private struct Listed: Decodable { var keys: [WaybillAPIKey] }

    public func create(_ request: APIKeyRequest) async throws -> WaybillAPIKey {
        try await caller.json(
            caller.request("POST", APIKeyCalls.path, headers: [Caller.jsonContent], body: try Caller.body(request)))
    }

    public func list() async throws -> [WaybillAPIKey] {
        try await caller.json(caller.request("GET", APIKeyCalls.path), as: Listed.self).keys
    }

    /// Ends a key at once.
    public func revoke(_ id: String) async throws {
        try await caller.finish(caller.request("DELETE", APIKeyCalls.path + [id]))
    }
}
