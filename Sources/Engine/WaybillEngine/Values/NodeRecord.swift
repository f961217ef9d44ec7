/// What a node does for the installation.
public enum NodeRole: String, Sendable, Hashable, CaseIterable {
    /// Takes requests and runs jobs.
    case all
    /// Takes requests and runs no jobs.
    case api
    /// Runs jobs and takes no requests.
    case worker

    /// Whether it claims jobs.
    var claims: Bool { self != .api }
}

/// One running process of an installation, as the database knows it.
public struct NodeRecord: Sendable, Hashable {
    /// The name under which it runs jobs: a new one at each start.
    public var id: String
    public var host: String
    public var version: String
    /// A newer version may know roles that this one does not.
    public var role: String
    /// How many jobs it may run at once.
    public var workers: Int
    /// By the database's clock, like the last beat.
    public var startedAt: Timestamp
    public var lastBeatAt: Timestamp
    public var runningJobs: Int
    /// Nothing was heard of it for as long as a lease lasts: what it runs is taken from it.
    public var isSilent: Bool
}
