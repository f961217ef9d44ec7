import Crypto
import Synchronization
import WaybillDatabases
import WaybillEngine

/// Keeps a tenant that is being erased, or was, from coming back by what was asked for before.
///
/// While the erasure runs nobody of the tenant is let in, and no transaction may write for it. Afterwards a tenant of that name
/// is a new one: tokens that were issued, and requests that came, before the erasure's end stay refused. Of an erased tenant only
/// a hash of its name is kept here.
public final class TenantGate: Sendable {
    private enum Standing: Sendable {
        case open
        case erasing
        case erased(at: Timestamp)
    }

    private struct Look: Sendable {
        var standing: Standing
        var at: Timestamp
    }

    /// For how long a look at the database is good. Writes always look anew.
    private static let lookLifetime = Duration.seconds(1)
    private static let tenantsMax = 10_000

    private let database: any SQLDatabase
    private let looks = Mutex<[TenantID: Look]>([:])

    init(_ database: any SQLDatabase) { self.database = database }

    /// Lets a credential in.
    /// - Parameter issuedAt: when it was made; nil for one that the erasure removes itself.
    /// - Throws: a 410 problem.
    func admit(_ tenant: TenantID, issuedAt: Timestamp?, now: Timestamp) async throws {
        switch await standing(of: tenant, now: now) {
        case .open: return
        case .erasing: throw TenantGate.isErasing
        case .erased(let end):
            if let issuedAt, issuedAt <= end { throw TenantGate.isErased }
        }
    }

    /// Lets a transaction write for a tenant. To be called in it.
    /// - Parameter since: when what is written was asked for.
    /// - Throws: a 410 problem, `SQLError`.
    public static func admit(_ tenant: TenantID, since: Timestamp, in session: any SQLSession) throws {
        switch try standing(of: tenant, in: session) {
        case .open: return
        case .erasing: throw isErasing
        case .erased(let end): if since <= end { throw isErased }
        }
    }

    /// Closes the gate: to be called in the transaction that makes the erasure's job. Call `forget` after it.
    public func close(_ tenant: TenantID, now: Timestamp, in session: any SQLSession) throws {
        try session.isolated(to: tenant.text) {
            _ = try session.execute(
                """
                INSERT INTO web_erasures (name_hash, began_at, erased_at) VALUES ($1, $2, NULL)
                ON CONFLICT (name_hash) DO UPDATE SET began_at = $2
                """,
                TenantGate.hash(tenant), now.microseconds)
        }
    }

    /// Opens the gate for a new tenant of that name, in the transaction in which the erasure ends.
    /// - Parameter erasedAt: nil if the erasure was given up.
    public static func open(_ tenant: TenantID, erasedAt: Timestamp?, in session: any SQLSession) throws {
        try session.isolated(to: tenant.text) {
            guard let erasedAt else {
                try session.execute("DELETE FROM web_erasures WHERE name_hash = $1 AND erased_at IS NULL", hash(tenant))
                try session.execute("UPDATE web_erasures SET began_at = NULL WHERE name_hash = $1", hash(tenant))
                return
            }
            try session.execute(
                "UPDATE web_erasures SET began_at = NULL, erased_at = $1 WHERE name_hash = $2", erasedAt.microseconds,
                hash(tenant))
        }
    }

    /// Forgets what was seen of a tenant, so that the next request looks anew.
    public func forget(_ tenant: TenantID) {
        looks.withLock { $0[tenant] = nil }
    }

    private func standing(of tenant: TenantID, now: Timestamp) async -> Standing {
        let last = looks.withLock { $0[tenant] }
        if let last, now.since(last.at) < TenantGate.lookLifetime { return last.standing }
        do {
            let standing = try await database.read(of: tenant) { try TenantGate.standing(of: tenant, in: $0) }
            looks.withLock { looks in
                if looks.count >= TenantGate.tenantsMax, looks[tenant] == nil { looks.removeAll() }
                looks[tenant] = Look(standing: standing, at: now)
            }
            return standing
        } catch {
            // Whoever can't be looked up is not locked out: writes look for themselves.
            return last?.standing ?? .open
        }
    }

    private static func standing(of tenant: TenantID, in session: any SQLSession) throws -> Standing {
        try session.isolated(to: tenant.text) {
            try session.first("SELECT began_at, erased_at FROM web_erasures WHERE name_hash = $1", hash(tenant)) { row in
                if row.optionalInt64(0) != nil { return Standing.erasing }
                return row.optionalInt64(1).map { .erased(at: Timestamp(microseconds: $0)) } ?? .open
            } ?? .open
        }
    }

    private static func hash(_ tenant: TenantID) -> [UInt8] { Array(SHA256.hash(data: Array("tenant \(tenant)".utf8))) }

    private static let isErasing = Problem(.tenantErased, "the tenant is being erased")
    private static let isErased = Problem(
        .tenantErased, "the tenant was erased after this was issued; a new token makes a new tenant of the name")
}
