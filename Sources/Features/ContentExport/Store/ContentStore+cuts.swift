import WaybillDatabases
import WaybillEngine

/// A point in the history of a tenant's content. While a job holds it, every row can be read as it was then.
public struct ContentCut: Hashable, Sendable, Codable {
    public let space: Int64
    public let epoch: Int64
    public let job: String

    public init(space: Int64, epoch: Int64, job: String) {
        self.space = space
        self.epoch = epoch
        self.job = job
    }
}

extension ContentStore {
    /// Takes a cut for a job: what is committed now is in it, what is written later is not. A job that holds one gets it again.
    ///
    /// Read definitions and rights in the same transaction, and keep them with the cut.
    public func takeCut(for job: String, of tenant: TenantID, in session: any SQLSession) throws -> ContentCut {
        try lockEpoch(of: tenant, isExclusive: true, in: session)
        let space = try openSpace(of: tenant, in: session)
        if let held = try heldCut(of: job, space: space.id, in: session) { return held }
        try session.execute(
            "INSERT INTO content_cuts (space, job_id, epoch) VALUES ($1, $2, $3)", space.id, job, space.epoch)
        try session.execute("UPDATE content_tenants SET epoch = epoch + 1 WHERE tenant = $1", tenant.text)
        return ContentCut(space: space.id, epoch: space.epoch, job: job)
    }

    /// The cut that a job holds in a space.
    public func heldCut(of job: String, space: Int64, in session: any SQLSession) throws -> ContentCut? {
        try session.first("SELECT epoch FROM content_cuts WHERE space = $1 AND job_id = $2", space, job) {
            ContentCut(space: space, epoch: $0.int64(0), job: job)
        }
    }

    /// Whether the cut can still be read.
    public func isHeld(_ cut: ContentCut, in session: any SQLSession) throws -> Bool {
        try heldCut(of: cut.job, space: cut.space, in: session) == cut
    }

    /// Gives all cuts of a job back. The versions that nobody needs any more go with the next sweeps.
    public func releaseCuts(of job: String, in session: any SQLSession) throws {
        let spaces = try session.all("DELETE FROM content_cuts WHERE job_id = $1 RETURNING space", job) { $0.int64(0) }
        for space in spaces {
            guard try hasVersions(space: space, in: session) else { continue }
            try addChore(.versions, space: space, in: session)
        }
    }

    /// The jobs that hold cuts: those that have ended without giving them back are found by comparing.
    public func jobsWithCuts(in session: any SQLSession) throws -> [String] {
        try session.all("SELECT DISTINCT job_id FROM content_cuts ORDER BY job_id") { $0.string(0) }
    }

    func hasCuts(space: Int64, in session: any SQLSession) throws -> Bool {
        try session.first("SELECT 1 FROM content_cuts WHERE space = $1 LIMIT 1", space) { _ in true } ?? false
    }

    private func hasVersions(space: Int64, in session: any SQLSession) throws -> Bool {
        try session.first("SELECT 1 FROM content_versions WHERE space = $1 LIMIT 1", space) { _ in true } ?? false
    }

    func hasVersions(type: Int64, space: Int64, in session: any SQLSession) throws -> Bool {
        try session.first("SELECT 1 FROM content_versions WHERE space = $1 AND type_id = $2 LIMIT 1", space, type) { _ in true }
            ?? false
    }
}
