import TenantData
import WaybillEngine

/// What is remembered of a completed backup, so that a later one can be an increment of it. It outlives the job.
struct BackupMark: Sendable, Hashable {
    var tenant: TenantID
    var job: String
    var cutAt: Timestamp
    /// Which groups it has, sorted; nil for all.
    var entities: [String]?
    /// What the groups noted with the cut.
    var notes: [String: String]
    /// Of its manifest's file.
    var manifestSHA256: String
    /// The backups that it takes to restore it, the full one first and itself last.
    var chain: [String]
    /// The cut of the full one.
    var fullAt: Timestamp

    var since: BackupManifest.Since {
        .init(jobId: job, cutAt: BackupManifest.text(of: cutAt.microseconds), manifestSha256: manifestSHA256)
    }

    /// Why an increment of it can't be made any more; nil if it can.
    /// - Parameter tombstones: how long what was deleted is remembered.
    func refusal(now: Timestamp, tombstones: Duration) -> SinceRefusal? {
        if cutAt.advanced(by: tombstones) <= now { return .tooOld(job) }
        if chain.count >= BackupChain.linksMax { return .tooLong(job) }
        return nil
    }
}

/// Why a backup can't be an increment of another one.
enum SinceRefusal: Error, Hashable {
    case unknown(String)
    case notCompleted(String)
    case tooOld(String)
    case tooLong(String)
    /// It has other entities.
    case otherEntities(String, [String]?)

    var code: String {
        switch self {
        case .unknown: "SINCE_UNKNOWN"
        case .notCompleted: "SINCE_NOT_COMPLETED"
        case .tooOld: "SINCE_TOO_OLD"
        case .tooLong: "SINCE_CHAIN_TOO_LONG"
        case .otherEntities: "SINCE_OTHER_ENTITIES"
        }
    }

    var message: String {
        switch self {
        case .unknown: "there is no such backup"
        case .notCompleted(let job): "the backup \(job) has not completed"
        case .tooOld(let job):
            "the backup \(job) is older than what was deleted is remembered (backup.tombstones); make a full one"
        case .tooLong(let job):
            "the backup \(job) is the last of \(BackupChain.linksMax) that belong together; make a full one"
        case .otherEntities(let job, let entities):
            "the backup \(job) has \(entities?.joined(separator: ", ") ?? "all entities"), and an increment must have the same"
        }
    }
}
