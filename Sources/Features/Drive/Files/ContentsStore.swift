import Formats
import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// What the bytes of files are, and in which store.
struct FileContent: Sendable, Hashable {
    var sha256: [UInt8]
    var length: Int64
    /// Empty: the installation's own.
    var store: String

    /// Where it stands among others: by its digest, then by its store.
    var order: [UInt8] { sha256 + Array(store.utf8) }
}

/// The SQL of the bytes of files, which a tenant has once in a store however many files have the same ones: in any space, and as
/// they were.
struct ContentsStore: Sendable {
    func blob(of content: FileContent, _ tenant: TenantID, in session: any SQLSession) throws -> BlobKey? {
        try session.first(
            "SELECT blob_key FROM drive_contents WHERE tenant = $1 AND sha256 = $2 AND length = $3 AND store = $4", tenant.text,
            content.sha256, content.length, content.store
        ) { BlobKey($0.string(0)) } ?? nil
    }

    /// The same bytes wherever the tenant has them: where they are looked for, else in another store.
    func anywhere(_ content: FileContent, _ tenant: TenantID, in session: any SQLSession) throws -> FileContent? {
        let stores = try session.all(
            "SELECT store FROM drive_contents WHERE tenant = $1 AND sha256 = $2 AND length = $3 ORDER BY store", tenant.text,
            content.sha256, content.length
        ) { $0.string(0) }
        guard let store = stores.first(where: { $0 == content.store }) ?? stores.first else { return nil }
        return FileContent(sha256: content.sha256, length: content.length, store: store)
    }

    /// Where bytes are: one blob, or those of the parts that they were joined from, or of the pieces that they came in.
    /// - Returns: nil if they are nowhere.
    func pieces(
        of content: FileContent, _ tenant: TenantID, in session: any SQLSession
    ) throws -> [(blob: BlobKey, length: Int64)]? {
        guard content.length > 0 else { return [] }
        guard let blob = try blob(of: content, tenant, in: session) else { return nil }
        let parts = try PartStore().layout(of: DriveKeys.owner(of: blob.text), tenant, in: session)
        guard !parts.isEmpty else { return [(blob, content.length)] }
        var pieces: [(blob: BlobKey, length: Int64)] = []
        for part in parts {
            guard let length = part.length, let key = BlobKey(DriveKeys.blobText(of: part.id, tenant, in: part.store)) else {
                return nil
            }
            if length > 0 { pieces.append((key, length)) }
        }
        return pieces
    }

    /// Lets bytes go that nobody needs: one blob, or those of parts.
    func discard(_ blob: String, of tenant: TenantID, now: Timestamp, in session: any SQLSession) throws {
        let owner = DriveKeys.owner(of: blob)
        if try PartStore().parts(of: owner, tenant, in: session).isEmpty {
            try GarbageStore().note(blob, of: tenant, now: now, in: session)
        } else {
            try PartStore().release(owner, tenant, now: now, in: session)
        }
    }

    /// Whether bytes that a restore has put are those of some file, or a piece of them.
    func isKnown(_ key: BlobKey, of tenant: TenantID, in session: any SQLSession) throws -> Bool {
        let part = DriveKeys.part(of: key.text, tenant)
        if part.contains("-") { return try PartStore().isUsed(part, in: BlobRoute(key).store, tenant, in: session) }
        guard let sha256 = key.text.split(separator: "/").last.flatMap({ HexText.bytes(String($0)) }) else { return true }
        return try session.count(
            "SELECT count(*) FROM drive_contents WHERE tenant = $1 AND sha256 = $2 AND blob_key = $3", tenant.text, sha256,
            key.text) > 0
    }

    /// Counts more that need bytes which the tenant has.
    /// - Returns: false, with nothing written, if it doesn't have them.
    @discardableResult
    func add(_ count: Int64, of content: FileContent, _ tenant: TenantID, in session: any SQLSession) throws -> Bool {
        try session.execute(
            "UPDATE drive_contents SET refs = refs + $1 WHERE tenant = $2 AND sha256 = $3 AND length = $4 AND store = $5", count,
            tenant.text, content.sha256, content.length, content.store) == 1
    }

    /// Counts more that need bytes.
    /// - Parameter blob: where they are, unless the tenant has them already.
    /// - Returns: whether the bytes at `blob` are needed.
    func add(
        _ count: Int64, of content: FileContent, at blob: BlobKey, _ tenant: TenantID, in session: any SQLSession
    ) throws -> Bool {
        guard try !add(count, of: content, tenant, in: session) else { return false }
        try session.execute(
            "INSERT INTO drive_contents (tenant, sha256, length, store, blob_key, refs) VALUES ($1, $2, $3, $4, $5, $6)",
            tenant.text, content.sha256, content.length, content.store, blob.text, count)
        return true
    }

    /// Counts some less, and lets the bytes go if nobody needs them any more.
    func release(
        _ count: Int64, of content: FileContent, _ tenant: TenantID, now: Timestamp, in session: any SQLSession
    ) throws {
        try session.execute(
            "UPDATE drive_contents SET refs = refs - $1 WHERE tenant = $2 AND sha256 = $3 AND length = $4 AND store = $5", count,
            tenant.text, content.sha256, content.length, content.store)
        let gone = try session.all(
            """
            DELETE FROM drive_contents WHERE tenant = $1 AND sha256 = $2 AND length = $3 AND store = $4 AND refs <= 0
            RETURNING blob_key
            """, tenant.text, content.sha256, content.length, content.store
        ) { $0.string(0) }
        for blob in gone { try discard(blob, of: tenant, now: now, in: session) }
    }
}
