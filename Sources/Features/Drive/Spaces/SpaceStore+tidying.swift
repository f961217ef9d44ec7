import WaybillDatabases
import WaybillEngine

/// What is left of spaces, cuts and files as they were, and goes some at a time.
extension SpaceStore {
    /// A file as it was, which no cut needs any more.
    struct Version: Sendable, Hashable {
        var tenant: TenantID
        var space: Int64
        var file: String
        var until: Int64
        var content: FileContent
    }

    /// Some versions that nobody needs, whosever they are. For the installation's own transactions. One that is not needed now
    /// never will be: a cut that is taken later is behind it.
    func unneeded(limit: Int, in session: any SQLSession) throws -> [Version] {
        try session.all(
            """
            SELECT v.tenant, v.space, v.id, v.until_epoch, v.sha256, v.size, v.store FROM drive_versions AS v WHERE NOT EXISTS (
                SELECT 1 FROM drive_cuts AS c WHERE c.tenant = v.tenant AND c.space = v.space AND c.epoch >= v.epoch
                AND c.epoch < v.until_epoch)
            LIMIT $1
            """, limit
        ) { row in
            TenantID(row.string(0)).map {
                Version(
                    tenant: $0, space: row.int64(1), file: row.string(2), until: row.int64(3),
                    content: FileContent(sha256: row.bytes(4), length: row.int64(5), store: row.string(6)))
            }
        }.compactMap(\.self)
    }

    func remove(_ version: Version, now: Timestamp, in session: any SQLSession) throws {
        let removed = try session.execute(
            "DELETE FROM drive_versions WHERE tenant = $1 AND space = $2 AND id = $3 AND until_epoch = $4", version.tenant.text,
            version.space, version.file, version.until)
        guard removed == 1 else { return }
        try ContentsStore().release(1, of: version.content, version.tenant, now: now, in: session)
    }

    /// Gives up the spaces whose time has passed. For the installation's own transactions.
    func dropKept(now: Timestamp, in session: any SQLSession) throws {
        try session.execute(
            "UPDATE drive_spaces SET state = $1, kept_until = NULL WHERE state = $2 AND kept_until <= $3", State.dropped.rawValue,
            State.kept.rawValue, now.microseconds)
    }

    /// Spaces of a state that no cut needs, whosever they are. For the installation's own transactions.
    func spaces(_ state: State, in session: any SQLSession) throws -> [(tenant: TenantID, space: Int64)] {
        try session.all(
            """
            SELECT s.tenant, s.space FROM drive_spaces AS s WHERE s.state = $1 AND NOT EXISTS (
                SELECT 1 FROM drive_cuts AS c WHERE c.tenant = s.tenant AND c.space = s.space)
            ORDER BY s.tenant, s.space LIMIT 100
            """, state.rawValue
        ) { row in TenantID(row.string(0)).map { ($0, row.int64(1)) } }.compactMap(\.self)
    }

    /// Removes some files of a space that was given up.
    /// - Returns: how many.
    func removeFiles(of space: Int64, _ tenant: TenantID, limit: Int, now: Timestamp, in session: any SQLSession) throws -> Int {
        let counted = try session.first(
            "SELECT counted FROM drive_spaces WHERE tenant = $1 AND space = $2 AND state = $3", tenant.text, space,
            State.dropped.rawValue
        ) { $0.bytes(0) }
        guard let counted else { return 0 }
        let files = try session.all(
            "SELECT id, sha256, size, store FROM drive_files WHERE tenant = $1 AND space = $2 ORDER BY id LIMIT $3", tenant.text,
            space, limit
        ) { ($0.string(0), FileContent(sha256: $0.bytes(1), length: $0.int64(2), store: $0.string(3))) }
        for (id, content) in files {
            try session.execute(
                "DELETE FROM drive_files WHERE tenant = $1 AND space = $2 AND id = $3", tenant.text, space, id)
            guard !counted.lexicographicallyPrecedes(content.order) else { continue }
            try ContentsStore().release(1, of: content, tenant, now: now, in: session)
        }
        return files.count
    }

    /// Forgets a space, of which no file is left or which is live: what was to be done is done.
    func forget(_ space: Int64, _ state: State, of tenant: TenantID, in session: any SQLSession) throws {
        let forgotten = try session.execute(
            "DELETE FROM drive_spaces WHERE tenant = $1 AND space = $2 AND state = $3", tenant.text, space, state.rawValue)
        guard forgotten == 1, state == .dropped else { return }
        try session.execute("DELETE FROM drive_space_usage WHERE tenant = $1 AND space = $2", tenant.text, space)
        try session.execute("DELETE FROM drive_tombstones WHERE tenant = $1 AND space = $2", tenant.text, space)
    }

    /// Removes some tombstones of files that were deleted before a time. For the installation's own transactions.
    /// - Returns: whether there may be more.
    func removeTombstones(before: Timestamp, limit: Int, in session: any SQLSession) throws -> Bool {
        try session.execute(
            """
            DELETE FROM drive_tombstones WHERE (tenant, space, id, epoch) IN (
                SELECT tenant, space, id, epoch FROM drive_tombstones WHERE deleted_at < $1 ORDER BY deleted_at LIMIT $2)
            """, before.microseconds, limit) == limit
    }
}
