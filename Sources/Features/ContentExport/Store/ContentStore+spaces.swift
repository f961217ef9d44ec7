import WaybillDatabases
import WaybillEngine

/// Spaces beside the live one: what is restored is written to one of its own, and the switch to it is one row.
extension ContentStore {
    /// The epoch of rows in a space that was made whole: it is older than every cut of it.
    static let restoredEpoch: Int64 = 1

    /// Makes a space that nobody sees.
    /// - Parameter owner: what it is for.
    func makeSpace(for tenant: TenantID, owner: String, in session: any SQLSession) throws -> Int64 {
        let space = try next("space", in: session)
        try session.execute(
            "INSERT INTO content_spaces (space, tenant, owner) VALUES ($1, $2, $3)", space, tenant.text, owner)
        return space
    }

    /// What is needed to write to such a space.
    func writing(to space: Int64, of tenant: TenantID) -> ContentWriting {
        ContentWriting(space: ContentSpace(tenant: tenant, id: space, epoch: Self.restoredEpoch), heldEpoch: nil)
    }

    /// Makes a space the live one. The one that was live is kept until a time.
    /// - Returns: the space that was live; nil if there was none.
    func switchOver(
        to space: Int64, of tenant: TenantID, owner: String, keptUntil: Timestamp, in session: any SQLSession
    ) throws -> Int64? {
        try lockEpoch(of: tenant, isExclusive: true, in: session)
        let old = try self.space(of: tenant, in: session)
        try session.execute("DELETE FROM content_spaces WHERE space = $1 AND tenant = $2", space, tenant.text)
        if let old {
            try session.execute(
                "INSERT INTO content_spaces (space, tenant, owner, kept_until) VALUES ($1, $2, $3, $4)", old.id, tenant.text,
                owner, keptUntil.microseconds)
            try session.execute(
                "UPDATE content_tenants SET space = $1, epoch = epoch + 1 WHERE tenant = $2", space, tenant.text)
        } else {
            try session.execute(
                "INSERT INTO content_tenants (tenant, space, epoch) VALUES ($1, $2, $3)", tenant.text, space,
                Self.restoredEpoch + 1)
        }
        return old?.id
    }

    /// Whether a space is kept.
    func isKept(_ space: Int64, of tenant: TenantID, in session: any SQLSession) throws -> Bool {
        try session.first("SELECT 1 FROM content_spaces WHERE space = $1 AND tenant = $2", space, tenant.text) { _ in true }
            ?? false
    }

    /// Gives a space up that is not live. Its rows go with the next sweeps, after the cuts that need them.
    func dropSpace(_ space: Int64, of tenant: TenantID, in session: any SQLSession) throws {
        guard try isKept(space, of: tenant, in: session) else { return }
        try session.execute("DELETE FROM content_types WHERE space = $1", space)
        try session.execute("DELETE FROM content_chores WHERE space = $1", space)
        try addChore(.space, space: space, in: session)
        try session.execute("DELETE FROM content_spaces WHERE space = $1 AND tenant = $2", space, tenant.text)
    }

    /// Gives up the spaces whose time has passed. For the installation's own transactions.
    func dropKeptSpaces(now: Timestamp, in session: any SQLSession) throws {
        let due = try session.all(
            "SELECT space, tenant FROM content_spaces WHERE kept_until <= $1", now.microseconds
        ) { ($0.int64(0), TenantID($0.string(1))) }
        for (space, tenant) in due {
            if let tenant { try dropSpace(space, of: tenant, in: session) }
        }
    }

    /// Gives up all spaces of a tenant but the live one.
    func dropSpaces(of tenant: TenantID, in session: any SQLSession) throws {
        let all = try session.all("SELECT space FROM content_spaces WHERE tenant = $1", tenant.text) { $0.int64(0) }
        for space in all { try dropSpace(space, of: tenant, in: session) }
    }

    func hasKeptSpaces(now: Timestamp, in session: any SQLSession) throws -> Bool {
        try session.first("SELECT 1 FROM content_spaces WHERE kept_until <= $1 LIMIT 1", now.microseconds) { _ in true } ?? false
    }
}
