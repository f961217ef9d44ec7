import GRDB
import WaybillBlobs
import WaybillDatabases

@testable import WaybillEngine
@testable import WaybillSQLite

/// What a seed decides at its beginning. Printed when it fails.
struct SimulationOptions: Sendable, CustomStringConvertible {
    var seed: UInt64
    var nodes: Int
    var tenants: Int
    var steps: Int
    var perKey: Int?
    var perTenant: Int?
    var perKind: Int?
    var storeFailurePercent: Int
    var slowPercent: Int
    var crashPercent: Int
    var stallPercent: Int
    var hasSchedules: Bool
    var jumpsClock: Bool

    init(seed: UInt64, steps: Int) {
        var random = SimulationRandom(seed: seed)
        self.seed = seed
        self.steps = steps
        nodes = random.int(1...3)
        tenants = random.int(1...3)
        perKey = random.percent(50) ? random.int(1...2) : nil
        perTenant = random.percent(25) ? random.int(1...3) : nil
        perKind = random.percent(25) ? random.int(1...3) : nil
        storeFailurePercent = random.percent(60) ? random.int(1...15) : 0
        slowPercent = random.percent(40) ? random.int(1...20) : 0
        crashPercent = random.percent(60) ? random.int(1...6) : 0
        stallPercent = random.percent(60) ? random.int(1...8) : 0
        hasSchedules = random.percent(30)
        jumpsClock = random.percent(30)
    }

    var description: String {
        "seed \(seed): nodes \(nodes), tenants \(tenants), steps \(steps), perKey \(perKey ?? 0), perTenant \(perTenant ?? 0), "
            + "perKind \(perKind ?? 0), failures \(storeFailurePercent) %, slow \(slowPercent) %, crashes \(crashPercent) %, "
            + "stalls \(stallPercent) %, schedules \(hasSchedules), clock jumps \(jumpsClock)"
    }
}

/// One history of the engine's store under a virtual clock: nodes claim, check in, finish, crash, stall and come back; users
/// cancel, pause, resume and retry; the store fails and is slow. A ledger that knows no SQL says after each step whether that may
/// be.
///
/// Everything runs on one thread, and everything that happens follows from the seed.
final class Simulation {
    let options: SimulationOptions
    let session: FailingSession
    let store: JobStore
    var random: SimulationRandom
    var now = Timestamp(microseconds: 1_767_225_600_000_000)
    var nodes: [SimulatedNode] = []
    var ledger = Ledger()
    var faultsAreOn = true
    private var ids: JobIDSource
    private var log: [String] = []
    private var checkedChanges = -1

    static let kinds: [JobKind] = ["export", "import"]
    static let tenants = ["amber", "birch", "cedar"].compactMap { TenantID($0) }

    init(_ options: SimulationOptions, on session: FailingSession) {
        self.options = options
        self.session = session
        random = SimulationRandom(seed: options.seed &+ 0x5EED)
        ids = JobIDSource(SimulationRandom(seed: options.seed &+ 1))
        var configuration = EngineConfiguration(leaseSeconds: 10, retry: RetryPolicy(minimum: .seconds(1), maximum: .seconds(20)))
        configuration.limits.perKey = options.perKey.map { ["export": $0] } ?? [:]
        configuration.limits.perTenant = options.perTenant
        configuration.limits.perKind = options.perKind.map { ["import": $0] } ?? [:]
        configuration.retention = RetentionPolicy(
            completed: .seconds(600), failed: .seconds(600), cancelled: .seconds(300), artifacts: .seconds(200))
        store = JobStore(configuration)
        nodes = (0..<options.nodes).map { SimulatedNode(index: $0) }
    }

    /// Runs the history: first with faults, then without, until everything has ended.
    func run() throws {
        try schedule()
        for _ in 0..<options.steps {
            try step()
            try check()
        }
        faultsAreOn = false
        session.failsIn = nil
        try drain()
        try check()
        try ledger.checkDrained()
    }

    // MARK: Steps

    private func step() throws {
        now = now.advanced(by: .milliseconds(random.int(1...1500)))
        if options.jumpsClock, random.percent(2) { now = now.advanced(by: .seconds(random.int(-30...120))) }
        switch random.int(0..<100) {
        case 0..<14: try enqueue()
        case 14..<26: try control()
        case 26..<30: try sweep(try pick(nodes))
        case 30..<32: try retire()
        default: try act(try pick(nodes))
        }
    }

    private func act(_ node: SimulatedNode) throws {
        if random.percent(options.crashPercent) { return crash(node) }
        if random.percent(options.stallPercent) { node.stalledUntil = now.advanced(by: .seconds(random.int(1...40))) }
        guard node.stalledUntil <= now else { return }
        switch random.int(0..<10) {
        case 0..<3: try claim(node)
        case 3: try heartbeat(node)
        default:
            guard let attempt = node.attempts.isEmpty ? nil : try pick(node.attempts) else { return try claim(node) }
            try work(attempt, on: node)
        }
    }

    /// Lets everything come to its end: no faults, nobody asks for anything new.
    private func drain() throws {
        for node in nodes { node.stalledUntil = now }
        try transaction("unschedule") { try $0.execute("DELETE FROM engine_schedules") }
        for round in 0..<400 {
            now = now.advanced(by: .seconds(2))
            for job in try unfinished() where job.state == .paused {
                _ = try transaction("resume") { try self.store.resume($0, job.id, now: self.now) }
            }
            for node in nodes {
                try sweep(node)
                try heartbeat(node)
                try claim(node)
                for attempt in node.attempts { try finish(attempt, on: node) }
            }
            if round % 10 == 9 { try check() }
            if try unfinished().isEmpty { return }
        }
        throw Violation("these jobs never end: \(try unfinished().map { "\($0.id) \($0.state)" })")
    }

    private func unfinished() throws -> [JobRecord] {
        try session.all("SELECT \(JobColumns.list) FROM engine_jobs WHERE ended_at IS NULL ORDER BY id", make: JobColumns.record)
    }

    // MARK: Users

    private func enqueue() throws {
        let tenant = try pick(Array(Self.tenants.prefix(options.tenants)))
        let request = JobRequest(
            kind: try pick(Self.kinds), principal: Principal(tenant: tenant, user: "ann", roles: []), input: "{}",
            priority: try pick([10, 50, 50, 90]), uniqueKey: random.percent(15) ? "u\(random.int(0..<3))" : nil,
            limitKey: random.percent(40) ? "k\(random.int(0..<2))" : nil,
            dueAt: random.percent(15) ? now.advanced(by: .seconds(random.int(1...30))) : nil,
            deadlineAt: random.percent(15) ? now.advanced(by: .seconds(random.int(1...60))) : nil, maxAttempts: random.int(1...3))
        let id = ids.next(at: now)
        let job = try transaction("enqueue \(id)") { try self.store.enqueue($0, request, id: id, now: self.now) }
        if let job { ledger.enqueued(job) }
    }

    private func control() throws {
        guard let id = try ledger.jobs.isEmpty ? nil : pick(ledger.jobs.keys.sorted()) else { return }
        switch random.int(0..<4) {
        case 0:
            _ = try transaction("cancel \(id)") { try self.store.cancel($0, id, now: self.now) }.map { ledger.cancelAsked($0) }
        case 1: _ = try transaction("pause \(id)") { try self.store.pause($0, id, now: self.now) }
        case 2: _ = try transaction("resume \(id)") { try self.store.resume($0, id, now: self.now) }
        default: _ = try transaction("retry \(id)") { try self.store.retry($0, id, now: self.now) }.map { ledger.startedOver($0) }
        }
    }

    private func schedule() throws {
        guard options.hasSchedules, let tenant = Self.tenants.first else { return }
        let schedule = JobSchedule(
            name: "often", cron: "* * * * *", kind: "export", principal: Principal(tenant: tenant, user: "ann", roles: []),
            input: "{}")
        _ = try transaction("schedule") { try ScheduleStore().put($0, schedule, now: self.now) }
    }

    // MARK: Nodes

    private func claim(_ node: SimulatedNode) throws {
        let free = 3 - node.attempts.count
        guard free > 0 else { return }
        let claimed = try transaction("\(node) claims \(free)") {
            try self.store.claim($0, count: free, kinds: Set(Self.kinds), node: node.name, now: self.now)
        }
        for job in claimed ?? [] {
            try ledger.claimed(job)
            node.attempts.append(SimulatedAttempt(job))
        }
    }

    private func heartbeat(_ node: SimulatedNode) throws {
        _ = try transaction("\(node) beats") { session in
            _ = try self.store.stepAside(session, node.attempts.map(\.job.id), on: node.name)
            try self.store.heartbeat(session, node: node.name, now: self.now)
        }
    }

    private func work(_ attempt: SimulatedAttempt, on node: SimulatedNode) throws {
        if random.percent(70) { try checkpoint(attempt, on: node) } else { try finish(attempt, on: node) }
    }

    private func checkpoint(_ attempt: SimulatedAttempt, on node: SimulatedNode) throws {
        let job = attempt.job
        let text = "\(job.fence)-\(attempt.commits + 1)"
        let change = random.percent(50) ? try segment(attempt) : nil
        let progress = Double(random.int(0...100))
        let result = try transaction("\(node) commits \(job.id) fence \(job.fence)") { session in
            let commit = Checkpointing(
                job: job.id, fence: job.fence, at: self.now.advanced(by: .microseconds(attempt.commits + 1)), progress: progress,
                artifacts: change.map { [$0] } ?? [])
            return try self.store.checkpoint(session, commit) { session in
                try session.execute(
                    "INSERT INTO simulated_rows (job_id, fence, number) VALUES ($1, $2, $3)", job.id.text, job.fence, text)
                return CheckpointStep(checkpoint: text, counters: nil)
            }
        } refused: { error in
            try self.refused(error, attempt, on: node)
        }
        guard let (stop, latest) = result else { return }
        attempt.latest = latest
        try ledger.committed(job, text: text, segments: change?.segments.count ?? 0)
        attempt.commits += 1
        if stop.cancel { try settle(attempt, .cancelled, on: node) } else if stop.pause { try settle(attempt, .paused, on: node) }
    }

    /// One more segment of the only artifact.
    private func segment(_ attempt: SimulatedAttempt) throws -> ArtifactChange {
        attempt.serial += 1
        guard let key = BlobKey(job: attempt.job, serial: attempt.serial) else { throw Violation("no key") }
        let number = try store.artifacts.segments(session, of: attempt.job.id, position: 0).count
        let segment = Segment(key: key, length: 5, sha256: [1])
        return ArtifactChange(
            position: 0, name: "out", contentType: "text/plain", segments: [SegmentDraft(number: number, segment: segment)],
            whole: nil)
    }

    private func finish(_ attempt: SimulatedAttempt, on node: SimulatedNode) throws {
        let outcome: AttemptOutcome
        switch faultsAreOn ? random.int(0..<10) : 0 {
        case 0..<6 where try random.percent(40) && store.artifacts.list(session, of: attempt.job.id).isEmpty:
            return try settle(attempt, .completed(output: "1"), on: node, mayHaveArtifacts: false)
        case 0..<6:
            var made = try segment(attempt)
            made.whole = .init(length: Int64(5 * ((made.segments.first?.number ?? 0) + 1)), sha256: [2], facts: nil)
            outcome = .completed(output: "\"\(attempt.job.fence)\"", made: [made])
        case 6: outcome = .failed(JobFailure(code: "BAD", message: "bad"))
        case 7, 8: outcome = .failed(.unexpected)
        default: outcome = .interrupted
        }
        try settle(attempt, outcome, on: node)
    }

    private func settle(
        _ attempt: SimulatedAttempt, _ outcome: AttemptOutcome, on node: SimulatedNode, mayHaveArtifacts: Bool = true
    ) throws {
        var ending = Ending(job: attempt.job, outcome: outcome, mayHaveArtifacts: mayHaveArtifacts)
        if let latest = attempt.latest { ending.job = latest }
        let result = try transaction("\(node) settles \(attempt.job.id) fence \(attempt.job.fence) \(outcome)") { session in
            try self.store.changing(session, now: self.now) { try self.store.settle(session, ending, now: self.now, &$0) }
        }
        // A store that failed: it is tried again later.
        guard let settled = result else { return }
        node.attempts.removeAll { $0 === attempt }
        try ledger.settled(attempt.job, settled, makesArtifact: mayHaveArtifacts)
    }

    private func refused(_ error: EngineError, _ attempt: SimulatedAttempt, on node: SimulatedNode) throws {
        guard error.code == .leaseLost else { throw Violation("a commit was refused: \(error)") }
        try ledger.lost(attempt.job)
        node.attempts.removeAll { $0 === attempt }
    }

    /// What a node does each second, and now and then its clean-up.
    private func sweep(_ node: SimulatedNode) throws {
        guard node.stalledUntil <= now else { return }
        let dead = try store.dead(session, except: node.name, alone: false, now: now)
        for ending in dead {
            let settled = try transaction("\(node) takes \(ending.job.id) fence \(ending.job.fence)") { session in
                try self.store.changing(session, now: self.now) { try self.store.settle(session, ending, now: self.now, &$0) }
            }
            if let settled { try ledger.taken(ending.job, settled) }
        }
        for id in try store.overdue(session, now: now) {
            let expired = try transaction("\(node) expires \(id)") { session in
                try self.store.changing(session, now: self.now) { try self.store.expire(session, id, now: self.now, &$0) }
            }
            if case let job?? = expired { ledger.expired(job) }
        }
        let fired = try transaction("\(node) fires") { session in try self.fire(session) }
        for job in fired ?? [] { ledger.enqueued(job) }
    }

    private func fire(_ session: any SQLSession) throws -> [JobRecord] {
        try ScheduleStore().due(session, now: now).compactMap { schedule in
            guard try ScheduleStore().advance(session, schedule, now: now) else { return nil }
            let request = JobRequest(
                kind: schedule.kind, principal: schedule.principal, input: schedule.input, uniqueKey: "schedule:\(schedule.name)")
            do {
                return try store.enqueue(session, request, id: ids.next(at: now), now: now)
            } catch let error as EngineError where error.code == .duplicate {
                return nil
            }
        }
    }

    /// Expires artifacts and prunes old rows.
    private func retire() throws {
        let pruned = try transaction("retires") { session in
            _ = try self.store.expireArtifacts(session, now: self.now)
            let ids = try session.all("SELECT id FROM engine_jobs WHERE prune_at <= $1", self.now.microseconds) {
                JobID($0.string(0))
            }
            try self.store.prune(session, now: self.now)
            return ids.compactMap(\.self)
        }
        for id in pruned ?? [] { ledger.pruned(id) }
    }

    private func crash(_ node: SimulatedNode) {
        note("\(node) crashes")
        node.restart()
    }

    // MARK: Transactions

    /// - Returns: nil if the store failed or refused; then nothing of it stays.
    @discardableResult
    private func transaction<T>(
        _ what: String, _ body: (any SQLSession) throws -> T, refused: ((EngineError) throws -> Void)? = nil
    ) throws -> T? {
        note(what)
        if faultsAreOn, random.percent(options.slowPercent) { now = now.advanced(by: .seconds(random.int(1...15))) }
        session.failsIn = faultsAreOn && random.percent(options.storeFailurePercent) ? random.int(0..<12) : nil
        try session.begin(.write)
        do {
            let result = try body(session)
            if session.failsIn != nil { throw SQLError(.unavailable, "simulated at commit") }
            try session.commit()
            return result
        } catch {
            session.failsIn = nil
            session.rollback()
            note("  \(error)")
            if let error = error as? EngineError {
                try refused?(error)
                return nil
            }
            guard let error = error as? SQLError, error.message.hasPrefix("simulated") else { throw error }
            return nil
        }
    }

    private func note(_ line: String) {
        log.append("\(now.microseconds / 1000 - 1_767_225_600_000) \(line)")
    }

    /// The last things that have happened.
    var tail: String { log.suffix(40).joined(separator: "\n") }

    private func pick<T>(_ values: [T]) throws -> T {
        guard !values.isEmpty else { throw Violation("nothing to pick from") }
        return values[random.int(0..<values.count)]
    }

    /// Holds the store against the ledger, if anything was written since the last time.
    private func check() throws {
        guard session.changes != checkedChanges else { return }
        checkedChanges = session.changes
        try ledger.check(session, store: store)
    }
}
