import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// The SQL of the pieces that an upload has come in, each a blob of its own. They are parts of it, numbered by the place of their
/// first byte, and of nothing else. So a file is there with its row: nothing is written anew, not even the list.
struct PieceStore: Sendable {
    struct Piece: Sendable, Hashable {
        var start: Int64
        var length: Int64
        /// What comes behind the tenant in its key.
        var part: String
        /// The one that its upload goes to; empty: the installation's own.
        var store = BlobStores.own

        var range: Range<Int64> { start..<start + length }
    }

    func insert(_ piece: Piece, of upload: String, _ tenant: TenantID, in session: any SQLSession) throws {
        try session.execute(
            "INSERT INTO drive_parts (tenant, owner, position, part, length, store) VALUES ($1, $2, $3, $4, $5, $6)",
            tenant.text, upload, piece.start, piece.part, piece.length, piece.store)
    }

    /// Some of them in order, from the one that has a place.
    func some(
        of upload: String, from place: Int64, _ tenant: TenantID, limit: Int, in session: any SQLSession
    ) throws -> [Piece] {
        try session.all(
            """
            SELECT position, length, part, store FROM drive_parts
            WHERE tenant = $1 AND owner = $2 AND position >= coalesce(
                (SELECT max(position) FROM drive_parts WHERE tenant = $1 AND owner = $2 AND position <= $3), 0)
            ORDER BY position LIMIT $4
            """, tenant.text, upload, place, limit
        ) { Piece(start: $0.int64(0), length: $0.int64(1), part: $0.string(2), store: $0.string(3)) }
    }

    func figures(of upload: String, _ tenant: TenantID, in session: any SQLSession) throws -> (count: Int, bytes: Int64) {
        try session.first(
            """
            SELECT count(*), CAST(coalesce(sum(length), 0) AS BIGINT) FROM drive_parts WHERE tenant = $1 AND owner = $2
            """, tenant.text, upload
        ) { ($0.int(0), $0.int64(1)) } ?? (0, 0)
    }

    /// Lets the pieces of an upload go.
    /// - Parameter place: those that begin here or behind it.
    /// - Returns: how many there were.
    @discardableResult
    func drop(
        of upload: String, from place: Int64 = 0, _ tenant: TenantID, now: Timestamp, in session: any SQLSession
    ) throws -> Int {
        func which(_ first: Int) -> String {
            "tenant = $\(first) AND owner = $\(first + 1) AND position >= $\(first + 2) AND part LIKE $\(first + 3)"
        }
        let pattern = "\(DriveKeys.pieces(of: upload))%"
        // All of them lie in one.
        let store = try session.first(
            "SELECT store FROM drive_parts WHERE \(which(1)) LIMIT 1", tenant.text, upload, place, pattern
        ) { $0.string(0) }
        guard let store else { return 0 }
        try session.execute(
            """
            INSERT INTO drive_garbage (tenant, name, staged, since, store)
            SELECT tenant, CAST($1 AS TEXT) || part, \(GarbageStore.Kind.blob.rawValue), CAST($2 AS BIGINT), store
            FROM drive_parts WHERE \(which(3))
            ON CONFLICT (tenant, name, staged) DO NOTHING
            """, DriveKeys.prefix(of: tenant, in: store), now.microseconds, tenant.text, upload, place, pattern)
        return try session.execute("DELETE FROM drive_parts WHERE \(which(1))", tenant.text, upload, place, pattern)
    }

    /// Which of these are pieces that an upload or a file has.
    func known(among parts: [String], _ tenant: TenantID, in session: any SQLSession) throws -> Set<String> {
        guard !parts.isEmpty else { return [] }
        return Set(
            try session.all(
                """
                SELECT part FROM drive_parts WHERE part IN (\(session.dialect.placeholders(parts.count)))
                    AND tenant = $\(parts.count + 1)
                """, arguments: parts.map { .text($0) } + [.text(tenant.text)]
            ) { $0.string(0) })
    }
}

extension PieceStore.Piece {
    private static let markBytes = 8

    /// A new one, of a name that no other has.
    /// - Parameter random: gives random bytes.
    init(of upload: Upload, _ range: Range<Int64>, _ random: (Int) -> [UInt8]) {
        self.init(
            start: range.lowerBound, length: range.upperBound - range.lowerBound,
            part: DriveKeys.piece(of: upload, at: range.lowerBound, random(Self.markBytes)), store: upload.store)
    }
}
