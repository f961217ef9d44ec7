import Synchronization
import WaybillDatabases
import WaybillEngine

/// The roles a user has now, as the newest of his tokens says. A job asks here before it reads on behalf of its owner.
public final class RightsRegistry: Sendable {
    private struct User: Hashable, Sendable {
        var tenant: TenantID
        var name: String
    }

    private struct Seen: Sendable, Equatable {
        var roles: Set<String>
        var issuedAt: Timestamp
        var isStored: Bool
    }

    private let database: any SQLDatabase
    private let keys: ApiKeyStore
    private let time: any TimeSource
    private let seen = Mutex<[User: Seen]>([:])
    private let usersMax: Int

    public init(_ database: any SQLDatabase, keys: ApiKeyStore, time: any TimeSource, usersMax: Int = 20_000) {
        self.database = database
        self.keys = keys
        self.time = time
        self.usersMax = usersMax
    }

    /// The roles of the owner of a job at this moment.
    /// - Returns: nil if his API key is revoked or expired, or no token of his was ever seen.
    /// - Throws: `SQLError`.
    public func roles(of principal: Principal) async throws -> Set<String>? {
        if let key = principal.apiKey { return try await keys.roles(ofKey: key, of: principal.tenant, now: time.now()) }
        let user = User(tenant: principal.tenant, name: principal.user)
        // Another node may have stored a newer token; this one may have seen one that could not be stored.
        let stored = try await database.read(of: user.tenant) { session in
            try session.first(
                "SELECT roles, issued_at FROM web_principals WHERE tenant = $1 AND user_name = $2", user.tenant.text, user.name
            ) { Seen(roles: RightsRegistry.split($0.string(0)), issuedAt: Timestamp(microseconds: $0.int64(1)), isStored: true) }
        }
        if let known = seen.withLock({ $0[user] }), !known.isStored, stored.map({ known.issuedAt >= $0.issuedAt }) ?? true {
            return known.roles
        }
        return stored?.roles
    }

    /// Takes note of a valid token. Costs a write only when the token is newer than what is known, or as new and different.
    ///
    /// If that write fails, the roles count all the same, and the next request tries again: a full disk must not lock anybody
    /// out.
    func observe(_ principal: Principal, issuedAt: Timestamp) async {
        let user = User(tenant: principal.tenant, name: principal.user)
        let roles = principal.roles
        let isNews = seen.withLock { seen in
            if let known = seen[user] {
                if issuedAt < known.issuedAt { return false }
                if known.roles == roles, known.issuedAt == issuedAt { return !known.isStored }
            }
            return true
        }
        guard isNews else { return }
        do {
            let stored = try await database.write(of: user.tenant) { session in
                try TenantGate.admit(user.tenant, since: issuedAt, in: session)
                return try RightsRegistry.store(roles, issuedAt, of: user.tenant.text, user.name, in: session)
            }
            remember(Seen(roles: stored.roles, issuedAt: stored.issuedAt, isStored: true), of: user)
        } catch {
            remember(Seen(roles: roles, issuedAt: issuedAt, isStored: false), of: user)
        }
    }

    private func remember(_ news: Seen, of user: User) {
        seen.withLock { seen in
            if let known = seen[user], known.issuedAt > news.issuedAt { return }
            if seen.count >= usersMax, seen[user] == nil { seen = seen.filter { !$0.value.isStored } }
            if seen.count < usersMax || seen[user] != nil { seen[user] = news }
        }
    }

    /// Writes the roles unless newer ones are there, and returns those that then count.
    private static func store(
        _ roles: Set<String>, _ issuedAt: Timestamp, of tenant: String, _ user: String, in session: any SQLSession
    ) throws -> (roles: Set<String>, issuedAt: Timestamp) {
        let newer = try session.first(
            "SELECT roles, issued_at FROM web_principals WHERE tenant = $1 AND user_name = $2 AND issued_at > $3",
            tenant, user, issuedAt.microseconds
        ) { (roles: split($0.string(0)), issuedAt: Timestamp(microseconds: $0.int64(1))) }
        if let newer { return newer }
        try session.execute(
            """
            INSERT INTO web_principals (tenant, user_name, roles, issued_at) VALUES ($1, $2, $3, $4)
            ON CONFLICT (tenant, user_name) DO UPDATE SET roles = $3, issued_at = $4
            """,
            tenant, user, roles.sorted().joined(separator: " "), issuedAt.microseconds)
        return (roles, issuedAt)
    }

    /// Every tenant in which somebody has used a token.
    public func tenants() async throws -> [TenantID] {
        try await database.read { session in
            try session.all("SELECT DISTINCT tenant FROM web_principals ORDER BY tenant") { TenantID($0.string(0)) }.compactMap {
                $0
            }
        }
    }

    /// Drops what is remembered of a tenant.
    func forget(_ tenant: TenantID) {
        seen.withLock { seen in seen = seen.filter { $0.key.tenant != tenant } }
    }

    private static func split(_ text: String) -> Set<String> { Set(text.split(separator: " ").map(String.init)) }
}
