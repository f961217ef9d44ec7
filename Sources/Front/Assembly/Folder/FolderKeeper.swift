import Foundation
import WaybillDatabases
import WaybillEngine
import Web

/// What the command line does with a data folder that no server holds.
public final class FolderKeeper: Sendable {
    public struct Refusal: Error, CustomStringConvertible {
        public let description: String
        public let isUnknown: Bool
    }

    public struct Key: Sendable {
        public var id: String
        public var tenant: String
        public var user: String
        public var name: String
        public var roles: [String]
        public var secret: String?
        public var isRevoked: Bool
    }

    private let installation: Installation
    private let keys: ApiKeyStore
    private let time = SystemTime()

    /// - Throws: `SQLError` with code `.unavailable` if a server holds the folder.
    public init(_ settings: Settings) async throws {
        installation = try await Installation(settings, migrating: true, now: time.now())
        keys = ApiKeyStore(installation.database)
    }

    public func createKey(tenant: String, user: String, name: String, roles: [String]) async throws -> Key {
        let tenant = try Self.tenant(tenant)
        let id = UUID().uuidString.lowercased()
        let secret = try await keys.create(
            id: id, tenant: tenant, user: user, roles: Set(roles), name: name, expiresAt: nil, random: SystemRandom.bytes(32),
            now: time.now())
        return Key(id: id, tenant: tenant.text, user: user, name: name, roles: roles, secret: secret, isRevoked: false)
    }

    public func keys(tenant: String) async throws -> [Key] {
        try await keys.list(tenant: try Self.tenant(tenant)).map { key in
            Key(
                id: key.id, tenant: key.tenant.text, user: key.user, name: key.name, roles: key.roles.sorted(), secret: nil,
                isRevoked: key.revokedAt != nil)
        }
    }

    public func revokeKey(_ id: String, tenant: String) async throws {
        guard try await keys.revoke(id: id.lowercased(), tenant: try Self.tenant(tenant), now: time.now()) else {
            throw Refusal(description: "the tenant has no key \(id)", isUnknown: true)
        }
    }

    public func close() async throws {
        try await installation.close()
    }

    static func tenant(_ text: String) throws -> TenantID {
        guard let tenant = TenantID(text) else { throw Refusal(description: "‘\(text)’ is no tenant name", isUnknown: false) }
        return tenant
    }

    /// A bearer token, signed with the key of a data folder, which is made if there is none.
    public static func token(_ settings: Settings, tenant: String, user: String, roles: [String], lifetime: Duration) throws
        -> String
    {
        guard (1...255).contains(user.utf8.count) else {
            throw Refusal(description: "a user has 1 to 255 bytes", isUnknown: false)
        }
        return TokenSigner(try SigningKeyFile.key(of: settings))
            .sign(tenant: try Self.tenant(tenant), user: user, roles: Set(roles), lifetime: lifetime, now: SystemTime().now())
            .token
    }
}
