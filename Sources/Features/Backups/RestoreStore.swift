import WaybillDatabases
import WaybillEngine

/// The SQL of restores and their documents.
struct RestoreStore: Sendable {
    private static let columns =
        "id, tenant, user_name, mode, from_job, status, manifest, job_id, undo, undo_until, created_at, updated_at"

    func insert(_ restore: RestoreSession, in session: any SQLSession) throws {
        try session.execute(
            """
            INSERT INTO backup_restores (\(Self.columns)) VALUES (\(session.dialect.placeholders(12)))
            """,
            restore.id, restore.tenant.text, restore.user, restore.mode.rawValue, restore.from, restore.status.rawValue,
            restore.manifest, restore.job?.text, try restore.undo.map { try JobCoding.encode($0) },
            restore.undoUntil?.microseconds, restore.createdAt.microseconds, restore.updatedAt.microseconds)
    }

    func find(_ id: String, of tenant: TenantID, in session: any SQLSession) throws -> RestoreSession? {
        try session.first(
            "SELECT \(Self.columns) FROM backup_restores WHERE tenant = $1 AND id = $2", tenant.text, id, make: Self.restore)
            ?? nil
    }

    /// All of a tenant, oldest first.
    func list(of tenant: TenantID, in session: any SQLSession) throws -> [RestoreSession] {
        try session.all(
            "SELECT \(Self.columns) FROM backup_restores WHERE tenant = $1 ORDER BY created_at, id", tenant.text,
            make: Self.restore
        ).compactMap(\.self)
    }

    /// Those that nothing has happened to since a time, of all tenants. For the installation's own transactions.
    func old(before: Timestamp, in session: any SQLSession) throws -> [RestoreSession] {
        try session.all(
            """
            SELECT \(Self.columns) FROM backup_restores WHERE updated_at < $1 AND status <> 'running'
            ORDER BY updated_at LIMIT 100
            """, before.microseconds, make: Self.restore
        ).compactMap(\.self)
    }

    /// - Returns: false, with nothing changed, if its status is another one by now.
    func change(
        _ restore: RestoreSession, from old: RestoreSession.Status, at now: Timestamp, in session: any SQLSession
    ) throws -> Bool {
        try session.execute(
            """
            UPDATE backup_restores SET status = $1, manifest = $2, job_id = $3, undo = $4, undo_until = $5, updated_at = $6
            WHERE tenant = $7 AND id = $8 AND status = $9
            """,
            restore.status.rawValue, restore.manifest, restore.job?.text, try restore.undo.map { try JobCoding.encode($0) },
            restore.undoUntil?.microseconds, now.microseconds, restore.tenant.text, restore.id, old.rawValue) == 1
    }

    func delete(_ restore: RestoreSession, in session: any SQLSession) throws {
        try session.execute(
            "DELETE FROM backup_documents WHERE tenant = $1 AND restore_id = $2", restore.tenant.text, restore.id)
        try RestoreManifestStore().delete(of: restore, in: session)
        try session.execute("DELETE FROM backup_restores WHERE tenant = $1 AND id = $2", restore.tenant.text, restore.id)
    }

    // MARK: Documents

    func documents(of restore: RestoreSession, in session: any SQLSession) throws -> [RestoreDocument] {
        try session.all(
            """
            SELECT name, pieces, is_deflated, length, sha256, total FROM backup_documents
            WHERE tenant = $1 AND restore_id = $2 ORDER BY name
            """, restore.tenant.text, restore.id, make: Self.document)
    }

    func document(_ name: String, of restore: RestoreSession, in session: any SQLSession) throws -> RestoreDocument? {
        try session.first(
            """
            SELECT name, pieces, is_deflated, length, sha256, total FROM backup_documents
            WHERE tenant = $1 AND restore_id = $2 AND name = $3
            """, restore.tenant.text, restore.id, name, make: Self.document)
    }

    private static func document(_ row: SQLRow) throws -> RestoreDocument {
        RestoreDocument(
            name: row.string(0), pieces: try JobCoding.decode([RestoreDocument.Piece].self, row.string(1)),
            isDeflated: row.bool(2), length: row.int64(3), sha256: row.string(4), total: row.optionalInt64(5))
    }

    /// Stores a document, or replaces the one of its name.
    func put(_ document: RestoreDocument, of restore: RestoreSession, at now: Timestamp, in session: any SQLSession) throws {
        try session.execute(
            "DELETE FROM backup_documents WHERE tenant = $1 AND restore_id = $2 AND name = $3", restore.tenant.text, restore.id,
            document.name)
        try session.execute(
            """
            INSERT INTO backup_documents (tenant, restore_id, name, pieces, is_deflated, length, sha256, uploaded_at, total)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            """,
            restore.tenant.text, restore.id, document.name, try JobCoding.encode(document.pieces), document.isDeflated,
            document.length, document.sha256, now.microseconds, document.total)
    }

    private static func restore(_ row: SQLRow) throws -> RestoreSession? {
        guard let tenant = TenantID(row.string(1)), let mode = RestoreSession.Mode(rawValue: row.string(3)),
            let status = RestoreSession.Status(rawValue: row.string(5))
        else { return nil }
        return RestoreSession(
            id: row.string(0), tenant: tenant, user: row.string(2), mode: mode, from: row.optionalString(4), status: status,
            manifest: row.optionalString(6), job: row.optionalString(7).flatMap { JobID($0) },
            undo: try row.optionalString(8).map { try JobCoding.decode([String: String].self, $0) },
            undoUntil: row.optionalInt64(9).map(Timestamp.init(microseconds:)),
            createdAt: Timestamp(microseconds: row.int64(10)), updatedAt: Timestamp(microseconds: row.int64(11)))
    }
}
