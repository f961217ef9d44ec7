import WaybillDatabases
import WaybillEngine

/// What was deleted, and when: for backups that tell what has changed since an earlier one.
extension ContentStore {
    /// Leaves a tombstone.
    func bury(
        _ id: String, of type: Int64, by writing: ContentWriting, at now: Timestamp, in session: any SQLSession
    ) throws {
        try session.execute(
            """
            INSERT INTO content_tombstones (space, type_id, id, epoch, deleted_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (space, type_id, id, epoch) DO UPDATE SET deleted_at = excluded.deleted_at
            """, writing.space.id, type, id, writing.space.epoch, now.microseconds)
    }

    /// Removes some tombstones of items that were deleted before a time. For the installation's own transactions.
    /// - Returns: whether there may be more.
    public func removeTombstones(before: Timestamp, limit: Int = 2000, in session: any SQLSession) throws -> Bool {
        // Those of one instant go together: there are no more of it than one transaction has deleted.
        let last = try session.first(
            "SELECT deleted_at FROM content_tombstones WHERE deleted_at < $1 ORDER BY deleted_at LIMIT 1 OFFSET $2",
            before.microseconds, limit - 1
        ) { $0.int64(0) }
        try session.execute(
            "DELETE FROM content_tombstones WHERE deleted_at < $1", last.map { $0 + 1 } ?? before.microseconds)
        return last != nil
    }
}
