import WaybillEngine
import Web

/// A link to what a job has made, signed now and good for a while.
public struct DownloadLink: Sendable {
    public var url: String
    public var expiresAt: Timestamp

    /// - Parameters:
    ///   - path: where the door answers for its jobs.
    ///   - publicURL: what links begin with, if the server knows its address.
    ///   - lifetime: how long it is good for, unless the files go before.
    /// - Returns: nil if there is nothing to be had.
    public init?(
        to job: JobRecord, _ artifacts: [Artifact], path: String, publicURL: String, lifetime: Duration, floor: WebFloor
    ) {
        guard ArtifactState(artifacts, of: job) == .ready else { return nil }
        let expires = floor.time.now().advanced(by: lifetime)
        expiresAt = artifacts.compactMap(\.expiresAt).min().map { min($0, expires) } ?? expires
        let download = "\(path)/\(job.id)/download"
        url = "\(publicURL)\(download)?\(floor.links.sign(path: download, tenant: job.tenant, expires: expiresAt))"
    }
}
