import Logging
import SeededBugs
import ServiceLifecycle
import WaybillBlobs
import WaybillDatabases

/// Runs durable jobs: takes them in, hands them to their handlers, and tells what has become of them.
///
/// An embedder makes one over his own database and blob store, registers handlers, applies `EngineMigrations.all`, runs the
/// engine as a service (or in a task of his own), and enqueues.
public final class JobEngine: Service, Sendable {
    let node: EngineNode
    let attempts: RunningAttempts

    /// - Parameters:
    ///   - name: of this node; unique among the running ones, and a new one at each start.
    ///   - generator: randomness for job ids.
    public convenience init(
        database: any SQLDatabase, blobs: any BlobStore, handlers: JobHandlers,
        configuration: EngineConfiguration = EngineConfiguration(), name: String, time: any TimeSource,
        generator: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator(), logger: Logger
    ) {
        self.init(
            database: database, blobs: blobs, handlers: handlers, configuration: configuration, name: name, time: time,
            generator: generator, logger: logger, observer: nil)
    }

    /// - Parameter observer: is kept weakly.
    package init(
        database: any SQLDatabase, blobs: any BlobStore, handlers: JobHandlers, configuration: EngineConfiguration, name: String,
        time: any TimeSource, generator: any RandomNumberGenerator & Sendable, logger: Logger, observer: (any AttemptObserver)?
    ) {
        node = EngineNode(
            name: name, database: database, blobs: blobs,
            store: JobStore(
                configuration, hooks: handlers.byKind.compactMapValues(\.ended), external: handlers.external,
                keeping: handlers.keeping),
            handlers: handlers,
            configuration: configuration,
            time: time, ids: JobIDSource(generator), logger: logger, observer: observer)
        attempts = RunningAttempts(completesBeside: database.writesSideBySide ? node.store : nil)
    }

    public var name: String { node.name }

    /// Takes over what dead processes have left, then works until the service group shuts down or the task is cancelled. To be
    /// called once.
    ///
    /// On a graceful shutdown handlers have `shutdownSeconds` to reach a commit; when the task is cancelled they are stopped at
    /// once. Either way their jobs are pending again, and the attempt is not counted.
    public func run() async throws {
        guard try await enterOnceReached() else { return }
        await withTaskGroup(of: Void.self) { group in
            let sweeper = SweepService(node: node, attempts: attempts)
            group.addTask { await sweeper.run() }
            if let signals = node.database.signals {
                group.addTask { await self.listen(signals) }
                group.addTask { [node, attempts] in await StopRequests(node: node, attempts: attempts).run() }
            }
            await WorkerService(node, attempts).run()
            group.cancelAll()
        }
        await leave()
    }

    private func enter() async throws {
        let now = node.time.now()
        try await node.database.write { [node] session in
            if node.configuration.isAlone { try node.store.nodes.forgetOthers(session, than: node.name) }
            try node.store.nodes.beat(session, node.name, node.configuration, now: now)
        }
    }

    private func leave() async {
        do {
            try await node.database.write { [node] session in try node.store.nodes.leave(session, node.name) }
        } catch {
            // It is silent from now on, and goes like one that has died.
            node.logger.notice("the end of this node can't be stored", metadata: ["error": "\(error)"])
        }
    }

    /// Recovers and enters, and waits for a database that went away between the start and now.
    /// - Returns: false if the engine is to stop before that.
    private func enterOnceReached() async throws -> Bool {
        try await cancelWhenGracefulShutdown { [self] in
            var pause = Duration.milliseconds(50)
            do {
                while true {
                    do {
                        try await recover()
                        try await enter()
                        return true
                    } catch let error as SQLError where error.mayPass {
                        node.logger.error("taking over failed; it is tried again", metadata: ["error": "\(error)"])
                    }
                    try await node.time.sleep(until: node.time.now().advanced(by: pause))
                    pause = min(pause * 2, .seconds(2))
                }
            } catch is CancellationError {
                return false
            }
        }
    }

    /// Heeds what other nodes tell.
    private func listen(_ signals: any SQLSignals) async {
        for await text in signals.words() {
            guard let word = NodeWord(text, heardBy: node.voice.mark) else { continue }
            if node.hub.heard(word, now: node.time.now()) { node.wake.wake() }
            switch word {
            case .changed(let job): if attempts.attempt(of: job) != nil { node.stopWake.wake() }
            case .manyChanged: node.stopWake.wake()
            case .work, .progress: break
            }
        }
    }

    /// Takes over what dead processes have left, and puts waiting jobs where they belong under this engine's limits. `run` begins
    /// with it; call it yourself only before `runNext`.
    public func recover() async throws {
        let now = node.time.now()
        let changed = try await Sweeping(node: node).takeFromDead(alone: node.configuration.isAlone, now: now)
        try await node.database.write { [node] session in
            try node.store.restand(session, alone: node.configuration.isAlone, now: now)
        }
        node.hub.changed(changed)
    }

    /// Claims one job, runs its attempt here and now, and settles it. For tests, and for embedders that have a loop of their own
    /// instead of `run`.
    /// - Returns: the job after the attempt; nil if none could be claimed. One whose lease was lost is returned as it was
    ///   claimed.
    @discardableResult
    public func runNext() async throws -> JobRecord? {
        let settling = Settling(node: node, attempts: attempts)
        guard let job = try await settling.settle([], claiming: 1).claimed.first else { return nil }
        let attempt = Attempt(job, on: node)
        attempts.started(attempt)
        attempts.ended(attempt, await AttemptRunner(node: node).perform(attempt))
        node.hub.forget(job.id)
        let (settled, isDone) = await settling.settleEach(attempts.takeEnded())
        attempts.settled()
        guard isDone else { throw SQLError(.unavailable, "the end of job \(job.id) can't be stored") }
        return settled.first { $0.id == job.id } ?? job
    }

    /// Does what `run` does each second though nobody asks: dead attempts, deadlines, stalls, schedules. For those who use
    /// `runNext`.
    public func sweepNext() async throws {
        try await SweepService(node: node, attempts: attempts).tick()
        try await Cleaning(node: node).cleanUp()
    }

    // MARK: Enqueuing

    /// Enqueues a job of a handler's kind.
    /// - Throws: `EngineError` with code `.duplicate` if an unfinished job has the same unique key, `SQLError`, `EncodingError`.
    @discardableResult
    public func enqueue<Handler: JobHandler>(
        _ handler: Handler.Type, _ input: Handler.Input, for principal: Principal, priority: Int = 50, uniqueKey: String? = nil,
        limitKey: String? = nil, dueAt: Timestamp? = nil, deadlineAt: Timestamp? = nil, maxAttempts: Int = 3
    ) async throws -> JobRecord {
        try await enqueue(
            JobRequest(
                kind: Handler.kind, principal: principal, input: JobCoding.encode(input), priority: priority,
                uniqueKey: uniqueKey,
                limitKey: limitKey, dueAt: dueAt, deadlineAt: deadlineAt, maxAttempts: maxAttempts))
    }

    @discardableResult
    public func enqueue(_ request: JobRequest) async throws -> JobRecord {
        try await enqueue(request) { _, _ in }
    }

    /// Enqueues a job, and writes what belongs to it in the same transaction.
    @discardableResult
    public func enqueue(
        _ request: JobRequest, writing: @escaping @Sendable (any SQLSession, JobRecord) throws -> Void
    ) async throws -> JobRecord {
        let job = try await node.database.write(of: request.principal.tenant) { [self] session in
            let job = try enqueue(request, in: session)
            try writing(session, job)
            return job
        }
        announce([job])
        return job
    }

    /// Enqueues a job; if an unfinished one has the same unique key, that one starts over as what is asked for now, under its
    /// own id: what it has made is dropped, and an attempt that runs loses it.
    /// - Parameter writing: what belongs to it in the same transaction; is told whether it is the one that was there.
    @discardableResult
    public func enqueueOrRestart(
        _ request: JobRequest, writing: @escaping @Sendable (any SQLSession, JobRecord, _ isRestarted: Bool) throws -> Void
    ) async throws -> JobRecord {
        let now = node.time.now()
        let (job, isRestarted) = try await node.database.write(of: request.principal.tenant) { [self] session in
            do {
                let job = try enqueue(request, in: session)
                try writing(session, job, false)
                return (job, false)
            } catch let error as EngineError where error.code == .duplicate {
                guard let other = error.job else { throw error }
                let job = try node.store.restart(session, other, as: request, now: now)
                try writing(session, job, true)
                return (job, true)
            }
        }
        // By its fence it is the one that has lost it.
        if isRestarted, let attempt = attempts.attempt(of: job.id), attempt.record.fence == job.fence {
            attempt.request(.leaseLost)
        }
        announce([job])
        return job
    }

    /// Enqueues a job inside the caller's own transaction: the job is there if and only if that commits. Call `announce` after
    /// the commit to start it at once; without that it starts within a second.
    public func enqueue(_ request: JobRequest, in session: any SQLSession) throws -> JobRecord {
        let now = node.time.now()
        return try node.store.enqueue(session, request, id: node.ids.next(at: now), now: now)
    }

    /// Tells watchers and the worker that these jobs have been enqueued.
    public func announce(_ jobs: [JobRecord]) {
        node.wake.wake()
        // The word that somebody waits for goes first.
        node.voice.say([.work])
        node.hub.changed(jobs)
    }

    // MARK: Control
    //
    // With a tenant, a job of another one is not found, and the database sees to it where it can.

    /// Writes what belongs to a change of a job, in the same transaction.
    public typealias JobWriting = @Sendable (any SQLSession, JobRecord) throws -> Void

    /// - Throws: `EngineError` with code `.notFound` or `.alreadyEnded`.
    public func cancel(
        _ id: JobID, of tenant: TenantID? = nil, writing: @escaping JobWriting = { _, _ in }
    ) async throws -> JobRecord {
        let job = try await control(tenant, writing) { store, session, now in try store.cancel(session, id, now: now) }
        if job.cancelRequested, job.state == .running { running(job)?.request(.cancelled) }
        return job
    }

    /// - Throws: `EngineError` with code `.notFound` or `.alreadyEnded`.
    public func pause(
        _ id: JobID, of tenant: TenantID? = nil, writing: @escaping JobWriting = { _, _ in }
    ) async throws -> JobRecord {
        let job = try await control(tenant, writing) { store, session, now in try store.pause(session, id, now: now) }
        if job.pauseRequested, job.state == .running { running(job)?.request(.paused) }
        return job
    }

    /// - Throws: `EngineError` with code `.notFound` or `.alreadyEnded`.
    public func resume(
        _ id: JobID, of tenant: TenantID? = nil, writing: @escaping JobWriting = { _, _ in }
    ) async throws -> JobRecord {
        let asked = attempts.attempt(of: id)?.pausesAsked
        let job = try await control(tenant, writing) { store, session, now in try store.resume(session, id, now: now) }
        if job.state == .running, let asked { running(job)?.withdrawPause(asked: asked) }
        return job
    }

    /// Starts a job that failed, expired or was cancelled over.
    /// - Throws: `EngineError` with code `.notFound`, `.notEnded`, `.alreadyEnded` or `.duplicate`.
    public func retry(
        _ id: JobID, of tenant: TenantID? = nil, writing: @escaping JobWriting = { _, _ in }
    ) async throws -> JobRecord {
        try await control(tenant, writing) { store, session, now in try store.retry(session, id, now: now) }
    }

    /// The attempt of this node that runs the job, if that is the one the store means.
    private func running(_ job: JobRecord) -> Attempt? {
        attempts.attempt(of: job.id).flatMap { $0.record.fence == job.fence ? $0 : nil }
    }

    // MARK: Deleting

    /// Deletes an ended job with its events and artifacts.
    /// - Throws: `EngineError` with code `.notFound` or `.notEnded`.
    public func delete(
        _ id: JobID, of tenant: TenantID? = nil, writing: @escaping JobWriting = { _, _ in }
    ) async throws {
        let now = node.time.now()
        try await node.database.write(of: tenant) { [node] session in
            guard let job = try node.store.find(session, id), tenant == nil || job.tenant == tenant else {
                throw EngineError(.notFound, job: id, "no such job")
            }
            guard job.state.isFinal else { throw EngineError(.notEnded, job: id, "the job has not ended") }
            try writing(session, job)
            try node.store.delete(session, [id], now: now)
        }
    }

    /// Deletes a slice of what the engine holds of a tenant: jobs (running ones lose their fence), events, artifacts with
    /// their bytes, schedules. Call it until it says that nothing is left.
    /// - Parameters:
    ///   - job: stays, with its events: the job that does the erasing, if it is the tenant's own.
    ///   - slice: how many jobs or events one transaction deletes at most.
    /// - Returns: whether nothing is left.
    public func eraseTenant(_ tenant: TenantID, sparing job: JobID? = nil, slice: Int = 100) async throws -> Bool {
        let now = node.time.now()
        let isDone = try await node.database.write { [node] session in
            try node.store.erase(session, tenant: tenant, sparing: job, limit: max(1, slice), now: now)
        }
        for attempt in attempts.all where attempt.record.tenant == tenant && attempt.record.id != job {
            let owner = try await find(attempt.record.id)
            if owner == nil { attempt.request(.leaseLost) }
        }
        if isDone {
            try await Cleaning(node: node).removeBlobs(of: tenant, sparing: job)
            while try await node.database.write({ try ArtifactStore().forgetGarbage($0, of: tenant, limit: 500) }) > 0 {}
        }
        return isDone
    }

    private func control(
        _ tenant: TenantID?, _ writing: @escaping JobWriting,
        _ act: @escaping @Sendable (JobStore, any SQLSession, Timestamp) throws -> JobRecord
    ) async throws -> JobRecord {
        let now = node.time.now()
        let job = try await node.database.write(of: tenant) { [node] session in
            let job = try act(node.store, session, now)
            guard tenant == nil || job.tenant == tenant || SeededBug.forgetsOwner else {
                throw EngineError(.notFound, job: job.id, "no such job")
            }
            try writing(session, job)
            return job
        }
        announce([job])
        return job
    }
}
