import Crypto
import Synchronization
import WaybillDatabases
import WaybillEngine

/// What is known of an API key. The secret itself is known only to who made it.
public struct ApiKey: Sendable, Equatable {
    public var id: String
    public var tenant: TenantID
    public var user: String
    /// Roles, and single scopes (with a colon).
    public var roles: Set<String>
    public var name: String
    public var createdAt: Timestamp
    public var expiresAt: Timestamp?
    public var lastUsedAt: Timestamp?
    public var revokedAt: Timestamp?

    public func isValid(at now: Timestamp) -> Bool { revokedAt == nil && expiresAt.map { $0 > now } ?? true }
}

/// API keys, stored as the SHA-256 of a random secret of 256 bits.
public final class ApiKeyStore: Sendable {
    /// What every secret begins with.
    static let secretPrefix = "wbk_"
    private let database: any SQLDatabase
    /// When the last use of a key was written, so that it is written once a minute at most.
    private let uses = Mutex<[String: Timestamp]>([:])

    public init(_ database: any SQLDatabase) { self.database = database }

    /// Makes a key.
    /// - Parameters:
    ///   - id: a new UUID.
    ///   - random: 32 random bytes.
    ///   - writing: what belongs to it in the same transaction; it is given the key and its secret.
    /// - Returns: what `writing` returns.
    /// - Throws: a 400 problem if a role is none, or is `system`; a 410 problem while the tenant is being erased; `SQLError`.
    public func create<T: Sendable>(
        id: String, tenant: TenantID, user: String, roles: Set<String>, name: String, expiresAt: Timestamp?, random: [UInt8],
        now: Timestamp, writing: @escaping @Sendable (any SQLSession, ApiKey, _ secret: String) throws -> T
    ) async throws -> T {
        guard (1...255).contains(user.utf8.count), !hasControls(user) else {
            throw Problem.invalid("user", "must have 1 to 255 bytes, and no control characters")
        }
        guard name.utf8.count <= 255, !hasControls(name) else {
            throw Problem.invalid("name", "must have at most 255 bytes, and no control characters")
        }
        guard roles.count <= 64 else { throw Problem.invalid("roles", "must be at most 64") }
        guard random.count >= 32 else { throw Problem(.internalError, "a key needs 32 random bytes") }
        if let bad = roles.first(where: { !RoleTable.isRole($0) || $0 == Scope.system.rawValue }) {
            throw Problem.invalid("roles", "\(bad.prefix(64)) can't be given to a key")
        }
        let secret = Self.secretPrefix + Base64URL.encode(random)
        let hash = ApiKeyStore.hash(secret)
        let key = ApiKey(
            id: id, tenant: tenant, user: user, roles: roles, name: name, createdAt: now, expiresAt: expiresAt, lastUsedAt: nil,
            revokedAt: nil)
        return try await database.write(of: tenant) { session in
            try TenantGate.admit(tenant, since: now, in: session)
            try session.execute(
                """
                INSERT INTO web_api_keys (id, hash, tenant, user_name, roles, name, created_at, expires_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                """,
                id, hash, tenant.text, user, roles.sorted().joined(separator: " "), name, now.microseconds,
                expiresAt?.microseconds)
            return try writing(session, key, secret)
        }
    }

    /// Makes a key, and nothing with it.
    /// - Returns: the secret, to be shown once.
    /// - Throws: as the other.
    public func create(
        id: String, tenant: TenantID, user: String, roles: Set<String>, name: String, expiresAt: Timestamp?, random: [UInt8],
        now: Timestamp
    ) async throws -> String {
        try await create(
            id: id, tenant: tenant, user: user, roles: roles, name: name, expiresAt: expiresAt, random: random, now: now
        ) { _, _, secret in secret }
    }

    /// The keys of a tenant, of all without one, oldest first.
    public func list(tenant: TenantID?) async throws -> [ApiKey] {
        try await database.read(of: tenant) { session in
            try session.all(
                "SELECT \(ApiKeyStore.columns) FROM web_api_keys WHERE ($1 = '' OR tenant = $1) ORDER BY created_at, id",
                tenant?.text ?? "", make: ApiKeyStore.key
            ).compactMap { $0 }
        }
    }

    /// Ends a key at once. Ending it again changes nothing.
    /// - Parameter writing: what belongs to it in the same transaction, if there is such a key.
    /// - Returns: whether there is such a key.
    public func revoke(
        id: String, tenant: TenantID?, now: Timestamp, writing: @escaping @Sendable (any SQLSession) throws -> Void = { _ in }
    ) async throws -> Bool {
        try await database.write(of: tenant) { session in
            let known = try session.count(
                "SELECT COUNT(*) FROM web_api_keys WHERE id = $1 AND ($2 = '' OR tenant = $2)", id, tenant?.text ?? "")
            try session.execute(
                "UPDATE web_api_keys SET revoked_at = $1 WHERE id = $2 AND ($3 = '' OR tenant = $3) AND revoked_at IS NULL",
                now.microseconds, id, tenant?.text ?? "")
            if known > 0 { try writing(session) }
            return known > 0
        }
    }

    /// Who a secret speaks for.
    /// - Throws: a 401 problem, the same whatever is wrong; `SQLError`.
    func verify(_ secret: String, now: Timestamp) async throws -> Identity {
        let hash = ApiKeyStore.hash(secret)
        // Whose key it is, is what this asks: it is the one look of a request that is not its tenant's.
        let known =
            secret.utf8.count > 200
            ? nil
            : try await database.read { session in
                try session.first("SELECT \(ApiKeyStore.columns) FROM web_api_keys WHERE hash = $1", hash, make: ApiKeyStore.key)
            }
        guard case .some(.some(let key)) = known, key.isValid(at: now) else {
            throw Problem.unauthorized("the API key ‘\(MisplacedSecret.shown(secret))’ is not valid", error: "invalid_token")
        }
        await noteUse(of: key, now: now)
        let principal = Principal(
            tenant: key.tenant, user: key.user, roles: key.roles.subtracting([Scope.system.rawValue]), apiKey: key.id)
        return Identity(principal: principal, expiresAt: key.expiresAt)
    }

    /// The roles a key has now; nil once it is revoked or has expired, or was never there.
    func roles(ofKey id: String, of tenant: TenantID, now: Timestamp) async throws -> Set<String>? {
        let key = try await database.read(of: tenant) { session in
            try session.first("SELECT \(ApiKeyStore.columns) FROM web_api_keys WHERE id = $1", id, make: ApiKeyStore.key)
        }
        guard case .some(.some(let key)) = key, key.isValid(at: now) else { return nil }
        return key.roles
    }

    private func noteUse(of key: ApiKey, now: Timestamp) async {
        let isDue = uses.withLock { uses in
            if let last = uses[key.id] ?? key.lastUsedAt, now.since(last) < .seconds(60) { return false }
            if uses.count >= 10_000 { uses.removeAll() }
            uses[key.id] = now
            return true
        }
        guard isDue else { return }
        // A key must go on working while nothing can be written, so that this may fail.
        do {
            try await database.write(of: key.tenant) { session in
                _ = try session.execute("UPDATE web_api_keys SET last_used_at = $1 WHERE id = $2", now.microseconds, key.id)
            }
        } catch {
            uses.withLock { $0[key.id] = nil }
        }
    }

    private func hasControls(_ text: String) -> Bool { text.unicodeScalars.contains { $0.value < 32 || $0.value == 127 } }

    private static func hash(_ secret: String) -> [UInt8] { Array(SHA256.hash(data: Array(secret.utf8))) }

    private static let columns = "id, tenant, user_name, roles, name, created_at, expires_at, last_used_at, revoked_at"

    private static func key(_ row: SQLRow) -> ApiKey? {
        TenantID(row.string(1)).map { tenant in
            ApiKey(
                id: row.string(0), tenant: tenant, user: row.string(2),
                roles: Set(row.string(3).split(separator: " ").map(String.init)), name: row.string(4),
                createdAt: Timestamp(microseconds: row.int64(5)),
                expiresAt: row.optionalInt64(6).map(Timestamp.init(microseconds:)),
                lastUsedAt: row.optionalInt64(7).map(Timestamp.init(microseconds:)),
                revokedAt: row.optionalInt64(8).map(Timestamp.init(microseconds:)))
        }
    }
}
