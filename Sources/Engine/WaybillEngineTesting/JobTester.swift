import Logging
import Synchronization
import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// Runs jobs to their end under a manual clock: one attempt at a time, retries included, with crashes where the test wants them.
///
/// ```swift
/// let tester = try await JobTester(handlers: JobHandlers([Thumbnails()]), database: .inMemory(), blobs: MemoryBlobs())
/// let result = try await tester.run(Thumbnails.self, .init(album: "a"), crashes: [.beforeCommit(2)])
/// #expect(result.job.state == .completed)
/// ```
public final class JobTester: Sendable {
    /// Where the process that runs an attempt dies.
    public struct Crash: Sendable, Hashable {
        /// Counted from 1 over all attempts of the job.
        public var attempt: Int
        /// Counted from 1 in the attempt.
        public var commit: Int
        /// Whether the commit was durable: the handler did not hear of it.
        public var isCommitted: Bool

        public init(attempt: Int, commit: Int, isCommitted: Bool) {
            self.attempt = attempt
            self.commit = commit
            self.isCommitted = isCommitted
        }

        /// With the output in the blob store, but nothing in the database.
        public static func beforeCommit(_ commit: Int, attempt: Int = 1) -> Crash {
            Crash(attempt: attempt, commit: commit, isCommitted: false)
        }

        /// With the commit in the database.
        public static func afterCommit(_ commit: Int, attempt: Int = 1) -> Crash {
            Crash(attempt: attempt, commit: commit, isCommitted: true)
        }
    }

    /// What has become of a job.
    public struct Result: Sendable {
        public var job: JobRecord
        public var events: [JobEvent]
        /// The bytes of its artifacts, by name.
        public var artifacts: [String: [UInt8]]
        public var attempts: Int

        /// The handler's output, once completed.
        public func output<Output: Decodable>(_ type: Output.Type = Output.self) throws -> Output? {
            try job.output.map { try JobCoding.decode(type, $0) }
        }
    }

    /// A job that neither ends nor can be run: it is held by a limit, for instance.
    public struct StuckError: Error, CustomStringConvertible {
        public var description: String
    }

    private struct State {
        var engine: JobEngine
        var generation = 1
        var attempts: [JobID: Int] = [:]
        var crashes: [JobID: Set<Crash>] = [:]
        var hasCrashed = false
    }

    public let time: ManualTime
    public let database: any SQLDatabase
    public let blobs: any BlobStore
    private let handlers: JobHandlers
    private let configuration: EngineConfiguration
    private let state: Mutex<State?>

    /// Applies the engine's migrations to the database and starts the first engine on it.
    public init(
        handlers: JobHandlers, database: any SQLDatabase, blobs: any BlobStore,
        configuration: EngineConfiguration = EngineConfiguration(),
        time: ManualTime = ManualTime()
    ) async throws {
        self.time = time
        self.database = database
        self.blobs = blobs
        self.handlers = handlers
        self.configuration = configuration
        state = Mutex(nil)
        try await SQLMigrator(EngineMigrations.all).migrate(database, now: time.now().microseconds)
        let engine = makeEngine(1)
        state.withLock { $0 = State(engine: engine) }
        try await engine.recover()
    }

    /// The engine of the process that lives now.
    public var engine: JobEngine {
        state.withLock { $0?.engine } ?? makeEngine(1)
    }

    /// Ends the process without warning and starts another one on the same database and blobs.
    public func restart() async throws {
        let generation = state.withLock { state in
            state?.generation += 1
            state?.hasCrashed = false
            return state?.generation ?? 1
        }
        let engine = makeEngine(generation)
        state.withLock { $0?.engine = engine }
        try await engine.recover()
    }

    /// Enqueues a job and runs it until it has ended or is paused.
    public func run<Handler: JobHandler>(
        _ handler: Handler.Type, _ input: Handler.Input, for principal: Principal = .tester, maxAttempts: Int = 3,
        crashes: [Crash] = []
    ) async throws -> Result {
        let job = try await engine.enqueue(handler, input, for: principal, maxAttempts: maxAttempts)
        return try await finish(job.id, crashes: crashes)
    }

    /// Has the process die in a job that is run later, by `runNext`.
    public func crash(_ id: JobID, _ crashes: Crash...) {
        state.withLock { $0?.crashes[id] = Set(crashes) }
    }

    /// Runs jobs until this one has ended or is paused. Time passes when it waits for its next attempt.
    public func finish(_ id: JobID, crashes: [Crash] = []) async throws -> Result {
        state.withLock { $0?.crashes[id] = Set(crashes) }
        for _ in 0..<10_000 {
            guard let job = try await engine.find(id) else { throw StuckError(description: "the job \(id) is gone") }
            if job.state.isFinal || job.state == .paused { return try await result(of: job) }
            if job.state == .pending, job.dueAt > time.now() { time.advance(to: job.dueAt) }
            guard try await runNext() else {
                let reason = try await engine.waitReason(job)
                throw StuckError(description: "the job \(id) does not run: \(reason.map(\.text) ?? job.state.rawValue)")
            }
        }
        throw StuckError(description: "the job \(id) does not end")
    }

    /// Runs one attempt of the job whose turn it is. After a crash the next process has started when it returns.
    /// - Returns: whether there was a job to run.
    @discardableResult
    public func runNext() async throws -> Bool {
        let ran = try await engine.runNext()
        if state.withLock({ $0?.hasCrashed ?? false }) { try await restart() }
        return ran != nil
    }

    /// The job with its events and the bytes of its artifacts.
    public func result(of job: JobRecord) async throws -> Result {
        var artifacts: [String: [UInt8]] = [:]
        for (artifact, segments) in try await engine.artifacts(of: job.id) {
            var bytes: [UInt8] = []
            for segment in segments {
                for try await chunk in try await blobs.read(segment.key, range: 0..<segment.length) { bytes += chunk }
            }
            artifacts[artifact.name] = bytes
        }
        return Result(
            job: job, events: try await engine.events(of: job.id), artifacts: artifacts,
            attempts: state.withLock { $0?.attempts[job.id] ?? 0 })
    }

    private func makeEngine(_ generation: Int) -> JobEngine {
        JobEngine(
            database: database, blobs: blobs, handlers: handlers, configuration: configuration, name: "tester-\(generation)",
            time: time,
            generator: CountingGenerator(seed: UInt64(generation)),
            logger: Logger(label: "tester") { _ in SwiftLogNoOpLogHandler() },
            observer: self)
    }
}

extension JobTester: AttemptObserver {
    package func began(_ job: JobRecord) {
        state.withLock { $0?.attempts[job.id, default: 0] += 1 }
    }

    package func commits(_ job: JobRecord, number: Int, moment: CommitMoment) throws {
        try state.withLock { state in
            let attempt = state?.attempts[job.id] ?? 1
            let here = Crash(attempt: attempt, commit: number, isCommitted: moment == .after)
            guard state?.crashes[job.id]?.remove(here) != nil else { return }
            state?.hasCrashed = true
            throw SimulatedCrash()
        }
    }
}

extension Principal {
    /// The user `tester` of the tenant `tester`.
    public static let tester = Principal(tenant: .tester, user: "tester", roles: ["admin"])
}

extension TenantID {
    fileprivate static let tester: TenantID = {
        guard let tenant = TenantID("tester") else { preconditionFailure("the name of the test's tenant is one") }
        return tenant
    }()
}

/// Numbers that look random and are the same in each run (SplitMix64).
struct CountingGenerator: RandomNumberGenerator, Sendable {
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
