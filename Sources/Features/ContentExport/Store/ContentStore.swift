import SeededBugs
import WaybillDatabases
import WaybillEngine

/// The content of all tenants. It keeps nothing itself: every function works in the transaction of the session it is given.
public struct ContentStore: Sendable {
    /// What long reads go through.
    static let scannedTables = ["content_items", "content_index"]

    public init() {}
}

/// The rows of a tenant that are live.
public struct ContentSpace: Hashable, Sendable {
    public let tenant: TenantID
    public let id: Int64
    /// The epoch that rows written now get.
    public let epoch: Int64
}

/// What a writing transaction has to know of the cuts: read once for all its writes.
public struct ContentWriting: Sendable {
    public let space: ContentSpace
    /// The epoch of the newest cut that is held; rows of it and older ones leave a version behind when they change.
    let heldEpoch: Int64?

    func keepsVersion(of epoch: Int64) -> Bool {
        guard let heldEpoch, !SeededBug.forgetsCut else { return false }
        return epoch <= heldEpoch
    }
}

extension ContentStore {
    /// The live space of a tenant; nil until something was written there.
    public func space(of tenant: TenantID, in session: any SQLSession) throws -> ContentSpace? {
        try session.first("SELECT space, epoch FROM content_tenants WHERE tenant = $1", tenant.text) {
            ContentSpace(tenant: tenant, id: $0.int64(0), epoch: $0.int64(1))
        }
    }

    /// The live space of a tenant, made at the first use.
    public func openSpace(of tenant: TenantID, in session: any SQLSession) throws -> ContentSpace {
        if let space = try space(of: tenant, in: session) { return space }
        let id = try next("space", in: session)
        try session.execute(
            "INSERT INTO content_tenants (tenant, space, epoch) VALUES ($1, $2, $3) ON CONFLICT (tenant) DO NOTHING", tenant.text,
            id, 1)
        guard let space = try space(of: tenant, in: session) else {
            throw ContentError(.damaged, "the tenant's space is missing")
        }
        return space
    }

    /// What is needed to write for a tenant in this transaction.
    public func writing(for tenant: TenantID, in session: any SQLSession) throws -> ContentWriting {
        try lockEpoch(of: tenant, isExclusive: false, in: session)
        let space = try openSpace(of: tenant, in: session)
        let held = try session.first("SELECT MAX(epoch) FROM content_cuts WHERE space = $1", space.id) { $0.optionalInt64(0) }
        return ContentWriting(space: space, heldEpoch: held ?? nil)
    }

    /// A number that was never given before.
    func next(_ sequence: String, in session: any SQLSession) throws -> Int64 {
        let value = try session.first(
            """
            INSERT INTO content_sequences (name, value) VALUES ($1, 1)
            ON CONFLICT (name) DO UPDATE SET value = content_sequences.value + 1 RETURNING value
            """, sequence
        ) { $0.int64(0) }
        guard let value else { throw ContentError(.damaged, "a sequence gave no number") }
        return value
    }

    /// Keeps a cut from being taken between a writer's look at the epoch and its commit. One writer at a time needs no lock.
    func lockEpoch(of tenant: TenantID, isExclusive: Bool, in session: any SQLSession) throws {
        guard session.dialect.name == .postgres else { return }
        let function = isExclusive ? "pg_advisory_xact_lock" : "pg_advisory_xact_lock_shared"
        _ = try session.all("SELECT \(function)(hashtextextended($1, 0))", "content:" + tenant.text) { _ in true }
    }
}
