import Synchronization
import Testing
import WaybillDatabases

@testable import WaybillEngine

/// The store's SQL on a real database, with a clock and ids that the test moves.
final class StoreRig: Sendable {
    let database: any SQLDatabase
    let store: JobStore
    private let clock = Mutex<Int64>(1_767_225_600_000_000)
    let ids = JobIDSource(SeededGenerator(seed: 1))

    init(
        _ kind: EngineDatabase = .standard, configuration: EngineConfiguration = EngineConfiguration(),
        hooks: [JobKind: JobEndHook] = [:], keeping: Set<JobKind> = []
    ) async throws {
        database = try await kind.open()
        store = JobStore(configuration, hooks: hooks, keeping: keeping)
        try await SQLMigrator(EngineMigrations.all).migrate(database, now: 0)
    }

    var now: Timestamp { Timestamp(microseconds: clock.withLock { $0 }) }

    func wait(_ duration: Duration) {
        clock.withLock { $0 = Timestamp(microseconds: $0).advanced(by: duration).microseconds }
    }

    func write<T: Sendable>(_ body: @escaping @Sendable (JobStore, any SQLSession, Timestamp) throws -> T) async throws -> T {
        try await database.write { [self] session in try body(store, session, now) }
    }

    // MARK: What a caller does

    func enqueue(
        _ kind: JobKind = "work", tenant: String = "acme", priority: Int = 50, uniqueKey: String? = nil, limitKey: String? = nil,
        dueIn: Duration? = nil, deadlineIn: Duration? = nil, maxAttempts: Int = 3
    ) async throws -> JobRecord {
        let request = JobRequest(
            kind: kind, principal: try .user(of: tenant), input: "{}", priority: priority, uniqueKey: uniqueKey,
            limitKey: limitKey,
            dueAt: dueIn.map { now.advanced(by: $0) }, deadlineAt: deadlineIn.map { now.advanced(by: $0) },
            maxAttempts: maxAttempts)
        return try await write { [ids] store, session, now in
            try store.enqueue(session, request, id: ids.next(at: now), now: now)
        }
    }

    func cancel(_ job: JobRecord) async throws -> JobRecord { try await write { try $0.cancel($1, job.id, now: $2) } }
    func pause(_ job: JobRecord) async throws -> JobRecord { try await write { try $0.pause($1, job.id, now: $2) } }
    func resume(_ job: JobRecord) async throws -> JobRecord { try await write { try $0.resume($1, job.id, now: $2) } }
    func retry(_ job: JobRecord) async throws -> JobRecord { try await write { try $0.retry($1, job.id, now: $2) } }

    // MARK: What a worker does

    func claim(_ count: Int = 1, kinds: Set<JobKind> = ["work", "other"], node: String = "node") async throws -> [JobRecord] {
        try await write { try $0.claim($1, count: count, kinds: kinds, node: node, now: $2) }
    }

    func claimOne(node: String = "node") async throws -> JobRecord {
        let claimed = try await claim(1, node: node)
        return try #require(claimed.first, "there was nothing to claim")
    }

    @discardableResult
    func settle(_ job: JobRecord, _ outcome: AttemptOutcome) async throws -> JobRecord? {
        try await write { store, session, now in
            try store.changing(session, now: now) { try store.settle(session, Ending(job: job, outcome: outcome), now: now, &$0) }
        }
    }

    func complete(_ job: JobRecord) async throws { _ = try #require(try await settle(job, .completed(output: "{}"))) }

    @discardableResult
    func checkpoint(
        _ job: JobRecord, _ text: String = "{}", progress: Double? = nil, artifacts: [ArtifactChange] = [],
        writing: @escaping @Sendable (any SQLSession) throws -> Void = { _ in }
    ) async throws -> StopRequest {
        try await write { store, session, now in
            let last = try session.first("SELECT progressed_at FROM engine_jobs WHERE id = $1", job.id.text) {
                Timestamp(microseconds: $0.int64(0) + 1)
            }
            let commit = Checkpointing(
                job: job.id, fence: job.fence, at: max(now, last ?? now), progress: progress, artifacts: artifacts)
            return try store.checkpoint(session, commit) { session in
                try writing(session)
                return CheckpointStep(checkpoint: text, counters: nil)
            }.0
        }
    }

    /// The process that ran these attempts has died, and the next one starts.
    @discardableResult
    func restart() async throws -> [JobRecord] {
        try await write { store, session, now in
            let dead = try store.dead(session, except: "", alone: true, now: now)
            let taken = try store.changing(session, now: now) { changes in
                try dead.compactMap { try store.settle(session, $0, now: now, &changes) }
            }
            try store.restand(session, alone: true, now: now)
            return taken
        }
    }

    // MARK: What there is

    func find(_ job: JobRecord) async throws -> JobRecord {
        let found: JobRecord? = try await database.read { [store] session in try store.find(session, job.id) }
        return try #require(found)
    }

    func state(_ job: JobRecord) async throws -> JobState { try await find(job).state }

    func eventNames(_ job: JobRecord) async throws -> [String] {
        try await database.read { [store] in try store.events.ofJob($0, job.id, after: 0, limit: 1000) }.map(\.name.text)
    }

    func count(_ sql: String) async throws -> Int { try await database.read { try $0.count(sql) } }

    /// Holds the lanes' counts against the jobs.
    func expectLanesMatch(_ location: SourceLocation = #_sourceLocation) async throws {
        let wrong = try await database.read { session in
            try session.all(
                """
                SELECT tenant, kind, ready, running, waits,
                    (SELECT count(*) FROM engine_jobs AS j WHERE j.tenant = l.tenant AND j.kind = l.kind AND standing = 1
                        AND state = 'pending'),
                    (SELECT count(*) FROM engine_jobs AS j WHERE j.tenant = l.tenant AND j.kind = l.kind AND state = 'running'),
                    CASE WHEN ready > 0 THEN 1 ELSE 0 END
                FROM engine_lanes AS l
                """
            ) { (lane: "\($0.string(0))/\($0.string(1))", said: (2...4).map($0.int), counted: (5...7).map($0.int)) }
        }.filter { $0.said != $0.counted }
        #expect(wrong.isEmpty, "\(wrong)", sourceLocation: location)
        let passed = try await count(
            """
            SELECT count(*) FROM engine_jobs AS j JOIN engine_lanes AS l ON l.tenant = j.tenant AND l.kind = j.kind
            WHERE j.standing = 1 AND j.state = 'pending' AND l.mark_id IS NOT NULL
                AND (j.priority > l.mark_priority OR (j.priority = l.mark_priority AND j.id <= l.mark_id))
            """)
        #expect(passed == 0, "ready, and before the mark of its lane", sourceLocation: location)
    }
}

extension Principal {
    static func user(of tenant: String) throws -> Principal {
        Principal(tenant: try #require(TenantID(tenant)), user: "ann", roles: ["editor"])
    }
}

/// The same numbers in each run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
