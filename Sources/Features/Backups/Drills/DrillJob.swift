import AgeFiles
import AuditTrail
import Formats
import JobDoors
import TenantData
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// Tries whether a backup can be restored: restores it into a scratch tenant, as any restore does, reads that tenant's rows as
/// any backup does, compares them with the manifest, and drops the scratch tenant.
struct DrillJob: JobHandler {
    static let kind: JobKind = "backup.drill"
    /// A tenant has one drill under way at a time.
    static let uniqueKey: String? = "drill"
    private static let driftsMax = 1000

    struct Input: Codable, Sendable {
        /// nil: the newest one that has completed.
        var backup: String?
    }

    struct Checkpoint: Codable, Sendable {
        enum Phase: String, Codable, Sendable {
            case restoring, comparing, dropping, done
        }

        var phase = Phase.restoring
        var backup: JobID
        /// SHA-256 of its manifest.
        var manifest: String
        var cutAt: String?
        var scratch: TenantID
        /// Of the phase.
        var beganAt: Timestamp
        var startedAt: Timestamp
        var restore: RestoreJob.Checkpoint?
        var cut: [EntityCut] = []
        var steps: [DrillReport.Step] = []
        var entities: [DrillReport.Entity] = []
        var drift: [DrillReport.Drift] = []
        /// How far the bytes have been compared.
        var bytes: DrillBytes.Position?
        var report: DrillReport?

        init(backup: JobID, manifest: String, scratch: TenantID, at now: Timestamp) {
            (self.backup, self.manifest, self.scratch) = (backup, BackupOrigin.digest(of: manifest), scratch)
            cutAt = try? BackupManifest.open(Array(manifest.utf8)).cutAt
            (beganAt, startedAt) = (now, now)
        }

        mutating func end(_ name: DrillReport.Step.Name, at now: Timestamp, next: Phase) {
            steps.append(.init(name: name, milliseconds: max(0, (now.microseconds - beganAt.microseconds) / 1000)))
            (phase, beganAt) = (next, now)
        }

        mutating func note(_ found: [DrillReport.Drift]) { drift += found.prefix(max(0, DrillJob.driftsMax - drift.count)) }
    }

    let database: any SQLDatabase
    let registry: EntityRegistry
    let blobs: any BlobStore
    let rights: any RightsSource
    let keys: BackupKeys
    let time: any TimeSource
    let configuration: BackupFeature.Configuration
    let restoring: RestoreJob
    let scratch: DrillScratch

    func run(_ input: Input, from checkpoint: Checkpoint?, in job: JobContext<Checkpoint>) async throws -> DrillReport {
        _ = try await rights.current(job.principal, needing: .backupWrite)
        var state: Checkpoint
        if let checkpoint { state = checkpoint } else { state = try await begin(input, in: job) }
        if state.phase == .restoring { state = try await restore(state, in: job) }
        if state.phase == .comparing { state = try await compare(state, in: job) }
        if state.phase == .dropping { state = try await drop(state, in: job) }
        guard let report = state.report else { throw JobFailure.damagedCheckpoint }
        guard report.drift.isEmpty else {
            let named = report.drift.prefix(5).map(\.text).joined(separator: "; ")
            throw JobFailure(
                code: "DRILL_DRIFT", message: "What came back is not what the backup \(report.backupId) says: \(named)")
        }
        return report
    }

    // MARK: What is restored

    private func begin(_ input: Input, in job: JobContext<Checkpoint>) async throws -> Checkpoint {
        let (backup, contents) = try await chain(input, of: job.principal.tenant)
        let manifest = contents.manifests[contents.numbers.upperBound - 1] ?? ""
        if contents.links.contains(where: { $0?.manifest.encryption != nil }) {
            throw JobFailure(
                code: "BACKUP_ENCRYPTED", message: "The backup \(backup) is encrypted, and a drill has no key to it.")
        }
        guard let place = TenantID.scratch(of: job.id, run: job.fence) else { throw JobFailure.damagedCheckpoint }
        let now = time.now()
        let restore = RestoreSession(
            id: job.id.text, tenant: place, user: job.principal.user, mode: .empty, from: backup.text, status: .running,
            manifest: contents.manifests[0], job: job.id, createdAt: now, updatedAt: now)
        let run = DrillStore.Run(tenant: job.principal.tenant, job: job.id, scratch: place)
        // It is tried again after it had failed: what the first time has left goes.
        let left = try await database.read(of: run.tenant) { try DrillStore().standing(of: run.tenant, in: $0) }
        for old in left where old.job == run.job { try await scratch.drop(old) }
        return try await job.commit(progress: 0) { session in
            try DrillStore().delete(run.job, of: run.tenant, in: session)
            try DrillStore().begin(run, at: now, in: session)
            try session.isolated(to: place.text) {
                try RestoreStore().insert(restore, in: session)
                for (number, manifest) in contents.manifests where number > 0 {
                    try RestoreManifestStore().put(manifest, number: number, of: restore, in: session)
                }
            }
            return (Checkpoint(backup: backup, manifest: manifest, scratch: place, at: now), counters: nil)
        }
    }

    /// The backup that is tried, and what it takes to restore it.
    private func chain(_ input: Input, of tenant: TenantID) async throws -> (JobID, RestoreContents) {
        let (newest, files) = try await backup(input.backup, of: tenant)
        var found = [files]
        while let base = found.last?.base, found.count < BackupChain.linksMax {
            found.append(try await backup(base, of: tenant).files)
        }
        return (newest.id, RestoreContents(of: found))
    }

    /// - Parameter id: nil: the newest one that has completed.
    private func backup(_ id: String?, of tenant: TenantID) async throws -> (record: JobRecord, files: BackupFiles) {
        let found = try await database.read(of: tenant) { session -> (JobRecord, [(artifact: Artifact, segments: [Segment])])? in
            let record: JobRecord?
            if let id {
                record = try JobID(id).flatMap { try FinishedJobs.find($0, of: tenant, in: session) }
            } else {
                record = try FinishedJobs.completed(BackupJob.kind, of: tenant, limit: 1, in: session).first
            }
            guard let record, record.kind == BackupJob.kind, record.state == .completed else { return nil }
            return (record, try FinishedJobs.artifacts(of: record, in: session))
        }
        guard let (record, artifacts) = found else {
            throw JobFailure(code: "NO_BACKUP", message: "The tenant has no such backup that has completed.")
        }
        guard ArtifactState(artifacts.map(\.artifact), of: record) == .ready else {
            throw JobFailure(code: "BACKUP_GONE", message: "The files of the backup \(record.id) are gone.")
        }
        do {
            return (record, try await BackupFiles(artifacts, in: blobs))
        } catch let error as BlobError where error.code == .notFound || error.code == .damaged {
            throw JobFailure(
                code: "BACKUP_GONE", message: "The manifest of the backup \(record.id) is not there any more, or is damaged.")
        }
    }

    private func restore(_ before: Checkpoint, in job: JobContext<Checkpoint>) async throws -> Checkpoint {
        var state = before
        do {
            let context = DrillContext(job: job, state: state, share: 0...60)
            let input = RestoreJob.Input(restore: job.id.text, dryRun: false)
            _ = try await restoring.restore(input, from: state.restore, in: context)
            state.restore = context.latest.checkpoint
            state.end(.restore, at: time.now(), next: .comparing)
        } catch let error as ArchiveError {
            state.note([.init(file: error.file, line: error.line, reason: error.reason)])
            state.end(.restore, at: time.now(), next: .dropping)
        } catch let error as BackupManifest.Refusal {
            state.note([.init(file: BackupManifest.fileName, reason: error.description)])
            state.end(.restore, at: time.now(), next: .dropping)
        }
        guard state.phase == .comparing else {
            try await job.commit(state, progress: 90)
            return state
        }
        let manifest = try await files(of: state, job.id).manifest
        let groups = Set(manifest.entities.filter { !$0.isExternal }.map(\.group))
        return try await job.commit(progress: 60) { [registry, time, state] session in
            var next = state
            try session.isolated(to: state.scratch.text) {
                var cut = TenantCut(job: job.id.text, tenant: state.scratch, at: time.now())
                try registry.take(groups, &cut, in: session)
                try BackupStore().copy(cut.copied, job: job.id.text, tenant: state.scratch, in: session)
                next.cut = cut.entities
            }
            return (next, counters: nil)
        }
    }

    // MARK: What came back

    /// The files that were restored.
    private func files(of state: Checkpoint, _ job: JobID) async throws -> RestoreFiles {
        let found = try await database.read(of: state.scratch) { [scratch = state.scratch] session in
            try RestoreStore().find(job.text, of: scratch, in: session)
        }
        guard let restore = found else { throw JobFailure.damagedCheckpoint }
        let contents = try await RestoreContents.load(restore, from: database)
        return RestoreFiles(try contents.chain(), contents, registry: registry, blobs: blobs, keyring: AgeKeyring())
    }

    private func compare(_ before: Checkpoint, in job: JobContext<Checkpoint>) async throws -> Checkpoint {
        var state = before
        let files = try await files(of: state, job.id)
        let manifest = files.manifest
        let comparison = DrillComparison(
            tenant: job.principal.tenant, scratch: state.scratch, job: job.id,
            files: files, places: state.restore?.places ?? [:], cut: state.cut, registry: registry, database: database)
        let total = max(1, Double(manifest.entities.count))
        for entity in manifest.entities.dropFirst(state.entities.count) {
            let soFar = state
            let progress = 60 + Double(state.entities.count) / total * 30
            let (found, drift) = try await comparison.compare(entity) {
                if job.shouldCommit { try await job.commit(soFar, progress: progress) }
            }
            state.entities.append(found)
            state.note(drift)
            try await job.commit(state, progress: progress, counters: Self.counters(state))
        }
        if files.digests != nil { state = try await compareBytes(state, in: job) }
        state.end(.compare, at: time.now(), next: .dropping)
        try await job.commit(state, progress: 90)
        return state
    }

    private func compareBytes(_ before: Checkpoint, in job: JobContext<Checkpoint>) async throws -> Checkpoint {
        let bytes = DrillBytes(
            scratch: before.scratch, cut: before.cut, registry: registry, database: database, blobs: blobs)
        func reached(_ position: DrillBytes.Position, _ drift: [DrillReport.Drift]) -> Checkpoint {
            var state = before
            state.bytes = position
            state.note(drift)
            return state
        }
        let (end, drift) = try await bytes.compare(from: before.bytes ?? .init()) { position, drift in
            if job.shouldCommit { try await job.commit(reached(position, drift), progress: 90) }
        }
        return reached(end, drift)
    }

    private static func counters(_ state: Checkpoint) -> [String: Int64] {
        ["rows": state.entities.reduce(0) { $0 + ($1.comparison == .nothing ? 0 : $1.rowsFound) }]
    }

    private func drop(_ before: Checkpoint, in job: JobContext<Checkpoint>) async throws -> Checkpoint {
        var state = before
        let tenant = job.principal.tenant
        try await scratch.drop(DrillStore.Run(tenant: tenant, job: job.id, scratch: state.scratch))
        let now = time.now()
        state.end(.drop, at: now, next: .done)
        let report = DrillReport(
            waybillVersion: configuration.version, jobId: job.id.text, tenant: tenant.text,
            outcome: state.drift.isEmpty ? .passed : .drift, backupId: state.backup.text, cutAt: state.cutAt,
            manifest: state.manifest, startedAt: RFC3339.string(state.startedAt.microseconds),
            endedAt: RFC3339.string(now.microseconds), steps: state.steps, entities: state.entities, blobs: state.bytes?.found,
            drift: state.drift)
        let (sealed, text) = try report.sealed(by: keys.signing)
        state.report = sealed
        let artifact = try await job.artifact(DrillReport.fileName, contentType: "application/json")
        try await artifact.append(Array(text.utf8))
        await artifact.close()
        try await job.commit(state, progress: 99, counters: Self.counters(state)) { session in
            try DrillStore().put(text, of: job.id, tenant, in: session)
        }
        return state
    }
}
