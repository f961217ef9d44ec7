import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// The SQL of joined files, and of long ones that a restore has brought in pieces: which parts each consists of. A part may be
/// there several times, and in several files.
struct PartStore: Sendable {
    struct Part: Sendable, Hashable {
        /// Of its upload; of a piece, what comes behind the tenant in its key.
        var id: String
        /// Where its bytes are; empty: in the installation's own store.
        var store = BlobStores.own
        /// Nil while its bytes are not all there.
        var length: Int64?
    }

    func insert(_ parts: [Part], of owner: String, _ tenant: TenantID, in session: any SQLSession) throws {
        for (position, part) in parts.enumerated() {
            try session.execute(
                "INSERT INTO drive_parts (tenant, owner, position, part, length, store) VALUES ($1, $2, $3, $4, $5, $6)",
                tenant.text, owner, position, part.id, part.length, part.store)
        }
    }

    /// Those of a joined file, in order; none if it is not joined.
    func parts(of owner: String, _ tenant: TenantID, in session: any SQLSession) throws -> [Part] {
        try session.all(
            "SELECT part, store, length FROM drive_parts WHERE tenant = $1 AND owner = $2 ORDER BY position", tenant.text, owner
        ) { Part(id: $0.string(0), store: $0.string(1), length: $0.optionalInt64(2)) }
    }

    /// What a file that is kept in parts consists of: parts that were uploaded in pieces are told as those.
    func layout(of owner: String, _ tenant: TenantID, in session: any SQLSession) throws -> [Part] {
        try session.all(
            """
            SELECT coalesce(piece.part, whole.part), coalesce(piece.store, whole.store), coalesce(piece.length, whole.length)
            FROM drive_parts AS whole LEFT JOIN drive_parts AS piece
                ON piece.tenant = whole.tenant AND piece.owner = whole.part AND whole.length IS NOT NULL
            WHERE whole.tenant = $1 AND whole.owner = $2 ORDER BY whole.position, piece.position
            """, tenant.text, owner
        ) { Part(id: $0.string(0), store: $0.string(1), length: $0.optionalInt64(2)) }
    }

    /// The joined files that still wait for a part.
    func waiting(for part: String, _ tenant: TenantID, in session: any SQLSession) throws -> [String] {
        try session.all(
            "SELECT DISTINCT owner FROM drive_parts WHERE tenant = $1 AND part = $2 AND length IS NULL", tenant.text, part
        ) { $0.string(0) }
    }

    /// A part is whole.
    func settle(_ part: String, length: Int64, _ tenant: TenantID, in session: any SQLSession) throws {
        try session.execute(
            "UPDATE drive_parts SET length = $1 WHERE tenant = $2 AND part = $3", length, tenant.text, part)
    }

    func isUsed(_ part: String, in store: String, _ tenant: TenantID, in session: any SQLSession) throws -> Bool {
        try session.count(
            "SELECT count(*) FROM drive_parts WHERE tenant = $1 AND part = $2 AND store = $3", tenant.text, part, store) > 0
    }

    /// A file in parts is no more. Its pieces go, and the bytes of its parts that are in no other one, unless the part is still
    /// there: then it is charged for them again, since the file was.
    func release(_ owner: String, _ tenant: TenantID, now: Timestamp, in session: any SQLSession) throws {
        try PieceStore().drop(of: owner, tenant, now: now, in: session)
        let places = Dictionary(grouping: try parts(of: owner, tenant, in: session)) { [$0.store, $0.id] }
        let parts = places.values.compactMap(\.first).sorted { $0.id < $1.id }
        try session.execute("DELETE FROM drive_parts WHERE tenant = $1 AND owner = $2", tenant.text, owner)
        for part in parts where try !isUsed(part.id, in: part.store, tenant, in: session) {
            guard let id = JobID(part.id), var upload = try UploadStore().find(id, of: tenant, in: session),
                upload.status == .inProgress
            else {
                guard try PieceStore().drop(of: part.id, tenant, now: now, in: session) == 0 else { continue }
                let name = DriveKeys.blobText(of: part.id, tenant, in: part.store)
                try GarbageStore().note(name, of: tenant, now: now, in: session)
                continue
            }
            guard upload.charged == 0, let size = upload.size else { continue }
            let pool = try PoolStore().find(upload.pool, of: tenant, in: session) ?? .standard(isDefault: true)
            upload.charged = Usage.charge(size, factor: pool.costFactor)
            try UploadStore().update(upload, in: session)
            try QuotaStore().recharge(upload.charged, of: upload.account, tenant, in: session)
        }
    }
}
