import SeededBugs

/// How many jobs may run at once. nil is no limit.
public struct ConcurrencyLimits: Sendable, Hashable {
    public var perTenant: Int?
    public var perKind: [JobKind: Int]
    /// Of one kind, for each tenant.
    public var perTenantAndKind: [JobKind: Int]
    /// Of one kind and tenant, for jobs that share a `limitKey`.
    public var perKey: [JobKind: Int]

    public init(
        perTenant: Int? = nil, perKind: [JobKind: Int] = [:], perTenantAndKind: [JobKind: Int] = [:], perKey: [JobKind: Int] = [:]
    ) {
        self.perTenant = perTenant
        self.perKind = perKind
        self.perTenantAndKind = perTenantAndKind
        self.perKey = perKey
    }
}

/// A (tenant, kind) with work, as the claim sees it.
struct Lane: Sendable, Hashable {
    var tenant: TenantID
    var kind: JobKind
    var ready: Int
    var running: Int
    /// The same in all lanes of a tenant. Rises by one for each job claimed; the tenant with the lowest is served first.
    var virtualTime: Int64
    /// None of its ready jobs stands there or before; nil if that is not known.
    var mark: ReadyPlace?
    /// Rises whenever a job becomes ready.
    var markEpoch: Int64 = 0
}

/// Where a job stands among the ready ones of its lane: by priority, the highest first, then by age.
struct ReadyPlace: Sendable, Hashable, Comparable {
    var priority: Int
    var id: String

    static func < (one: ReadyPlace, other: ReadyPlace) -> Bool {
        (other.priority, one.id) < (one.priority, other.id)
    }
}

/// Why a pending job does not run now.
public enum WaitReason: Sendable, Hashable {
    /// It is next.
    case starting
    case notBefore(Timestamp)
    case kindLimit(Int)
    case tenantLimit(Int)
    case tenantKindLimit(Int)
    case keyLimit(Int)
    /// Its process died before; such jobs run one at a time.
    case suspect
    case noWorker
    /// As many jobs run as may run at once on this node.
    case workersBusy(Int)
    /// This many jobs of its own tenant and kind come first.
    case queued(ahead: Int)

    public var text: String {
        switch self {
        case .starting: "it is about to start"
        case .notBefore: "it waits for its time"
        case .kindLimit(let limit): "\(limit) jobs of this kind run, which is the limit"
        case .tenantLimit(let limit): "\(limit) jobs of this tenant run, which is the limit"
        case .tenantKindLimit(let limit): "\(limit) jobs of this tenant and kind run, which is the limit"
        case .keyLimit(let limit): "\(limit) jobs with the same key run, which is the limit"
        case .suspect: "the process died while it ran; such jobs run one at a time"
        case .noWorker: "no running node has a handler for this kind"
        case .workersBusy(let workers): "all \(workers) workers are busy"
        case .queued(let ahead): "\(ahead) jobs come before it"
        }
    }
}

/// Says how many jobs of a lane may be claimed now. The claim and "why is it not running" both ask here.
struct ClaimPolicy: Sendable {
    var limits: ConcurrencyLimits
    var runningByTenant: [TenantID: Int]
    var runningByKind: [JobKind: Int]
    var kinds: Set<JobKind>

    /// - Returns: the number of jobs that may start, and what stops more, if something does.
    func capacity(of lane: Lane) -> (jobs: Int, stops: WaitReason?) {
        guard kinds.contains(lane.kind) else { return (0, .noWorker) }
        if SeededBug.ignoresLimit { return (.max, nil) }
        var capacity = Int.max
        var stops: WaitReason?
        func bound(_ limit: Int?, _ running: Int, _ reason: (Int) -> WaitReason) {
            guard let limit, limit - running < capacity else { return }
            capacity = max(0, limit - running)
            stops = reason(limit)
        }
        bound(limits.perTenantAndKind[lane.kind], lane.running) { .tenantKindLimit($0) }
        bound(limits.perTenant, runningByTenant[lane.tenant] ?? 0) { .tenantLimit($0) }
        bound(limits.perKind[lane.kind], runningByKind[lane.kind] ?? 0) { .kindLimit($0) }
        return (capacity, stops)
    }

    mutating func claimed(_ jobs: Int, from lane: Lane) {
        runningByTenant[lane.tenant, default: 0] += jobs
        runningByKind[lane.kind, default: 0] += jobs
    }
}
