import WaybillDatabases
import WaybillEngine

/// The SQL of what is remembered of completed backups.
struct BackupMarkStore: Sendable {
    private static let columns = "tenant, job_id, cut_at, entities, notes, manifest_sha256, chain, full_at"

    func put(_ mark: BackupMark, in session: any SQLSession) throws {
        try remove(mark.job, of: mark.tenant, in: session)
        try session.execute(
            "INSERT INTO backup_marks (\(Self.columns)) VALUES (\(session.dialect.placeholders(8)))",
            mark.tenant.text, mark.job, mark.cutAt.microseconds, try mark.entities.map { try JobCoding.encode($0) },
            try JobCoding.encode(mark.notes), mark.manifestSHA256, try JobCoding.encode(mark.chain), mark.fullAt.microseconds)
    }

    func find(_ job: String, of tenant: TenantID, in session: any SQLSession) throws -> BackupMark? {
        try session.first(
            "SELECT \(Self.columns) FROM backup_marks WHERE tenant = $1 AND job_id = $2", tenant.text, job, make: Self.mark)
            ?? nil
    }

    /// All of a tenant, the newest first.
    func all(of tenant: TenantID, in session: any SQLSession) throws -> [BackupMark] {
        try session.all(
            "SELECT \(Self.columns) FROM backup_marks WHERE tenant = $1 ORDER BY cut_at DESC, job_id DESC", tenant.text,
            make: Self.mark
        ).compactMap(\.self)
    }

    func remove(_ job: String, of tenant: TenantID, in session: any SQLSession) throws {
        try session.execute("DELETE FROM backup_marks WHERE tenant = $1 AND job_id = $2", tenant.text, job)
    }

    /// Removes those of cuts before a time. For the installation's own transactions.
    func removeOld(before: Timestamp, in session: any SQLSession) throws {
        try session.execute("DELETE FROM backup_marks WHERE cut_at < $1", before.microseconds)
    }

    private static func mark(_ row: SQLRow) throws -> BackupMark? {
        guard let tenant = TenantID(row.string(0)) else { return nil }
        return BackupMark(
            tenant: tenant, job: row.string(1), cutAt: Timestamp(microseconds: row.int64(2)),
            entities: try row.optionalString(3).map { try JobCoding.decode([String].self, $0) },
            notes: try JobCoding.decode([String: String].self, row.string(4)), manifestSHA256: row.string(5),
            chain: try JobCoding.decode([String].self, row.string(6)), fullAt: Timestamp(microseconds: row.int64(7)))
    }
}

/// Forgets backups of which no increment can be made, and that nothing needs any more.
public struct BackupMarkSweep: Sendable {
    private let database: any SQLDatabase

    public init(database: any SQLDatabase) {
        self.database = database
    }

    /// - Parameter age: after which a backup's cut is forgotten: no increment of it can be made, and none that was is kept.
    public func run(olderThan age: Duration, now: Timestamp) async throws {
        try await database.write { try BackupMarkStore().removeOld(before: now.advanced(by: .zero - age), in: $0) }
    }
}
