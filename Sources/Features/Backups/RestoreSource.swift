import Datasets
import Formats
import JobDoors
import TenantData
import WaybillBlobs
import WaybillEngine
import Web

/// A backup that was made here as what a restore takes: with the full one and all increments before it.
struct RestoreSource: Sendable {
    let feature: BackupFeature
    /// Whose backups may be taken; nil for operators of the installation.
    let owner: TenantID?

    /// The files of a backup and of those that it can't be restored without.
    /// - Throws: a 400 problem if they are not all there.
    func contents(of id: String) async throws -> RestoreContents {
        var found: [BackupFiles] = []
        var next: String? = id
        while let id = next {
            guard found.count < BackupChain.linksMax else { throw Problem.invalid("from", "the backup is one of too many") }
            let backup = try await backup(id, isBase: !found.isEmpty)
            found.append(backup)
            next = backup.base
        }
        return RestoreContents(of: found)
    }

    private func backup(_ id: String, isBase: Bool) async throws -> BackupFiles {
        let which = isBase ? "the backup \(id), which it is an increment of," : "this backup"
        guard let job = JobID(id), let record = try await feature.engine.find(job, of: owner), record.kind == BackupJob.kind,
            record.state == .completed
        else {
            throw Problem.invalid("from", isBase ? "\(which) is gone" : "there is no such backup that has completed")
        }
        let artifacts = try await feature.engine.artifacts(of: record)
        guard ArtifactState(artifacts.map(\.artifact), of: record) == .ready else {
            throw Problem.invalid("from", "the files of \(which) are gone")
        }
        return try await BackupFiles(artifacts, in: feature.blobs)
    }
}
