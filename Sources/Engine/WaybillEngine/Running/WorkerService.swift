import Logging
import ServiceLifecycle
import Synchronization
import WaybillDatabases

/// Claims jobs, runs them, and settles what has become of them. Ends and beginnings that fall together share one transaction.
///
/// Handlers run in tasks of their own, because one that never stops must not keep the process from ending.
struct WorkerService: Sendable {
    /// How far a shutdown has come.
    enum Phase: Int, Sendable {
        case working
        /// Handlers are asked to stop at their next commit.
        case draining
        /// Their tasks are cancelled.
        case cancelling
        /// Those that still run are given up: their jobs are settled as interrupted.
        case leaving
    }

    /// How long a cancelled task gets to end.
    static let cancelGrace = Duration.seconds(2)

    let node: EngineNode
    let attempts: RunningAttempts
    private let shutdown = Shutdown()

    init(_ node: EngineNode, _ attempts: RunningAttempts) {
        self.node = node
        self.attempts = attempts
    }

    func run() async {
        // It writes for each job that ends or begins, and does little else.
        let loop = Task(executorPreference: node.database.writingExecutor) { await work() }
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                await loop.value
            } onGracefulShutdown: {
                begin(.draining)
            }
        } onCancel: {
            begin(.cancelling)
        }
        shutdown.end()
    }

    private func work() async {
        let completing = Completing(node: node, attempts: attempts)
        await withDiscardingTaskGroup { tasks in
            if node.database.writesSideBySide {
                // Not where the loop runs: what it writes goes beside that.
                tasks.addTask(executorPreference: globalConcurrentExecutor) { await completing.run() }
            }
            await settleAndClaim(beside: completing)
            completing.finish()
        }
        // What it could not complete.
        if !attempts.isIdle { await leave() }
    }

    private func settleAndClaim(beside completing: Completing) async {
        node.wake.wake()
        var mayClaim = false
        for await _ in node.wake.stream {
            if attempts.hasManyCompleted { completing.wake() }
            mayClaim = await cycle(mayClaim: mayClaim)
            if shutdown.phase != .working, attempts.isIdle || shutdown.phase == .leaving { return }
        }
    }

    /// Settles and claims once. What ends or comes meanwhile wakes the next one.
    /// - Parameter mayClaim: it is known that there may be jobs to claim.
    /// - Returns: whether there may be more of them: all that were asked for were there.
    private func cycle(mayClaim: Bool) async -> Bool {
        let ended = attempts.takeEnded()
        let claims = shutdown.phase == .working && node.configuration.role.claims
        let workers = node.configuration.workers
        // Not further ahead of the ends than what runs at once.
        let free = claims ? min(workers - attempts.count, 2 * workers - attempts.count - attempts.unsettledCount) : 0
        guard !ended.isEmpty || free > 0 else { return mayClaim }
        let settling = Settling(node: node, attempts: attempts)
        do {
            // Others who share the database should not wait for one who finds nothing.
            if ended.isEmpty, !mayClaim, !node.configuration.isAlone {
                let now = node.time.now()
                guard try await node.database.read({ [node] in try node.store.mayClaim($0, now: now) }) else { return false }
            }
            let claimed = try await settling.settle(ended, claiming: max(0, free)).claimed
            attempts.settled()
            for job in claimed { start(job) }
            return free > 0 && claimed.count == free
        } catch {
            guard !ended.isEmpty else {
                node.logger.error("claiming jobs failed; it is tried again", metadata: ["error": "\(error)"])
                return false
            }
            let isDone = await settling.settleEach(ended).isDone
            attempts.settled()
            if isDone { node.wake.wake() }
            return false
        }
    }

    private func start(_ job: JobRecord) {
        let attempt = Attempt(job, on: node)
        attempts.started(attempt)
        // A shutdown that began since the claim has not seen this attempt.
        if shutdown.phase != .working { attempt.request(.interrupted) }
        attempt.attach(
            Task { [node, attempts] in
                let outcome = await AttemptRunner(node: node).perform(attempt)
                if outcome == nil { node.hub.forget(job.id) }
                if attempts.ended(attempt, outcome) { node.wake.wake() }
            })
    }

    // MARK: Shutdown

    private func begin(_ phase: Phase) {
        guard shutdown.advance(to: phase) else { return }
        for attempt in attempts.all { attempt.request(.interrupted) }
        if phase == .cancelling {
            for attempt in attempts.all { attempt.cancelTask() }
        }
        node.wake.wake()
        let pause = phase == .draining ? .seconds(node.configuration.shutdownSeconds) : Self.cancelGrace
        shutdown.then(
            Task {
                do {
                    try await node.time.sleep(until: node.time.now().advanced(by: pause))
                } catch {
                    return
                }
                if phase == .draining { begin(.cancelling) } else { finish() }
            })
    }

    private func finish() {
        guard shutdown.advance(to: .leaving) else { return }
        node.wake.wake()
    }

    /// Settles what there is, whatever the handlers do.
    private func leave() async {
        for attempt in attempts.all {
            node.logger.warning(
                "a handler does not stop; its job is taken from it",
                metadata: ["job": "\(attempt.record.id)", "kind": "\(attempt.record.kind)"])
            attempts.ended(attempt, attempt.stop == .cancelled ? .cancelled : .interrupted)
        }
        await Settling(node: node, attempts: attempts).settleEach(attempts.takeEnded(all: true))
        attempts.settled()
    }
}

/// Goes through the phases, each once.
private final class Shutdown: Sendable {
    private struct State {
        var phase = WorkerService.Phase.working
        var timer: Task<Void, Never>?
        var hasEnded = false
    }

    private let state = Mutex(State())

    var phase: WorkerService.Phase { state.withLock { $0.phase } }

    /// - Returns: false if it has come as far already.
    func advance(to phase: WorkerService.Phase) -> Bool {
        state.withLock { state in
            guard phase.rawValue > state.phase.rawValue, !state.hasEnded else { return false }
            state.phase = phase
            return true
        }
    }

    /// Keeps the timer of the present phase.
    func then(_ timer: Task<Void, Never>) {
        let old = state.withLock { state in
            let old = state.hasEnded ? timer : state.timer
            state.timer = state.hasEnded ? nil : timer
            return old
        }
        old?.cancel()
    }

    func end() {
        let timer = state.withLock { state in
            state.hasEnded = true
            return state.timer
        }
        timer?.cancel()
    }
}
