import SeededBugs
import WaybillDatabases
import WaybillEngine

/// What a batch did.
public struct UpsertOutcome: Hashable, Sendable {
    public var inserted: Int
    /// Items that were there before, also if nothing of them is different, and earlier ones of the same batch.
    public var updated: Int

    public init(inserted: Int = 0, updated: Int = 0) {
        self.inserted = inserted
        self.updated = updated
    }
}

extension ContentStore {
    /// Writes items: new ones are inserted, others replaced as a whole. Batches of up to 2,000 keep a transaction short.
    /// - Throws: `ContentError` with code `.typeChanged` if the items were encoded for another definition than the present.
    @discardableResult
    public func upsert(_ batch: ItemBatch, by writing: ContentWriting, in session: any SQLSession) throws -> UpsertOutcome {
        var upsert = ItemUpsert(batch: batch, writing: writing, store: self, session: session)
        return try upsert.run()
    }

    /// Deletes one item. A tombstone stays for backups that tell what has changed.
    /// - Returns: false if there is none.
    public func delete(
        id: String, of type: ContentType, by writing: ContentWriting, at now: Timestamp, in session: any SQLSession
    ) throws -> Bool {
        let space = writing.space.id
        let rows = try storedRows(ids: [id], of: type, space: space, in: session)
        guard let row = rows.first else { return false }
        let entries = try ItemIndexer(type, fields: type.indexedFields).entries(of: row.body ?? "[]")
        if writing.keepsVersion(of: row.epoch) {
            try keepVersions(of: [id], type: type.id, by: writing, in: session)
            try keepEntries(entries, of: id, type: type.id, by: writing, in: session)
        }
        for entry in entries { try deleteEntry(entry, id: id, type: type.id, space: space, in: session) }
        try session.execute("DELETE FROM content_items WHERE space = $1 AND type_id = $2 AND id = $3", space, type.id, id)
        try addCounts([row.acl: -1], type: type.id, space: space, in: session)
        try bury(id, of: type.id, by: writing, at: now, in: session)
        return true
    }

    /// Leaves the stored versions of some items behind for the cuts that see them.
    func keepVersions(of ids: [String], type: Int64, by writing: ContentWriting, in session: any SQLSession) throws {
        for some in Self.pieces(of: ids) {
            try session.execute(
                """
                INSERT INTO content_versions (space, type_id, id, until_epoch, epoch, acl, language, body)
                SELECT space, type_id, id, CAST($1 AS BIGINT), epoch, acl, language, body FROM content_items
                WHERE space = $2 AND type_id = $3 AND id IN (\(session.dialect.placeholders(Self.idsPerStatement, from: 4)))
                """,
                arguments: [.integer(writing.space.epoch), .integer(writing.space.id), .integer(type)] + some.map { .text($0) })
        }
    }

    /// Keeps the index rows of a version.
    func keepEntries(
        _ entries: [IndexEntry], of id: String, type: Int64, by writing: ContentWriting, in session: any SQLSession
    ) throws {
        for entry in entries {
            try session.execute(
                """
                INSERT INTO content_version_index (space, type_id, field_id, value, id, until_epoch)
                VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (space, type_id, field_id, value, id, until_epoch) DO NOTHING
                """, writing.space.id, type, entry.index, entry.value, id, writing.space.epoch)
        }
    }

    private static let idsPerStatement = 64

    /// Ids in pieces of one length, so that one statement serves all: a short last piece repeats its last id.
    private static func pieces(of ids: [String]) -> [[String]] {
        stride(from: 0, to: ids.count, by: idsPerStatement).map { start in
            let end = min(start + idsPerStatement, ids.count)
            return ids[start..<end] + Array(repeating: ids[end - 1], count: idsPerStatement - (end - start))
        }
    }

    func deleteEntry(_ entry: IndexEntry, id: String, type: Int64, space: Int64, in session: any SQLSession) throws {
        try session.execute(
            "DELETE FROM content_index WHERE space = $1 AND type_id = $2 AND field_id = $3 AND value = $4 AND id = $5", space,
            type,
            entry.index, entry.value, id)
    }

    func addCounts(_ changes: [Int64: Int], type: Int64, space: Int64, in session: any SQLSession) throws {
        for (acl, change) in changes.sorted(by: { $0.key < $1.key })
        where change != 0 && !(SeededBug.miscountsItems && change < 0) {
            try session.execute(
                """
                INSERT INTO content_counts (space, type_id, acl, items) VALUES ($1, $2, $3, $4)
                ON CONFLICT (space, type_id, acl) DO UPDATE SET items = content_counts.items + excluded.items
                """, space, type, acl, change)
            if change < 0 {
                try session.execute(
                    "DELETE FROM content_counts WHERE space = $1 AND type_id = $2 AND acl = $3 AND items = 0", space, type, acl)
            }
        }
    }

    /// The stored rows of some ids, sorted bytewise. `ids` must be sorted, too.
    func storedRows(ids: [String], of type: ContentType, space: Int64, in session: any SQLSession) throws -> [StoredRow] {
        guard let first = ids.first, let last = ids.last else { return [] }
        let columns = type.indexedFields.isEmpty ? "id, epoch, acl" : "id, epoch, acl, body"
        func row(_ row: SQLRow) -> StoredRow {
            StoredRow(id: row.string(0), epoch: row.int64(1), acl: row.int64(2), body: row.count > 3 ? row.string(3) : nil)
        }
        // Files come sorted more often than not: then the batch is one stretch, or lies behind all that is there.
        let stretch = try session.all(
            """
            SELECT \(columns) FROM content_items WHERE space = $1 AND type_id = $2 AND id >= $3 AND id <= $4 ORDER BY id LIMIT $5
            """, space, type.id, first, last, ids.count + 1, make: row)
        guard stretch.count > ids.count else { return stretch }
        var rows: [StoredRow] = []
        for some in Self.pieces(of: ids) {
            rows += try session.all(
                """
                SELECT \(columns) FROM content_items WHERE space = $1 AND type_id = $2
                AND id IN (\(session.dialect.placeholders(Self.idsPerStatement, from: 3))) ORDER BY id
                """, arguments: [.integer(space), .integer(type.id)] + some.map { .text($0) }, make: row)
        }
        return rows
    }
}
