import WaybillBlobs
import WaybillDatabases

extension JobEngine {
    /// A job, with the progress it has shown on this node since its last commit.
    public func find(_ id: JobID) async throws -> JobRecord? {
        let found = try await node.database.read { [node] session in try node.store.find(session, id) }
        return found.map(withLiveProgress)
    }

    private func withLiveProgress(_ job: JobRecord) -> JobRecord {
        guard job.state == .running, let live = node.hub.liveProgress(job.id), live > job.progress else { return job }
        var shown = job
        shown.progress = live
        return shown
    }

    /// A page of jobs, newest first, and how many match in all.
    public func list(_ filter: JobFilter, offset: Int, limit: Int) async throws -> (jobs: [JobRecord], total: Int) {
        let (jobs, total) = try await node.database.read { [node] session in
            try node.store.list(session, filter, offset: max(0, offset), limit: max(0, limit))
        }
        return (jobs.map(withLiveProgress), total)
    }

    /// Why a pending job does not run now; nil if it is not pending.
    public func waitReason(_ job: JobRecord) async throws -> WaitReason? {
        guard job.state == .pending else { return nil }
        let now = node.time.now()
        let busy = attempts.count >= node.configuration.workers ? node.configuration.workers : nil
        return try await node.database.read { [node] session in
            try node.store.waitReason(session, job, kinds: node.kinds, busyWorkers: busy, now: now)
        }
    }

    /// How many jobs are ready, running, and running without progress.
    public func counts() async throws -> (ready: Int, running: Int, stalled: Int) {
        try await node.database.read { [node] session in try node.store.counts(session) }
    }

    // MARK: Events

    /// The durable events of a job after a number, in order.
    public func events(of job: JobID, after number: Int64 = 0, limit: Int = 1000) async throws -> [JobEvent] {
        try await node.database.read { [node] session in
            try node.store.events.ofJob(session, job, after: number, limit: limit)
        }
    }

    /// The durable events of a tenant after a number, in order.
    public func events(of tenant: TenantID, after number: Int64, limit: Int = 1000) async throws -> [JobEvent] {
        try await node.database.read { [node] session in
            try node.store.events.ofTenant(session, tenant, after: number, limit: limit)
        }
    }

    /// Every tenant that has events, with the number of the last one.
    public func eventTenants() async throws -> [(TenantID, Int64)] {
        try await node.database.read { [node] session in try node.store.events.tenants(session) }
    }

    /// Ticks when something of the job has changed; what, is read from the job and its events.
    public func watch(_ job: JobID) -> AsyncStream<Void> { node.hub.watch(job) }

    /// Ticks when any job has changed.
    public func listen() -> AsyncStream<Void> { node.hub.listen() }

    // MARK: Artifacts

    /// The artifacts of a job with their segments, in the order in which the job began them.
    public func artifacts(of job: JobID) async throws -> [(artifact: Artifact, segments: [Segment])] {
        try await node.database.read { [node] session in
            try node.store.artifacts.list(session, of: job).map { artifact in
                (artifact, try node.store.artifacts.segments(session, of: job, position: artifact.position))
            }
        }
    }

    /// Takes the artifacts of an ended job back: they can't be downloaded any more, and their bytes go.
    /// - Returns: whether there were any.
    public func revokeArtifacts(of job: JobRecord) async throws -> Bool {
        let now = node.time.now()
        let ended = try await node.database.write { [node] session in
            let ended = try node.store.artifacts.end(session, of: job.id, as: .revoked, now: now)
            if ended > 0 {
                try node.store.events.append(
                    session, [EventDraft(tenant: job.tenant, job: job.id, name: .artifactRevoked, progress: job.progress)],
                    now: now)
            }
            return ended
        }
        node.hub.changed([job])
        return ended > 0
    }

    // MARK: Schedules

    /// Stores a schedule, or replaces the one with its name.
    /// - Throws: `EngineError` with code `.invalid` for a wrong cron expression.
    @discardableResult
    public func put(_ schedule: JobSchedule) async throws -> JobSchedule {
        let now = node.time.now()
        return try await node.database.write { session in try ScheduleStore().put(session, schedule, now: now) }
    }

    /// - Returns: whether there was one.
    public func removeSchedule(_ name: String, of tenant: TenantID) async throws -> Bool {
        try await node.database.write { session in try ScheduleStore().remove(session, tenant: tenant, name: name) }
    }

    public func schedules(of tenant: TenantID) async throws -> [JobSchedule] {
        try await node.database.read { session in try ScheduleStore().list(session, tenant: tenant) }
    }
}
