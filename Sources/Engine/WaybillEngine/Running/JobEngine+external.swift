import WaybillDatabases

/// For who takes in the work of jobs that are worked outside: all of it in the caller's own transaction, so that what a client
/// has brought and how far its job is are one. Call `announceChange` after the commit.
extension JobEngine {
    /// Moves a job on.
    /// - Parameters:
    ///   - progress: in percent; it never falls.
    ///   - deadlineAt: when it ends by itself if nothing more comes.
    /// - Throws: `EngineError` with code `.notFound`, or `.alreadyEnded` if it was cancelled or has expired meanwhile.
    @discardableResult
    public func advance(
        _ id: JobID, progress: Double, counters: [String: Int64] = [:], deadlineAt: Timestamp?, in session: any SQLSession
    ) throws -> JobRecord {
        try node.store.advance(
            session, id, progress: progress, counters: counters, deadlineAt: deadlineAt, now: node.time.now())
    }

    /// Completes a job.
    /// - Parameter output: JSON.
    /// - Throws: as `advance`.
    @discardableResult
    public func finish(_ id: JobID, output: String, in session: any SQLSession) throws -> JobRecord {
        try node.store.end(session, external: id, .success(output), now: node.time.now())
    }

    /// Ends a job without success.
    /// - Throws: as `advance`.
    @discardableResult
    public func fail(_ id: JobID, _ failure: JobFailure, in session: any SQLSession) throws -> JobRecord {
        try node.store.end(session, external: id, .failure(failure), now: node.time.now())
    }

    /// Wakes those who watch a job that was moved on or ended.
    public func announceChange(of job: JobRecord) {
        node.hub.changed([job])
    }
}
