import Synchronization
import WaybillBlobs
import WaybillDatabases

/// One run of a job on this node: what its context does.
final class Attempt: Sendable {
    private struct State {
        var asks = StopAsks()
        var thrown: (any Error)?
        var commits = 0
        var lastCommit: Timestamp
        /// The job after the last commit.
        var latest: JobRecord
        var lengthAtCommit: Int64 = 0
        var length: Int64 = 0
        /// Those that are not whole and stored.
        var artifacts: [ArtifactWriter] = []
        /// All of them: a job may make many.
        var named: [String: ArtifactWriter] = [:]
        var nextPosition = 0
        var blobs = 0
        /// It may have been given the artifacts of another job.
        var hasAdopted = false
        /// A commit failed and may yet have been stored.
        var isInDoubt = false
        var task: Task<Void, Never>?
        var isTaskCancelled = false
        var isAside = false
    }

    let record: JobRecord
    private let node: EngineNode
    private let state: Mutex<State>

    init(_ record: JobRecord, on node: EngineNode) {
        self.record = record
        self.node = node
        state = Mutex(State(lastCommit: node.time.now(), latest: record))
    }

    var now: Timestamp { node.time.now() }

    var counters: [String: Int64] { state.withLock { $0.latest.counters } }

    /// The job after the last commit.
    var latest: JobRecord { state.withLock { $0.latest } }

    /// Whether it knows of any, of this attempt or one before.
    var hasArtifacts: Bool { state.withLock { !$0.named.isEmpty || $0.hasAdopted } }

    /// Whether its job has stepped out of the way of those who claim.
    var isAside: Bool { state.withLock { $0.isAside } }

    func steppedAside() { state.withLock { $0.isAside = true } }

    // MARK: Stopping

    /// What it is asked to do.
    var stop: AttemptStop? { state.withLock { $0.asks.stop } }

    /// Whether it is asked that, whatever outdoes it.
    func isAsked(_ stop: AttemptStop) -> Bool { state.withLock { $0.asks.contains(stop) } }

    /// When it was asked to stop, if it was.
    var stopRequestedAt: Timestamp? { state.withLock { $0.asks.since } }

    /// How often it was asked to pause.
    var pausesAsked: Int { state.withLock { $0.asks.pauses } }

    /// What `commit` has thrown, if it has: it tells the outcome even if the handler threw something else after it.
    var thrown: (any Error)? { state.withLock { $0.thrown } }

    /// Asks the handler to stop. One whose work is not wanted any more has its task cancelled as well; the others go on to their
    /// next commit.
    func request(_ stop: AttemptStop) {
        let now = node.time.now()
        let task: Task<Void, Never>? = state.withLock { state in
            state.asks.add(stop, now: now)
            guard state.asks.stop == .cancelled || state.asks.stop == .leaseLost else { return nil }
            state.isTaskCancelled = true
            return state.task
        }
        task?.cancel()
    }

    /// Takes back a pause that has not been honoured.
    /// - Parameter pauses: how often a pause had been asked for when it was read that none is wanted; a later one stays.
    func withdrawPause(asked pauses: Int) {
        let now = node.time.now()
        state.withLock { state in
            if state.asks.pauses == pauses { state.asks.withdrawPause(now: now) }
        }
    }

    /// The task that runs the handler.
    func attach(_ task: Task<Void, Never>) {
        let isCancelled = state.withLock { state in
            state.task = task
            return state.isTaskCancelled
        }
        if isCancelled { task.cancel() }
    }

    var isTaskCancelled: Bool { state.withLock { $0.isTaskCancelled } }

    /// Cancels the task that runs the handler.
    func cancelTask() {
        let task = state.withLock { state in
            state.isTaskCancelled = true
            return state.task
        }
        task?.cancel()
    }

    private func ended(by stop: any Error) -> any Error {
        state.withLock { $0.thrown = stop }
        return stop
    }

    // MARK: Committing

    var shouldCommit: Bool {
        let now = node.time.now()
        let pacing = node.configuration.pacing
        return state.withLock { state in
            state.asks.stop != nil
                || pacing.isDue(
                    since: state.lastCommit, isFirst: state.commits == 0, bytesWritten: state.length - state.lengthAtCommit,
                    now: now)
        }
    }

    /// Makes the work up to here durable, in one transaction.
    /// - Parameters:
    ///   - durability: when it is durable; with a step of the progress, at once.
    ///   - writesRows: `making` writes rows as well, and must have the order of all other writes.
    ///   - making: writes what belongs to it, and gives the checkpoint. May be called again.
    func commit(
        progress: Double?, _ durability: CommitDurability, writesRows: Bool,
        making: @escaping @Sendable (any SQLSession) throws -> CheckpointStep
    ) async throws {
        try checkMayWrite()
        let commit = Checkpointing(
            job: record.id, fence: record.fence, at: nextCommitAt, progress: progress, artifacts: try await seal())
        try observed(.before)
        // A step of the progress is told by an event, and events are numbered in the serial order.
        let isStep = ProgressPolicy.isStep(from: latest.progress, to: max(latest.progress, progress ?? 0))
        let order: SQLWriteOrder =
            switch durability {
            // A number that was told is not given again, also not after a power cut.
            case _ where isStep: .serial
            case .immediate: writesRows ? .serial : .concurrent
            // A segment that is replaced is deleted soon after, and a step that is lost would want it back.
            case .delayed where commit.artifacts.contains { !$0.replaced.isEmpty }: .serial
            case .delayed: .delayed
            }
        let (stop, job) = try await write(commit, order, making)
        let now = node.time.now()
        var whole: Set<Int> = []
        for writer in artifacts {
            await writer.stored()
            if await writer.isWhole { whole.insert(writer.position) }
        }
        state.withLock { [whole] state in
            if !whole.isEmpty { state.artifacts.removeAll { whole.contains($0.position) } }
            state.commits += 1
            state.isInDoubt = false
            state.lastCommit = now
            state.lengthAtCommit = state.length
            state.latest = job
        }
        node.hub.progressed(job, now: now)
        try observed(.after)
        if stop.cancel { throw ended(by: AttemptStop.cancelled) }
        if stop.pause { throw ended(by: AttemptStop.paused) }
        // Whether it is paused is for the row to say: a pause that was asked for here may have been taken back since.
        if let stop = state.withLock({ $0.asks.stopButPause }) { throw ended(by: stop) }
    }

    /// Later than the last one, by which it is told from that.
    private var nextCommitAt: Timestamp { max(node.time.now(), latest.updatedAt.advanced(by: .microseconds(1))) }

    private func write(
        _ commit: Checkpointing, _ order: SQLWriteOrder, _ making: @escaping @Sendable (any SQLSession) throws -> CheckpointStep
    ) async throws -> (StopRequest, JobRecord) {
        let store = node.store
        do {
            return try await node.writeAgain(order, of: record.tenant, until: { [weak self] in self?.stop != nil }) { session in
                try store.checkpoint(session, commit, making: making)
            }
        } catch let error as EngineError where error.code == .leaseLost {
            throw ended(by: AttemptStop.leaseLost)
        } catch {
            state.withLock { $0.isInDoubt = true }
            throw error
        }
    }

    /// - Throws: what has ended the attempt already, or must end it before it writes.
    private func checkMayWrite() throws {
        if let thrown { throw thrown }
        if let stop, stop == .cancelled || stop == .leaseLost { throw ended(by: stop) }
    }

    private func observed(_ moment: CommitMoment) throws {
        guard let observer = node.observer else { return }
        let number = state.withLock { $0.commits + (moment == .before ? 1 : 0) }
        do {
            try observer.commits(record, number: number, moment: moment)
        } catch {
            throw ended(by: error)
        }
    }

    func show(progress: Double) {
        guard progress.isFinite else { return }
        var job = record
        job.progress = min(100, max(0, progress))
        node.hub.progressed(job, now: node.time.now())
    }

    // MARK: Artifacts

    private var artifacts: [ArtifactWriter] { state.withLock { $0.artifacts } }

    /// Reads what earlier attempts have committed.
    func load() async throws {
        guard record.fence > 1 else { return }
        let stored = try await node.database.read(of: record.tenant) { [store = node.store, id = record.id] session in
            try store.artifacts.listWithSegments(session, of: id)
        }
        let writers = stored.map { artifact, segments in
            writer(
                artifact.name, contentType: artifact.contentType, position: artifact.position, segments: segments, isStored: true,
                isClosed: artifact.sha256 != nil)
        }
        let open = Set(stored.filter { $0.artifact.sha256 == nil }.map(\.artifact.position))
        state.withLock { state in
            state.artifacts = writers.filter { open.contains($0.position) }
            state.named = Dictionary(writers.map { ($0.name, $0) }) { first, _ in first }
            state.nextPosition = writers.reduce(0) { max($0, $1.position + 1) }
        }
    }

    /// The artifact with this name, begun now if there is none.
    func artifact(_ name: String, contentType: String) -> ArtifactWriter {
        state.withLock { state in
            if let known = state.named[name] { return known }
            let made = writer(name, contentType: contentType, position: state.nextPosition)
            state.nextPosition += 1
            state.artifacts.append(made)
            state.named[name] = made
            return made
        }
    }

    private func writer(
        _ name: String, contentType: String, position: Int, segments: [Segment] = [], isStored: Bool = false,
        isClosed: Bool = false
    ) -> ArtifactWriter {
        ArtifactWriter(
            name: name, contentType: contentType, position: position, segments: segments, isStored: isStored, isClosed: isClosed,
            blobs: node.blobs, makeKey: { [weak self] in self?.nextKey() },
            wrote: { [weak self] bytes in self?.state.withLock { $0.length += Int64(bytes) } })
    }

    private func nextKey() -> BlobKey? {
        let serial = state.withLock { state in
            state.blobs += 1
            return state.blobs
        }
        return BlobKey(job: record, serial: serial)
    }

    func storedArtifacts() async throws -> [Artifact] {
        try await node.database.read(of: record.tenant) { [store = node.store, id = record.id] session in
            try store.artifacts.list(session, of: id)
        }
    }

    func adoptArtifacts(in session: any SQLSession, matching matches: (JobRecord) throws -> Bool) throws -> JobRecord? {
        state.withLock { $0.hasAdopted = true }
        let now = node.time.now()
        for other in try node.store.completed(session, record.tenant, record.kind, limit: Self.candidatesMax)
        where try matches(other) {
            if try node.store.artifacts.share(session, of: other.id, with: record.id, now: now) { return other }
        }
        return nil
    }

    /// Completed jobs among which one with the same outputs is looked for.
    private static let candidatesMax = 100

    func dropArtifacts() async throws {
        try checkMayWrite()
        let (store, record, time) = (node.store, record, node.time)
        do {
            try await node.writeAgain(of: record.tenant, until: { [weak self] in self?.stop != nil }) { session in
                try store.startOver(session, record.id, fence: record.fence, now: time.now())
            }
        } catch let error as EngineError where error.code == .leaseLost {
            throw ended(by: AttemptStop.leaseLost)
        }
        await abandonArtifacts()
        state.withLock { state in
            state.artifacts = []
            state.named = [:]
            state.nextPosition = 0
            state.latest.counters = [:]
            state.latest.checkpoint = nil
        }
    }

    /// Makes what was appended since the last commit durable in the blob store.
    private func seal() async throws -> [ArtifactChange] {
        var changes: [ArtifactChange] = []
        for writer in artifacts {
            if let change = try await writer.seal() { changes.append(change) }
        }
        return changes
    }

    /// Makes all artifacts whole.
    /// - Returns: what the transaction that completes the job stores.
    func finish() async throws -> [ArtifactChange] {
        guard !artifacts.isEmpty else { return [] }
        try checkMayWrite()
        for writer in artifacts { await writer.close() }
        return try await seal()
    }

    /// It is not known whether the last write of it took place.
    func noteDoubt() { state.withLock { $0.isInDoubt = true } }

    /// Drops what was appended after the last commit.
    func abandonArtifacts() async {
        let isInDoubt = state.withLock { $0.isInDoubt }
        for writer in artifacts { await writer.abandon(deletes: !isInDoubt) }
    }
}
