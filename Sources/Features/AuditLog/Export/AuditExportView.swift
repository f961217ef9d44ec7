import Datasets
import JobDoors
import WaybillEngine
import Web

/// How an export is doing, in the words of this door.
enum AuditExportStatus: String, Encodable, Sendable, CaseIterable {
    case exporting, uploading, completed, failed

    init(_ job: JobRecord) {
        switch job.state {
        case .completed: self = .completed
        case .failed, .cancelled, .expired: self = .failed
        // Nothing goes on, however far it has come.
        case .paused: self = .exporting
        case .pending, .running:
            let checkpoint = job.checkpoint.flatMap { try? JobCoding.decode(AuditExportJob.Checkpoint.self, $0) }
            self = checkpoint?.phase == .uploading ? .uploading : .exporting
        }
    }

    /// The states of the engine that are listed under it.
    var states: [JobState] {
        switch self {
        case .exporting, .uploading: [.pending, .running, .paused]
        case .completed: [.completed]
        case .failed: [.failed, .cancelled, .expired]
        }
    }
}

/// An export of the audit log as this door shows it.
struct AuditExportView: Encodable, Sendable {
    var jobId: String
    var status: AuditExportStatus
    /// As the engine calls it, and as other doors show their jobs.
    var state: JobState
    /// Of a failed one: `failed`, `cancelled` or `expired`, or the code of the error.
    var reason: String?
    var message: String?
    var user: String
    var filters: AuditFilterView?
    var format: String?
    var rowsPerFile: Int?
    var progress: Double
    var count: Int64
    var total: Int64?
    var lastExportedId: Int64?
    var files: Int?
    var contentHash: String?
    var reusedJobId: String?
    var chain: AuditChainView?
    var createdAt: WireTime
    var startedAt: WireTime?
    var updatedAt: WireTime
    var completedAt: WireTime?
    var deadlineAt: WireTime?
    var isPaused: Bool
    var waitingFor: String?
    var artifactState: ArtifactState
    var downloadUrl: String?
    var downloadExpiresAt: WireTime?
    var statusUrl: String

    init(_ job: JobRecord, path: String, waiting: WaitReason?, artifacts: [Artifact], link: DownloadLink?) throws {
        jobId = job.id.text
        status = AuditExportStatus(job)
        state = job.state
        switch job.state {
        case .failed: reason = job.failure?.code ?? job.state.rawValue
        case .cancelled, .expired: reason = job.state.rawValue
        default: break
        }
        message = status == .failed ? job.failure?.message : nil
        user = job.principal.user
        if let input = try? JobCoding.decode(AuditExportRequest.self, job.input) {
            filters = AuditFilterView(input.filter)
            format = input.format.rawValue
            rowsPerFile = input.rowsPerFile
        }
        progress = (job.progress * 100).rounded() / 100
        count = job.counters["exported"] ?? 0
        if let checkpoint = job.checkpoint.flatMap({ try? JobCoding.decode(AuditExportJob.Checkpoint.self, $0) }) {
            total = checkpoint.survey?.count
            let isRead = checkpoint.phase == .uploading
            lastExportedId = isRead ? checkpoint.survey?.last : AuditSource.lastSeq(checkpoint.position.cursor)
        }
        if job.state == .completed, let result = try job.output.map({ try JobCoding.decode(AuditExportResult.self, $0) }) {
            count = result.count
            lastExportedId = result.lastExportedId
            files = result.files
            contentHash = result.contentHash
            reusedJobId = result.reusedJobId
            chain = result.chain
        }
        createdAt = WireTime(job.createdAt)
        startedAt = WireTime(job.startedAt)
        updatedAt = WireTime(job.updatedAt)
        completedAt = job.state == .completed ? WireTime(job.endedAt) : nil
        deadlineAt = WireTime(job.deadlineAt)
        isPaused = job.state == .paused
        waitingFor = waiting?.text
        artifactState = ArtifactState(artifacts, of: job)
        downloadUrl = link?.url
        downloadExpiresAt = link.map { WireTime($0.expiresAt) }
        statusUrl = "\(path)/\(job.id)"
    }

    static let schema = Schema.object([
        "jobId": .uuid, "status": .enumeration(AuditExportStatus.allCases.map(\.rawValue)), "state": .enumeration(JobState.self),
        "reason": .string.optional,
        "message": .string.optional, "user": .string, "filters": AuditFilterView.schema.optional, "format": .string.optional,
        "rowsPerFile": .integer(min: 1).optional, "progress": .percent, "count": .integer(min: 0),
        "total": .integer(min: 0).optional, "lastExportedId": .integer.optional, "files": .integer(min: 1).optional,
        "contentHash": .string.optional, "reusedJobId": .uuid.optional, "chain": AuditChainView.schema.optional,
        "createdAt": .dateTime, "startedAt": .dateTime.optional, "updatedAt": .dateTime, "completedAt": .dateTime.optional,
        "deadlineAt": .dateTime.optional, "isPaused": .boolean, "waitingFor": .string.optional,
        "artifactState": .enumeration(ArtifactState.self), "downloadUrl": .uri.optional,
        "downloadExpiresAt": .dateTime.optional, "statusUrl": .uri,
    ])
}
