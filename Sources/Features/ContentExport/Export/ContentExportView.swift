import Datasets
import JobDoors
import WaybillEngine
import Web

/// An export as this door shows it.
struct ContentExportView: Encodable, Sendable {
    struct Additions: Encodable, Sendable {
        var format: String?
        var result: ExportResult?
        var downloadUrl: String?
        var downloadExpiresAt: WireTime?
        var artifactState: ArtifactState
        var parts: Int?
    }

    var job: JobView
    var additions: Additions

    func encode(to encoder: any Encoder) throws {
        try job.encode(to: encoder)
        try additions.encode(to: encoder)
    }

    static let failureSchema = Schema.object(["id": .string, "code": .string, "message": .string])
    static let resultSchema = Schema.object([
        "total": .integer(min: 0), "exported": .integer(min: 0), "skipped": .integer(min: 0), "failed": .integer(min: 0),
        "consistency": .enumeration(["cut", "snapshot"]), "errors": .array(of: failureSchema),
    ])
    static let schema = JobView.schema(adding: [
        ("format", .string.optional), ("result", resultSchema.optional), ("downloadUrl", .uri.optional),
        ("downloadExpiresAt", .dateTime.optional), ("artifactState", .enumeration(ArtifactState.self)),
        ("parts", .integer(min: 1).optional),
    ])
}

/// Makes the views: adds the result and a link that is signed now.
struct ContentExportViewer: Sendable {
    let engine: JobEngine
    let floor: WebFloor
    let linkLifetime: Duration
    let path: String
    /// What links begin with, if the server knows its address.
    let publicURL: String

    func view(_ job: JobRecord) async throws -> ContentExportView {
        let artifacts = job.state == .completed ? try await engine.artifacts(of: job).map(\.artifact) : []
        return try view(job, artifacts: artifacts, waiting: try await engine.waitReason(job))
    }

    func view(_ job: JobRecord, artifacts: [Artifact], waiting: WaitReason? = nil) throws -> ContentExportView {
        var additions = ContentExportView.Additions(artifactState: ArtifactState(artifacts, of: job))
        additions.format = try? JobCoding.decode(ContentExportRequest.self, job.input).options.format.rawValue
        additions.result = try job.output.map { try JobCoding.decode(ExportResult.self, $0) }
        let link = DownloadLink(to: job, artifacts, path: path, publicURL: publicURL, lifetime: linkLifetime, floor: floor)
        if let link {
            additions.downloadUrl = link.url
            additions.downloadExpiresAt = WireTime(link.expiresAt)
            additions.parts = artifacts.count { PartFacts.role(of: $0) == .part }
        }
        return ContentExportView(job: JobView(job, statusPath: path, waiting: waiting), additions: additions)
    }
}
