import Foundation

/// A job as the server tells it. Members that this version does not know are left out.
public struct WaybillJob: Sendable, Hashable, Codable, Identifiable {
    /// Why a job failed.
    public struct Failure: Sendable, Hashable, Codable {
        /// Stable, UPPER_SNAKE.
        public var code: String
        public var message: String?
        /// The line of an import's file that is the reason.
        public var line: Int?
    }

    public var jobId: String
    /// Such as `content.export`.
    public var kind: String?
    public var state: JobState
    /// Percent, 0 to 100; never falls.
    public var progress: Double
    public var createdAt: Date?
    public var startedAt: Date?
    public var updatedAt: Date?
    public var endedAt: Date?
    /// Pending: it does not start before this time, as after a failed attempt.
    public var dueAt: Date?
    /// It expires if it has not ended by then.
    public var deadlineAt: Date?
    public var user: String?
    /// The node that runs it.
    public var executingNode: String?
    /// Attempts that ended by their own error.
    public var attempts: Int?
    public var maxAttempts: Int?
    /// Attempts that a shutdown ended.
    public var interruptions: Int?
    /// Attempts whose process died.
    public var deaths: Int?
    /// 0 to 100, higher first.
    public var priority: Int?
    public var cancelRequested: Bool?
    public var pauseRequested: Bool?
    /// Runs, but has made no progress for long.
    public var stalled: Bool?
    /// Why it does not run yet.
    public var waitingFor: String?
    public var error: Failure?
    public var counters: [String: Int64]?
    public var statusUrl: String?
    /// What came of an export or import.
    public var result: TransferResult?
    /// A signed link; only once completed.
    public var downloadUrl: String?
    public var downloadExpiresAt: Date?
    /// `none`, `ready`, `expired` or `revoked`.
    public var artifactState: String?
    /// How many files it made.
    public var parts: Int?

    public var id: String { jobId }

    public init(jobId: String, state: JobState, progress: Double = 0, kind: String? = nil) {
        self.jobId = jobId
        self.state = state
        self.progress = progress
        self.kind = kind
    }

    public init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        jobId = try members.decode(String.self, forKey: .jobId)
        state = try members.decode(JobState.self, forKey: .state)
        progress = try members.decodeIfPresent(Double.self, forKey: .progress) ?? 0
        kind = try members.decodeIfPresent(String.self, forKey: .kind)
        createdAt = try members.decodeIfPresent(Date.self, forKey: .createdAt)
        startedAt = try members.decodeIfPresent(Date.self, forKey: .startedAt)
        updatedAt = try members.decodeIfPresent(Date.self, forKey: .updatedAt)
        endedAt = try members.decodeIfPresent(Date.self, forKey: .endedAt)
        dueAt = try members.decodeIfPresent(Date.self, forKey: .dueAt)
        deadlineAt = try members.decodeIfPresent(Date.self, forKey: .deadlineAt)
        maxAttempts = try members.decodeIfPresent(Int.self, forKey: .maxAttempts)
        stalled = try members.decodeIfPresent(Bool.self, forKey: .stalled)
        user = try members.decodeIfPresent(String.self, forKey: .user)
        executingNode = try members.decodeIfPresent(String.self, forKey: .executingNode)
        attempts = try members.decodeIfPresent(Int.self, forKey: .attempts)
        interruptions = try members.decodeIfPresent(Int.self, forKey: .interruptions)
        deaths = try members.decodeIfPresent(Int.self, forKey: .deaths)
        priority = try members.decodeIfPresent(Int.self, forKey: .priority)
        cancelRequested = try members.decodeIfPresent(Bool.self, forKey: .cancelRequested)
        pauseRequested = try members.decodeIfPresent(Bool.self, forKey: .pauseRequested)
        error = try members.decodeIfPresent(Failure.self, forKey: .error)
        counters = try members.decodeIfPresent([String: Int64].self, forKey: .counters)
        statusUrl = try members.decodeIfPresent(String.self, forKey: .statusUrl)
        downloadUrl = try members.decodeIfPresent(String.self, forKey: .downloadUrl)
        downloadExpiresAt = try members.decodeIfPresent(Date.self, forKey: .downloadExpiresAt)
        artifactState = try members.decodeIfPresent(String.self, forKey: .artifactState)
        parts = try members.decodeIfPresent(Int.self, forKey: .parts)
        waitingFor = try members.decodeIfPresent(String.self, forKey: .waitingFor)
        // Other kinds of jobs have results of other shapes.
        result = try? members.decodeIfPresent(TransferResult.self, forKey: .result)
    }
}

/// Where a job is.
public struct JobState: RawRepresentable, Sendable, Hashable, Codable, CustomStringConvertible {
    public var rawValue: String

    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    public static let pending = JobState(rawValue: "pending")
    public static let running = JobState(rawValue: "running")
    public static let paused = JobState(rawValue: "paused")
    public static let completed = JobState(rawValue: "completed")
    public static let failed = JobState(rawValue: "failed")
    public static let cancelled = JobState(rawValue: "cancelled")
    /// Its deadline passed before it ended.
    public static let expired = JobState(rawValue: "expired")

    /// Whether a job in this state has ended.
    public var isFinal: Bool { [.completed, .failed, .cancelled, .expired].contains(self) }
    public var description: String { rawValue }
}

/// What came of an export or an import.
public struct TransferResult: Sendable, Hashable, Codable {
    /// An item that could not be moved.
    public struct ItemError: Sendable, Hashable, Codable {
        public var id: String?
        /// The line of an import.
        public var line: Int64?
        public var code: String?
        public var message: String?
    }

    /// Items that match and that the user may read.
    public var total: Int64?
    public var exported: Int64?
    public var inserted: Int64?
    public var updated: Int64?
    /// Whether an import only checked.
    public var dryRun: Bool?
    public var skipped: Int64?
    public var failed: Int64?
    /// `cut` or `snapshot`.
    public var consistency: String?
    /// The first 100.
    public var errors: [ItemError]?
}

/// One page of a list of jobs.
public struct JobPage: Sendable, Hashable, Codable {
    public var jobs: [WaybillJob]
    /// From 1.
    public var page: Int
    public var size: Int
    /// In all pages.
    public var total: Int
}
