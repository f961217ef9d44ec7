import WaybillDatabases

/// Runs in the transaction in which a job ends.
typealias JobEndHook = @Sendable (JobRecord, any SQLSession) throws -> Void

/// The SQL of jobs. Every function runs inside the caller's transaction and takes the time as a parameter.
struct JobStore: Sendable {
    var limits: ConcurrencyLimits
    var machine: JobStateMachine
    /// What is kept how long, by kind; `retention` for the rest.
    var retentions: [JobKind: RetentionPolicy]
    var retention: RetentionPolicy
    var leaseDuration: Duration
    var leaseClock: EngineConfiguration.LeaseClock
    var events = EventStore()
    var artifacts = ArtifactStore()
    var nodes: NodeStore
    /// What a kind does in the transaction in which one of its jobs ends.
    var hooks: [JobKind: JobEndHook]
    /// Kinds whose jobs are worked outside.
    var external: Set<JobKind>
    /// Kinds whose artifacts stay however a job ends.
    var keeping: Set<JobKind>

    init(
        _ configuration: EngineConfiguration, hooks: [JobKind: JobEndHook] = [:], external: Set<JobKind> = [],
        keeping: Set<JobKind> = []
    ) {
        self.external = external
        self.keeping = keeping
        // A hook is of the kind's own making, and writes for the job's tenant only.
        self.hooks = hooks.mapValues { hook in
            { job, session in try session.isolated(to: job.tenant.text) { try hook(job, session) } }
        }
        limits = configuration.limits
        machine = JobStateMachine(retry: configuration.retry)
        retentions = configuration.retentions
        retention = configuration.retention
        leaseDuration = .seconds(configuration.leaseSeconds)
        leaseClock = configuration.leaseClock
        nodes = NodeStore(leaseDuration: leaseDuration, leaseClock: leaseClock)
    }

    var leaseMicroseconds: Int64 { Timestamp(microseconds: 0).advanced(by: leaseDuration).microseconds }

    /// The present moment where leases are given and judged: the bound time of the node, or the database's own.
    func leaseNow(_ session: any SQLSession, _ parameter: String) -> String {
        leaseClock == .node ? parameter : session.dialect.clock(else: parameter)
    }

    func retention(of kind: JobKind) -> RetentionPolicy { retentions[kind] ?? retention }
}
