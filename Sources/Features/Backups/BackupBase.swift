import JobDoors
import TenantData
import WaybillDatabases
import WaybillEngine

/// Finds the backup that a new one is to be an increment of.
struct BackupBase: Sendable {
    /// What a request asks for: a backup by its id, or the newest one that will do.
    static let last = "last"

    let configuration: BackupFeature.Configuration

    /// The base of a backup, in the transaction of its cut.
    /// - Returns: nil for a full backup, which is what `last` comes to where there is no backup that will do.
    /// - Throws: `SinceRefusal`.
    func find(
        _ since: String?, entities: [String]?, of tenant: TenantID, now: Timestamp, in session: any SQLSession
    ) throws -> BackupMark? {
        guard let since else { return nil }
        let store = BackupMarkStore()
        guard since != Self.last else {
            return try store.all(of: tenant, in: session).first { mark in
                try mark.entities == entities && isUsable(mark, now: now)
                    && JobFiles.areThere(mark.chain.compactMap { JobID($0) }, of: tenant, now: now, in: session)
            }
        }
        guard let mark = try store.find(since, of: tenant, in: session) else { throw SinceRefusal.unknown(since) }
        if let refusal = mark.refusal(now: now, tombstones: configuration.tombstones) { throw refusal }
        guard mark.entities == entities else { throw SinceRefusal.otherEntities(since, mark.entities) }
        return mark
    }

    /// Chains that nobody asked for by name begin anew as often as what was deleted is forgotten: they would never end, and keep
    /// their first backup for ever.
    private func isUsable(_ mark: BackupMark, now: Timestamp) -> Bool {
        mark.refusal(now: now, tombstones: configuration.tombstones) == nil
            && mark.fullAt.advanced(by: configuration.tombstones) > now
    }

    /// Remembers a backup that has completed, and keeps those that it can't be restored without for as long as itself.
    func remember(_ job: JobRecord, in session: any SQLSession) throws {
        guard job.state == .completed, let text = job.checkpoint, let made = job.output else { return }
        let start = try JobCoding.decode(BackupJob.Checkpoint.self, text)
        let output = try JobCoding.decode(BackupJob.Output.self, made)
        let input = try JobCoding.decode(BackupRequest.self, job.input)
        guard let notes = start.notes, let sha256 = output.manifestSha256 else { return }
        let before = start.chain ?? []
        try BackupMarkStore().put(
            BackupMark(
                tenant: job.tenant, job: job.id.text, cutAt: start.cutAt, entities: input.entities, notes: notes,
                manifestSHA256: sha256, chain: before + [job.id.text], fullAt: start.fullAt ?? start.cutAt), in: session)
        let until = (job.endedAt ?? job.updatedAt).advanced(by: configuration.retention)
        try JobFiles.keep(before.compactMap { JobID($0) }, of: job.tenant, until: until, in: session)
    }

    /// The backups whose files are there and can't be restored without another one.
    func dependents(of job: JobID, of tenant: TenantID, now: Timestamp, in session: any SQLSession) throws -> [String] {
        try BackupMarkStore().all(of: tenant, in: session).filter { mark in
            guard mark.job != job.text, mark.chain.contains(job.text), let id = JobID(mark.job) else { return false }
            return try JobFiles.areThere([id], of: tenant, now: now, in: session)
        }.map(\.job)
    }
}
