import WaybillDatabases
import WaybillEngine

/// Where files of a tenant are written, and when: read in the transaction that writes. Writes take turns, so that no cut is taken
/// meanwhile.
struct FileSpace: Sendable, Hashable {
    var id: Int64
    var epoch: Int64
    /// The newest cut of it that a job holds: files that are no newer leave their old version behind when they change.
    var heldEpoch: Int64?
}

/// A point in the history of a tenant's files. While a job holds it, every file can be read as it was then, with its bytes.
struct FileCut: Sendable, Hashable, Codable {
    var space: Int64
    var epoch: Int64
}

/// The SQL of spaces of files, of cuts, and of files as they were.
///
/// What a restore brings is written to a space of its own, and the switch to it is one row. A tenant without a row here has all
/// in space 0. See `ContentStore`, which does the same for items.
struct SpaceStore: Sendable {
    enum State: String, Sendable {
        /// A restore writes to it.
        case filling
        /// It was live, and may be again until a time.
        case kept
        /// Nobody needs it: its files go, a few at a time.
        case dropped
        /// It is live; what was left over when it was filled is looked for.
        case tidying
    }

    /// The tenant's live space, where `$1` is the tenant.
    static let live = "coalesce((SELECT live.space FROM drive_tenants AS live WHERE live.tenant = $1), 0)"
    /// More than any digest.
    static let allCounted = [UInt8](repeating: 0xFF, count: 33)
    /// Of files in a space that was made whole: older than every cut of it.
    static let restoredEpoch: Int64 = 1

    func live(of tenant: TenantID, in session: any SQLSession) throws -> FileSpace {
        let found = try session.first("SELECT space, epoch FROM drive_tenants WHERE tenant = $1", tenant.text) {
            FileSpace(id: $0.int64(0), epoch: $0.int64(1))
        }
        var space = found ?? FileSpace(id: 0, epoch: Self.restoredEpoch)
        space.heldEpoch =
            try session.first(
                "SELECT max(epoch) FROM drive_cuts WHERE tenant = $1 AND space = $2", tenant.text, space.id
            ) { $0.optionalInt64(0) } ?? nil
        return space
    }

    /// The tenant's live space, which has a row from now on.
    private func opened(for tenant: TenantID, in session: any SQLSession) throws -> FileSpace {
        try session.execute(
            "INSERT INTO drive_tenants (tenant, space, epoch, last_space) VALUES ($1, 0, $2, 0) ON CONFLICT (tenant) DO NOTHING",
            tenant.text, Self.restoredEpoch)
        return try live(of: tenant, in: session)
    }

    // MARK: Cuts

    /// Takes a cut for a job: what is there now is in it, and nothing that is written later. A job that holds one gets it again.
    func takeCut(for job: String, of tenant: TenantID, in session: any SQLSession) throws -> FileCut {
        if let held = try cut(of: job, tenant, in: session) { return held }
        let space = try opened(for: tenant, in: session)
        try session.execute(
            "INSERT INTO drive_cuts (tenant, job_id, space, epoch) VALUES ($1, $2, $3, $4)", tenant.text, job, space.id,
            space.epoch)
        try session.execute("UPDATE drive_tenants SET epoch = epoch + 1 WHERE tenant = $1", tenant.text)
        return FileCut(space: space.id, epoch: space.epoch)
    }

    private func cut(of job: String, _ tenant: TenantID, in session: any SQLSession) throws -> FileCut? {
        try session.first("SELECT space, epoch FROM drive_cuts WHERE tenant = $1 AND job_id = $2", tenant.text, job) {
            FileCut(space: $0.int64(0), epoch: $0.int64(1))
        }
    }

    /// Gives a job's cut back. Versions that nobody needs any more go with the next sweeps.
    func release(job: String, of tenant: TenantID, in session: any SQLSession) throws {
        try session.execute("DELETE FROM drive_cuts WHERE tenant = $1 AND job_id = $2", tenant.text, job)
    }

    /// Who holds cuts, whosever they are. For the installation's own transactions.
    func holders(in session: any SQLSession) throws -> [(tenant: TenantID, job: String)] {
        try session.all("SELECT tenant, job_id FROM drive_cuts ORDER BY tenant, job_id") { row in
            TenantID(row.string(0)).map { ($0, row.string(1)) }
        }.compactMap(\.self)
    }

    // MARK: Restores

    /// Makes a space that nobody sees.
    func make(for tenant: TenantID, in session: any SQLSession) throws -> Int64 {
        _ = try opened(for: tenant, in: session)
        let made = try session.first(
            "UPDATE drive_tenants SET last_space = last_space + 1 WHERE tenant = $1 RETURNING last_space", tenant.text
        ) { $0.int64(0) }
        guard let made else { throw EngineError(.invalid, "the tenant has no spaces") }
        try put(made, .filling, counted: [], of: tenant, in: session)
        return made
    }

    private func put(
        _ space: Int64, _ state: State, counted: [UInt8] = allCounted, keptUntil: Timestamp? = nil, of tenant: TenantID,
        in session: any SQLSession
    ) throws {
        try session.execute(
            """
            INSERT INTO drive_spaces (tenant, space, state, counted, kept_until) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (tenant, space) DO UPDATE SET state = excluded.state, counted = excluded.counted,
                kept_until = excluded.kept_until
            """, tenant.text, space, state.rawValue, counted, keptUntil?.microseconds)
    }

    func state(of space: Int64, _ tenant: TenantID, in session: any SQLSession) throws -> State? {
        try session.first("SELECT state FROM drive_spaces WHERE tenant = $1 AND space = $2", tenant.text, space) {
            State(rawValue: $0.string(0))
        } ?? nil
    }

    /// Makes a space the live one. The one that was is kept until a time, with what its files use.
    /// - Returns: the one that was.
    func switchOver(
        to space: Int64, of tenant: TenantID, keptUntil: Timestamp, in session: any SQLSession
    ) throws -> Int64 {
        let old = try opened(for: tenant, in: session)
        try session.execute(
            """
            INSERT INTO drive_space_usage (tenant, space, account, used_bytes, used_files)
            SELECT tenant, $1, account, used_bytes, used_files FROM drive_usage WHERE tenant = $2 AND used_files <> 0
            """, old.id, tenant.text)
        try session.execute("UPDATE drive_usage SET used_bytes = 0, used_files = 0 WHERE tenant = $1", tenant.text)
        try session.execute(
            """
            INSERT INTO drive_usage (tenant, account, used_bytes, used_files, reserved_bytes, reserved_files)
            SELECT tenant, account, used_bytes, used_files, 0, 0 FROM drive_space_usage WHERE tenant = $1 AND space = $2
            ON CONFLICT (tenant, account) DO UPDATE SET used_bytes = excluded.used_bytes, used_files = excluded.used_files
            """, tenant.text, space)
        try session.execute("DELETE FROM drive_space_usage WHERE tenant = $1 AND space = $2", tenant.text, space)
        try session.execute(
            "UPDATE drive_tenants SET space = $1, epoch = epoch + 1 WHERE tenant = $2", space, tenant.text)
        try put(old.id, .kept, keptUntil: keptUntil, of: tenant, in: session)
        try put(space, .tidying, of: tenant, in: session)
        return old.id
    }

    /// Gives a space up that is not live. Its files go with the next sweeps, after the cuts that need them.
    func drop(_ space: Int64, of tenant: TenantID, in session: any SQLSession) throws {
        try session.execute(
            """
            UPDATE drive_spaces SET state = $1, kept_until = NULL WHERE tenant = $2 AND space = $3 AND state <> $4
            """, State.dropped.rawValue, tenant.text, space, State.tidying.rawValue)
    }

    /// Files of these digests, and of lesser ones, have their part in what is counted.
    /// - Parameter digest: what `FileContent.order` is.
    func count(upTo digest: [UInt8], in space: Int64, of tenant: TenantID, in session: any SQLSession) throws {
        try session.execute(
            "UPDATE drive_spaces SET counted = $1 WHERE tenant = $2 AND space = $3", digest, tenant.text, space)
    }
}
