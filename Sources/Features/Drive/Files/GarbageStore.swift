import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// The SQL of what is to be removed from the stores once the transaction has been committed that needs it no more.
struct GarbageStore: Sendable {
    enum Kind: Int, Sendable {
        case blob
        case staged
        /// Whatever lies beside the pieces of an upload that has ended.
        case strayPieces
    }

    struct Entry: Sendable, Hashable {
        var tenant: String
        /// Of a blob, or of an upload; as `BlobRoute` has it.
        var name: String
        var kind: Kind
    }

    /// - Parameter name: as `BlobRoute` has it, also that of an upload.
    func note(
        _ name: String, _ kind: Kind = .blob, of tenant: TenantID, now: Timestamp, in session: any SQLSession
    ) throws {
        let store = BlobKey(name).map { BlobRoute($0).store } ?? BlobStores.own
        try session.execute(
            """
            INSERT INTO drive_garbage (tenant, name, staged, since, store) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (tenant, name, staged) DO NOTHING
            """, tenant.text, name, kind.rawValue, now.microseconds, store)
    }

    /// What is left of an upload that has ended: its staged file, or what was put for it and never told.
    func noteStaged(_ upload: Upload, now: Timestamp, in session: any SQLSession) throws {
        try note(
            DriveKeys.stagedText(of: upload), upload.isPieced ? .strayPieces : .staged, of: upload.tenant, now: now, in: session)
    }

    /// Some of it that is in a store, the oldest first.
    /// - Parameters:
    ///   - tenant: nil: of all, for the installation's own transactions.
    ///   - straysBefore: a piece may still be on its way for an upload that ended later.
    func some(
        of tenant: TenantID?, in store: String, straysBefore: Timestamp, limit: Int, in session: any SQLSession
    ) throws -> [Entry] {
        try session.all(
            """
            SELECT tenant, name, staged FROM drive_garbage
            WHERE ($1 = '' OR tenant = $1) AND store = $2 AND (staged <> \(Kind.strayPieces.rawValue) OR since <= $3)
            ORDER BY since, name LIMIT $4
            """, tenant?.text ?? "", store, straysBefore.microseconds, limit
        ) { Entry(tenant: $0.string(0), name: $0.string(1), kind: Kind(rawValue: $0.int(2)) ?? .blob) }
    }

    func forget(_ entries: [Entry], in session: any SQLSession) throws {
        for entry in entries {
            try session.execute(
                "DELETE FROM drive_garbage WHERE tenant = $1 AND name = $2 AND staged = $3", entry.tenant, entry.name,
                entry.kind.rawValue)
        }
    }
}
