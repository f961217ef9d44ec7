import SeededBugs
import WaybillBlobs
import WaybillDatabases

extension JobEngine {
    /// A job, with the progress it has shown on this node since its last commit.
    /// - Parameter tenant: with it, a job of another one is not found.
    public func find(_ id: JobID, of tenant: TenantID? = nil) async throws -> JobRecord? {
        let found = try await node.database.read(of: tenant) { [node] session in try node.store.find(session, id) }
        return found.flatMap { tenant == nil || $0.tenant == tenant || SeededBug.forgetsOwner ? withLiveProgress($0) : nil }
    }

    private func withLiveProgress(_ job: JobRecord) -> JobRecord {
        guard job.state == .running, let live = node.hub.liveProgress(job.id), live > job.progress else { return job }
        var shown = job
        shown.progress = live
        return shown
    }

    /// A page of jobs, newest first, and how many match in all.
    public func list(_ filter: JobFilter, offset: Int, limit: Int) async throws -> (jobs: [JobRecord], total: Int) {
        let (jobs, total) = try await node.database.read(of: filter.tenant) { [node] session in
            try node.store.list(session, filter, offset: max(0, offset), limit: max(0, limit))
        }
        return (jobs.map(withLiveProgress), total)
    }

    /// Why a pending job does not run now; nil if it is not pending.
    public func waitReason(_ job: JobRecord) async throws -> WaitReason? {
        guard job.state == .pending else { return nil }
        let now = node.time.now()
        let busy = attempts.count >= node.configuration.workers ? node.configuration.workers : nil
        // Limits and nodes are those of the installation; the rest is the tenant's own.
        let (policy, crew) = try await claimFacts(now: now)
        let isManned = crew.map { $0.nodes > 0 } ?? true
        let workers = crew.map { $0.running >= $0.workers ? $0.workers : nil } ?? busy
        return try await node.database.read(of: job.tenant) { [node] session in
            try node.store.waitReason(
                session, job, kinds: isManned ? node.kinds : [], policy: policy, busyWorkers: workers, now: now)
        }
    }

    /// The limits with what runs, and the nodes that run it; nil if this one is alone.
    private func claimFacts(now: Timestamp) async throws -> (ClaimPolicy, NodeStore.Crew?) {
        let (isAlone, isLimited) = (node.configuration.isAlone, node.store.hasSharedLimits)
        guard isLimited || !isAlone else { return (node.store.policy(kinds: node.kinds), nil) }
        return try await node.database.read { [node] session in
            (
                try node.store.claimPolicy(session, kinds: node.kinds),
                isAlone ? nil : try node.store.nodes.crew(session, now: now)
            )
        }
    }

    /// A page of the installation's nodes, those that started last first, and how many there are. One that was stopped is not
    /// among them; one that was killed is silent, and goes after an hour.
    public func nodes(offset: Int, limit: Int) async throws -> (nodes: [NodeRecord], total: Int) {
        let now = node.time.now()
        var (nodes, total) = try await node.database.read { [node] session in
            try node.store.nodes.list(session, offset: max(0, offset), limit: max(0, limit), now: now)
        }
        // One that is alone shows nobody that it is there, but can say so when it is asked.
        if node.configuration.isAlone {
            for index in nodes.indices where nodes[index].id == node.name {
                nodes[index].lastBeatAt = now
                nodes[index].isSilent = false
            }
        }
        return (nodes, total)
    }

    /// How many jobs are ready, running, and running without progress.
    public func counts() async throws -> (ready: Int, running: Int, stalled: Int) {
        try await node.database.read { [node] session in try node.store.counts(session) }
    }

    // MARK: Events

    /// The durable events of a job after a number, in order.
    public func events(of job: JobID, after number: Int64 = 0, limit: Int = 1000) async throws -> [JobEvent] {
        try await events(of: job, tenant: nil, after: number, limit: limit)
    }

    /// The same on behalf of the job's tenant.
    public func events(of job: JobRecord, after number: Int64 = 0, limit: Int = 1000) async throws -> [JobEvent] {
        try await events(of: job.id, tenant: job.tenant, after: number, limit: limit)
    }

    private func events(
        of job: JobID, tenant: TenantID?, after number: Int64, limit: Int
    ) async throws -> [JobEvent] {
        try await node.database.read(of: tenant) { [node] session in
            try node.store.events.ofJob(session, job, after: number, limit: limit)
        }
    }

    /// The durable events of a tenant after a number, in order.
    public func events(of tenant: TenantID, after number: Int64, limit: Int = 1000) async throws -> [JobEvent] {
        try await node.database.read(of: tenant) { [node] session in
            try node.store.events.ofTenant(session, tenant, after: number, limit: limit)
        }
    }

    /// The number of a tenant's last event; 0 if it has none.
    public func lastEvent(of tenant: TenantID) async throws -> Int64 {
        try await node.database.read(of: tenant) { [node] session in try node.store.events.last(session, of: tenant) }
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
        try await artifacts(of: job, tenant: nil)
    }

    /// The same on behalf of the job's tenant.
    public func artifacts(of job: JobRecord) async throws -> [(artifact: Artifact, segments: [Segment])] {
        try await artifacts(of: job.id, tenant: job.tenant)
    }

    private func artifacts(
        of job: JobID, tenant: TenantID?
    ) async throws -> [(artifact: Artifact, segments: [Segment])] {
        try await node.database.read(of: tenant) { [node] session in
            try node.store.artifacts.listWithSegments(session, of: job)
        }
    }

    /// Takes the artifacts of an ended job back: they can't be downloaded any more, and their bytes go.
    /// - Parameter writing: what belongs to it in the same transaction, whether there were any or not.
    /// - Returns: whether there were any.
    public func revokeArtifacts(of job: JobRecord, writing: @escaping JobWriting = { _, _ in }) async throws -> Bool {
        let now = node.time.now()
        let ended = try await node.database.write(of: job.tenant) { [node] session in
            let ended = try node.store.artifacts.end(session, of: job.id, as: .revoked, now: now)
            if ended > 0 {
                try node.store.events.append(
                    session, [EventDraft(tenant: job.tenant, job: job.id, name: .artifactRevoked, progress: job.progress)],
                    now: now)
            }
            try writing(session, job)
            return ended
        }
        node.hub.changed([job])
        return ended > 0
    }

    // MARK: Schedules

    /// Stores a schedule, or replaces the one with its name.
    /// - Parameter writing: what belongs to it, or must hold for it, in the same transaction.
    /// - Throws: `EngineError` with code `.invalid` for a wrong cron expression.
    @discardableResult
    public func put(
        _ schedule: JobSchedule, writing: @escaping @Sendable (any SQLSession) throws -> Void = { _ in }
    ) async throws -> JobSchedule {
        let now = node.time.now()
        return try await node.database.write(of: schedule.principal.tenant) { session in
            try writing(session)
            return try ScheduleStore().put(session, schedule, now: now)
        }
    }

    /// - Returns: whether there was one.
    public func removeSchedule(
        _ name: String, of tenant: TenantID, writing: @escaping @Sendable (any SQLSession) throws -> Void = { _ in }
    ) async throws -> Bool {
        try await node.database.write(of: tenant) { session in
            guard try ScheduleStore().remove(session, tenant: tenant, name: name) else { return false }
            try writing(session)
            return true
        }
    }

    public func schedules(of tenant: TenantID) async throws -> [JobSchedule] {
        try await node.database.read(of: tenant) { session in try ScheduleStore().list(session, tenant: tenant) }
    }
}
