import Logging
import Synchronization
import WaybillBlobs
import WaybillDatabases

/// What must happen though nobody asks: heartbeats, jobs whose time has come, deadlines, stalls, schedules, retention, blobs
/// without an owner. It goes on until its task is cancelled, which is after the last handler has stopped.
struct SweepService: Sendable {
    /// How long a handler whose work is not wanted any more may go on before its place is given to another.
    static let stopGrace = Duration.seconds(10)

    let node: EngineNode
    let attempts: RunningAttempts
    private let executor = HeartbeatExecutor()
    private let pulse: Pulse

    init(node: EngineNode, attempts: RunningAttempts) {
        self.node = node
        self.attempts = attempts
        pulse = Pulse(now: node.time.now())
    }

    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask(executorPreference: executor) { await every(node.heartbeatInterval, "heartbeat", heartbeat) }
            group.addTask { await every(.seconds(1), "tick", tick) }
            group.addTask { await every(.seconds(10), "clean-up", Cleaning(node: node).cleanUp) }
            group.addTask {
                await every(.seconds(node.configuration.orphanSeconds), "orphan sweep", Cleaning(node: node).sweepOrphans)
            }
            await group.waitForAll()
        }
    }

    /// Runs `work` again and again; an error is logged and the next round tries again.
    private func every(_ interval: Duration, _ name: String, _ work: @Sendable () async throws -> Void) async {
        while !Task.isCancelled {
            do {
                try await node.time.sleep(until: node.time.now().advanced(by: interval))
            } catch {
                return
            }
            do {
                try await work()
            } catch {
                guard !Task.isCancelled else { return }
                node.logger.error("\(name) failed; it is tried again", metadata: ["error": "\(error)"])
            }
        }
    }

    // MARK: Heartbeat

    /// Renews leases, and shows that the node is there. One that is alone has nothing to lose and nobody to show it to.
    func heartbeat() async throws {
        let began = node.time.now()
        if node.configuration.isAlone {
            pulse.beat(began)
        } else {
            let held = attempts.all
            let holdsLeases = !held.isEmpty
            let fresh = held.filter { !$0.isAside }
            do {
                let aside = try await node.database.write(.urgent) { [node] session in
                    let aside = try node.store.stepAside(session, fresh.map(\.record.id), on: node.name)
                    if holdsLeases { try node.store.heartbeat(session, node: node.name, now: began) }
                    try node.store.nodes.beat(session, node.name, node.configuration, now: began)
                    return aside
                }
                for attempt in fresh where aside.contains(attempt.record.id) { attempt.steppedAside() }
                pulse.beat(began)
            } catch {
                if !holdsLeases {
                    pulse.beat(began)
                } else if began.since(pulse.last) >= .seconds(node.configuration.leaseSeconds) {
                    for attempt in attempts.all { attempt.request(.leaseLost) }
                }
                throw error
            }
        }
        try await reconcile()
    }

    /// Compares what runs here with what the store says runs here.
    private func reconcile() async throws {
        let running = attempts.all.filter(\.isAside)
        let mine = try await node.database.read { [node] session in try node.store.running(session, on: node.name) }
        for attempt in running where mine[attempt.record.id]?.fence != attempt.record.fence { attempt.request(.leaseLost) }
        // A claim whose answer was lost is in nobody's hands. Seen twice, it is no claim that is only just being answered.
        let found = mine.filter { !attempts.holds($0.key) }.mapValues(\.fence)
        let lost = pulse.seenAgain(found)
        guard !lost.isEmpty else { return }
        let now = node.time.now()
        let freed = try await node.database.write { [node] session in
            try node.store.changing(session, now: now) { changes in
                try lost.compactMap { id, fence -> JobRecord? in
                    guard let job = try node.store.take(session, id), job.fence == fence, job.state == .running else {
                        return nil
                    }
                    return try node.store.settle(session, Ending(job: job, outcome: .interrupted), now: now, &changes)
                }
            }
        }
        node.hub.changed(freed)
        node.wake.wake()
    }

    // MARK: Each second

    func tick() async throws {
        let now = node.time.now()
        giveUpStuck(now: now)
        // What other nodes have told may have been lost on the way.
        if !node.configuration.isAlone { node.hub.wakeAll() }
        if attempts.hasEnded { node.wake.wake() }
        try await stepAside(now: now)
        let look = StopRequests(node: node, attempts: attempts).look()
        let (due, mine) = try await node.database.read { [node] session in
            (
                try node.store.due(session, now: now, stall: .seconds(node.configuration.stallSeconds), except: node.name),
                look.isEmpty ? [:] : try node.store.aside(session, on: node.name)
            )
        }
        look.hand(mine)
        if due.ready { node.wake.wake() }
        guard due.sweep else { return }
        let changed = try await Sweeping(node: node).sweep(now: now)
        for job in changed where job.state.isFinal { attempts.attempt(of: job.id)?.request(.leaseLost) }
        node.hub.changed(changed)
        if !changed.isEmpty { node.wake.wake() }
    }

    /// Jobs that have run for a moment get out of the way of those who claim.
    private func stepAside(now: Timestamp) async throws {
        let fresh = attempts.all.filter { !$0.isAside && now.since($0.record.updatedAt) >= JobStore.asideAfter }
        guard !fresh.isEmpty else { return }
        let aside = try await node.database.write(.concurrent) { [node] session in
            try node.store.stepAside(session, fresh.map(\.record.id), on: node.name)
        }
        for attempt in fresh where aside.contains(attempt.record.id) { attempt.steppedAside() }
    }

    /// Takes the place of handlers that go on although their work is not wanted. What they write is refused.
    private func giveUpStuck(now: Timestamp) {
        for attempt in attempts.all {
            guard let stop = attempt.stop, stop == .cancelled || stop == .leaseLost,
                let asked = attempt.stopRequestedAt, now.since(asked) >= Self.stopGrace
            else { continue }
            node.logger.warning(
                "a handler does not stop; its place is given to another",
                metadata: ["job": "\(attempt.record.id)", "kind": "\(attempt.record.kind)"])
            if attempts.ended(attempt, stop == .cancelled ? .cancelled : nil) { node.wake.wake() }
        }
    }
}

/// What a heartbeat remembers of those before.
private final class Pulse: Sendable {
    private struct State {
        var last: Timestamp
        var strays: [JobID: Int64] = [:]
    }

    private let state: Mutex<State>

    init(now: Timestamp) {
        state = Mutex(State(last: now))
    }

    /// When leases were renewed last.
    var last: Timestamp { state.withLock { $0.last } }

    func beat(_ now: Timestamp) {
        state.withLock { $0.last = now }
    }

    /// Of these jobs and fences, those that were given the last time as well.
    func seenAgain(_ strays: [JobID: Int64]) -> [JobID: Int64] {
        state.withLock { state in
            defer { state.strays = strays }
            return strays.filter { state.strays[$0.key] == $0.value }
        }
    }
}
