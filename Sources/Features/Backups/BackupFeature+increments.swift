import Formats
import WaybillDatabases
import WaybillEngine
import Web

extension BackupFeature {
    /// Refuses an increment that can't be made. The job looks again, when it takes its cut.
    /// - Throws: a problem: 400 for what is none of the tenant's backups, 409 for one that can't be the base of another.
    func checkBase(of request: BackupRequest, for tenant: TenantID, now: Timestamp) async throws {
        guard let since = request.since, since != BackupBase.last, let id = JobID(since) else { return }
        let job = try await engine.find(id, of: tenant)
        do {
            if let job, job.kind == BackupJob.kind, job.state != .completed { throw SinceRefusal.notCompleted(since) }
            let isKnown = job?.kind == BackupJob.kind
            try await database.read(of: tenant) { [configuration] session in
                do {
                    _ = try BackupBase(configuration: configuration).find(
                        since, entities: request.entities, of: tenant, now: now, in: session)
                } catch SinceRefusal.unknown where isKnown {
                    // What it was made at is forgotten by now.
                    throw SinceRefusal.tooOld(since)
                }
            }
        } catch let refusal as SinceRefusal {
            switch refusal {
            case .unknown: throw Problem.invalid("since", refusal.message)
            case .otherEntities: throw Problem.invalid("entities", refusal.message)
            default: throw Problem(.init(409, refusal.code, "No increment of this backup can be made"), refusal.message)
            }
        }
    }

    /// Forgets a backup that is removed.
    /// - Throws: a 409 problem while others can't be restored without it.
    func forgetBase(_ job: JobRecord, now: Timestamp, in session: any SQLSession) throws {
        let dependents = try BackupBase(configuration: configuration).dependents(
            of: job.id, of: job.tenant, now: now, in: session)
        guard dependents.isEmpty else {
            throw Problem(
                .init(409, "BACKUP_NEEDED", "Other backups need this one"),
                "its increments can't be restored without it; remove them first: " + dependents.prefix(5).joined(separator: ", ")
            ).with("dependents", .array(dependents.map { .string($0) }))
        }
        try BackupMarkStore().remove(job.id.text, of: job.tenant, in: session)
    }
}
