import TenantData
import WaybillEngine
import Web

/// A backup as this door shows it.
struct BackupView: Encodable, Sendable {
    enum Status: String, Encodable, Sendable, CaseIterable {
        case pending, running, completed, failed, cancelled

        init(_ state: JobState) {
            switch state {
            case .pending, .paused: self = .pending
            case .running: self = .running
            case .completed: self = .completed
            case .failed, .expired: self = .failed
            case .cancelled: self = .cancelled
            }
        }
    }

    struct Failure: Encodable, Sendable {
        var code: String
        var message: String
    }

    var jobId: String
    var status: Status
    var createdAt: WireTime
    /// nil until something has happened.
    var lastUpdatedAt: WireTime?
    var progress: Double?
    var error: Failure?
    var manifest: BackupManifest?

    /// What a list says of it.
    init(_ job: JobRecord) {
        jobId = job.id.text
        status = Status(job.state)
        createdAt = WireTime(job.createdAt)
        lastUpdatedAt = job.startedAt == nil && job.state == .pending ? nil : WireTime(job.updatedAt)
    }

    /// All that there is.
    init(whole job: JobRecord) throws {
        self.init(job)
        progress = (job.progress * 100).rounded() / 100
        if job.state != .completed { error = job.failure.map { Failure(code: $0.code, message: $0.message) } }
        manifest = try job.output.map { try JobCoding.decode(BackupJob.Output.self, $0).manifest }
    }

    private enum Names: String, CodingKey { case jobId, status, createdAt, lastUpdatedAt, progress, error, manifest }

    /// `lastUpdatedAt` is always there; the rest only where it says something.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Names.self)
        try container.encode(jobId, forKey: .jobId)
        try container.encode(status, forKey: .status)
        try container.encode(createdAt, forKey: .createdAt)
        try container.encode(lastUpdatedAt, forKey: .lastUpdatedAt)
        try container.encodeIfPresent(progress, forKey: .progress)
        try container.encodeIfPresent(error, forKey: .error)
        try container.encodeIfPresent(manifest, forKey: .manifest)
    }

    static let listed = Schema.object([
        "jobId": .uuid, "status": .enumeration(Status.self), "createdAt": .dateTime,
        "lastUpdatedAt": .oneOf(.dateTime, ["type": "null"]),
    ])
    static let schema = Schema.object([
        "jobId": .uuid, "status": .enumeration(Status.self), "createdAt": .dateTime,
        "lastUpdatedAt": .oneOf(.dateTime, ["type": "null"]), "progress": .percent,
        "error": Schema.object(["code": .string, "message": .string]).optional,
        "manifest": Schema.anyObject.described("what the files are, and who made them").optional,
    ])
}
