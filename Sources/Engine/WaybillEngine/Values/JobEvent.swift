/// A numbered fact in a tenant's log.
public struct JobEvent: Sendable, Hashable {
    public struct Name: Hashable, Sendable, CustomStringConvertible {
        public let text: String

        public init(_ text: String) {
            self.text = text
        }

        public static let created = Name("job.created")
        public static let started = Name("job.started")
        public static let progress = Name("job.progress")
        public static let stalled = Name("job.stalled")
        public static let retrying = Name("job.retrying")
        public static let interrupted = Name("job.interrupted")
        public static let died = Name("job.died")
        public static let cancelRequested = Name("job.cancel_requested")
        public static let pauseRequested = Name("job.pause_requested")
        public static let paused = Name("job.paused")
        public static let resumed = Name("job.resumed")
        public static let restarted = Name("job.restarted")
        public static let completed = Name("job.completed")
        public static let failed = Name("job.failed")
        public static let cancelled = Name("job.cancelled")
        public static let expired = Name("job.expired")
        public static let artifactRevoked = Name("artifact.revoked")
        public static let artifactExpired = Name("artifact.expired")

        /// The event that tells a final state.
        public static func ending(_ state: JobState) -> Name { Name("job.\(state.rawValue)") }

        public var description: String { text }
    }

    public var tenant: TenantID
    /// From 1, in the order of commits, without gaps inside a tenant.
    public var number: Int64
    public var job: JobID
    public var name: Name
    public var at: Timestamp
    /// The job's progress when it happened, in percent.
    public var progress: Double
    /// A short text for people, if there is more to say than the name does.
    public var detail: String?
}

/// An event before it has its number.
struct EventDraft: Sendable {
    var tenant: TenantID
    var job: JobID
    var name: JobEvent.Name
    var progress: Double
    var detail: String?
    /// With which others it is told, if it is found by that.
    var batch: EventBatch?
}

/// Events that one transaction tells of many jobs of one lane: their first starts, or their completions. Their numbers follow
/// each other, and they are found by the moment that the rows of their jobs know as well.
struct EventBatch: Sendable, Hashable {
    /// So many are worth a row of their own.
    static let eventsMin = 16

    /// Which one of its transaction.
    var serial: Int
    /// When its jobs go.
    var pruneAt: Timestamp?
}
