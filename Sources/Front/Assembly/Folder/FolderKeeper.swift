import AuditTrail
import Foundation
import WaybillDatabases
import WaybillEngine
import Web

/// What the command line does with the rows of an installation: in a data folder that no server holds, or in a database that
/// nodes may be using at the same time.
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
        public var expiresAt: Date?
        public var secret: String?
        public var isRevoked: Bool
    }

    private let closing: @Sendable () async throws -> Void
    private let keys: ApiKeyStore
    private let audit: AuditStore
    private let time = SystemTime()

    /// - Throws: `SQLError` with code `.unavailable` if a server holds the folder, or the database can't be reached.
    public init(_ settings: Settings) async throws {
        audit = AuditStore(isEnabled: settings.audit.isEnabled)
        guard settings.database.url != nil else {
            let installation = try await Installation(settings, migrating: true, now: time.now())
            keys = ApiKeyStore(installation.database)
            closing = { try await installation.close() }
            return
        }
        // Shared with nodes, each of which has a folder of its own: nothing of a folder is needed here.
        let open = try OpenDatabase(settings.database, folder: settings.data.folder)
        keys = ApiKeyStore(open.database)
        closing = open.close
        do {
            try await Migrations.prepare(
                open.database, settings.database, migrating: settings.database.migrate == .auto, now: time.now())
        } catch {
            try await open.close()
            throw error
        }
    }

    private static func date(_ time: Timestamp) -> Date { Date(timeIntervalSince1970: Double(time.microseconds) / 1_000_000) }

    /// - Parameter lifetime: nil: until it is revoked.
    public func createKey(
        tenant: String, user: String, name: String, roles: [String], lifetime: Duration? = nil
    ) async throws -> Key {
        let tenant = try Self.tenant(tenant)
        let now = time.now()
        let expiresAt = lifetime.map { now.advanced(by: $0) }
        let id = UUID().uuidString.lowercased()
        let secret = try await keys.create(
            id: id, tenant: tenant, user: user, roles: Set(roles), name: name, expiresAt: expiresAt,
            random: SystemRandom.bytes(32), now: now
        ) { [self] session, key, secret in
            try record(
                .keyCreate, key.id,
                [
                    AuditDetail("user", user), AuditDetail("name", name),
                    AuditDetail("roles", roles.sorted().joined(separator: " ")),
                ], of: tenant, in: session)
            return secret
        }
        return Key(
            id: id, tenant: tenant.text, user: user, name: name, roles: roles, expiresAt: expiresAt.map(Self.date),
            secret: secret,
            isRevoked: false)
    }

    public func keys(tenant: String) async throws -> [Key] {
        try await keys.list(tenant: try Self.tenant(tenant)).map { key in
            Key(
                id: key.id, tenant: key.tenant.text, user: key.user, name: key.name, roles: key.roles.sorted(),
                expiresAt: key.expiresAt.map(Self.date),
                secret: nil,
                isRevoked: key.revokedAt != nil)
        }
    }

    public func revokeKey(_ id: String, tenant: String) async throws {
        let owner = try Self.tenant(tenant)
        let isKnown = try await keys.revoke(id: id.lowercased(), tenant: owner, now: time.now()) { [self] session in
            try record(.keyRevoke, id.lowercased(), [], of: owner, in: session)
        }
        guard isKnown else {
            throw Refusal(description: "the tenant has no key \(id)", isUnknown: true)
        }
    }

    public func close() async throws {
        try await closing()
    }

    /// What is done on the machine itself is nobody's of the tenant.
    private func record(
        _ action: AuditAction, _ target: String, _ details: [AuditDetail], of tenant: TenantID, in session: any SQLSession
    ) throws {
        let event = AuditEvent(
            at: time.now(), user: nil, action: action, target: target, outcome: AuditEvent.success,
            details: details + [AuditDetail("by", "command line")])
        try audit.record(event, of: tenant, in: session)
    }

    static func tenant(_ text: String) throws -> TenantID {
        guard let tenant = TenantID(text), !tenant.isScratch else {
            throw Refusal(description: "‘\(text)’ is no tenant name", isUnknown: false)
        }
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
