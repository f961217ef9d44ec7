/// How an engine runs. Every value has a default that suits one machine.
public struct EngineConfiguration: Sendable {
    /// How long a claim lasts without a heartbeat, 2 to 300.
    public var leaseSeconds: Int
    /// Jobs that run at once on this node.
    public var workers: Int
    public var limits: ConcurrencyLimits
    public var retry: RetryPolicy
    public var retention: RetentionPolicy
    /// By kind, where it differs.
    public var retentions: [JobKind: RetentionPolicy]
    public var pacing: CommitPacing
    /// A running job without progress for this long is told as stalled.
    public var stallSeconds: Int
    /// How long a shutdown waits for handlers to reach a checkpoint.
    public var shutdownSeconds: Int
    /// Blobs without a row are removed when they are as old as this; younger ones may still get theirs.
    public var orphanSeconds: Int
    /// No other process uses the database: a start takes every running job back at once.
    public var isAlone: Bool
    /// What this node does.
    public var role: NodeRole
    /// Where it runs and what it is, for those who look after the nodes.
    public var host: String
    public var version: String
    /// Whose clock says that a lease has run out.
    public var leaseClock: LeaseClock

    public enum LeaseClock: Sendable, Hashable {
        /// The node's, where there is only one.
        case node
        /// The database's, because clocks of nodes differ.
        case database
    }

    public init(
        leaseSeconds: Int = 30, workers: Int = 4, limits: ConcurrencyLimits = ConcurrencyLimits(),
        retry: RetryPolicy = RetryPolicy(),
        retention: RetentionPolicy = RetentionPolicy(), retentions: [JobKind: RetentionPolicy] = [:],
        pacing: CommitPacing = CommitPacing(), stallSeconds: Int = 300, shutdownSeconds: Int = 20, orphanSeconds: Int = 3600,
        isAlone: Bool = true, leaseClock: LeaseClock = .node, role: NodeRole = .all, host: String = "", version: String = ""
    ) {
        self.leaseSeconds = min(300, max(2, leaseSeconds))
        self.workers = max(1, workers)
        self.limits = limits
        self.retry = retry
        self.retention = retention
        self.retentions = retentions
        self.pacing = pacing
        self.stallSeconds = max(1, stallSeconds)
        self.shutdownSeconds = max(0, shutdownSeconds)
        self.orphanSeconds = max(1, orphanSeconds)
        self.isAlone = isAlone
        self.leaseClock = leaseClock
        self.role = role
        self.host = host
        self.version = version
    }
}
