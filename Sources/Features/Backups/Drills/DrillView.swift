import Formats
import WaybillEngine
import Web

/// A drill as this door shows it.
struct DrillView: Encodable, Sendable {
    var jobId: String
    var status: BackupView.Status
    var createdAt: WireTime
    var lastUpdatedAt: WireTime
    var progress: Double?
    var error: BackupView.Failure?
    /// As it was signed.
    var report: DrillReport?

    /// What a list says of it.
    init(_ job: JobRecord) {
        jobId = job.id.text
        status = BackupView.Status(job.state)
        createdAt = WireTime(job.createdAt)
        lastUpdatedAt = WireTime(job.updatedAt)
        if job.state != .completed { error = job.failure.map { .init(code: $0.code, message: $0.message) } }
    }

    /// All that there is.
    init(whole job: JobRecord, report text: String?) throws {
        self.init(job)
        progress = (job.progress * 100).rounded() / 100
        // What is told is told once the job has come to its end.
        if job.state.isFinal { report = try text.map { try JobCoding.decode(DrillReport.self, $0) } }
    }

    private static let failure = Schema.object(["code": .string, "message": .string])
    static let listed = Schema.object([
        "jobId": .uuid, "status": .enumeration(BackupView.Status.self), "createdAt": .dateTime, "lastUpdatedAt": .dateTime,
        "error": failure.optional,
    ])
    static let schema = Schema.object([
        "jobId": .uuid, "status": .enumeration(BackupView.Status.self), "createdAt": .dateTime, "lastUpdatedAt": .dateTime,
        "progress": .percent, "error": failure.optional, "report": reported.optional,
    ])
    private static let reported = Schema.object([
        "schemaVersion": .integer(min: 1), "waybillVersion": .string, "jobId": .uuid, "tenant": .string,
        "outcome": .enumeration(DrillReport.Outcome.self), "backupId": .uuid, "cutAt": .string.optional, "manifest": .string,
        "startedAt": .dateTime, "endedAt": .dateTime,
        "steps": .array(
            of: .object(["name": .enumeration(DrillReport.Step.Name.self), "milliseconds": .integer(min: 0)])),
        "entities": .array(
            of: .object([
                "name": .string, "comparison": .enumeration(DrillReport.Entity.Comparison.self),
                "rowsExpected": .integer(min: 0), "rowsFound": .integer(min: 0),
                "files": .array(
                    of: .object([
                        "name": .string, "rowsExpected": .integer(min: 0), "rowsFound": .integer(min: 0),
                        "sha256Expected": .string, "sha256Found": .string,
                    ])),
            ])),
        "blobs": Schema.object(["expected": .integer(min: 0), "found": .integer(min: 0), "bytes": .integer(min: 0)]).optional,
        "drift": .array(
            of: .object([
                "entity": .string.optional, "file": .string.optional, "line": .integer(min: 1).optional, "reason": .string,
            ])),
        "publicKey": .string, "signature": .string,
    ]).described("signed with the installation's key, as a manifest is")
}
