import Foundation

/// An event of the audit log.
public struct AuditEvent: Sendable, Hashable, Codable {
    /// Its place in the tenant's log; the server gives it.
    public var seq: Int64?
    /// A name of its own, by which it is stored once.
    public var id: String?
    public var user: String?
    public var action: String
    public var at: Date
    public var target: String?
    public var address: String?
    public var requestId: String?
    public var outcome: String?

    public init(
        id: String? = nil, user: String?, action: String, at: Date, target: String, address: String? = nil,
        requestId: String? = nil, outcome: String? = nil
    ) {
        self.id = id
        self.user = user
        self.action = action
        self.at = at
        self.target = target
        self.address = address
        self.requestId = requestId
        self.outcome = outcome
    }
}

/// Which events are meant; nil: all. Dates are `YYYY-MM-DD`, which is the whole day in UTC, or instants; both ends count.
public struct AuditFilter: Sendable, Hashable, Codable {
    public var usernames: [String]?
    public var actions: [String]?
    public var dateFrom: String?
    public var dateTo: String?

    public init(usernames: [String]? = nil, actions: [String]? = nil, dateFrom: String? = nil, dateTo: String? = nil) {
        self.usernames = usernames
        self.actions = actions
        self.dateFrom = dateFrom
        self.dateTo = dateTo
    }
}

/// How an export of the audit log is doing.
public struct AuditExport: Sendable, Hashable, Codable, Identifiable {
    public struct Chain: Sendable, Hashable, Codable {
        public var holds: Bool
        public var through: Int64?
        public var hash: String?
        public var firstBrokenId: Int64?
    }

    public var jobId: String
    /// `exporting`, `uploading`, `completed` or `failed`.
    public var status: String
    public var reason: String?
    public var message: String?
    public var count: Int64
    public var total: Int64?
    public var lastExportedId: Int64?
    public var files: Int?
    /// Whether the log was what had been sealed.
    public var chain: Chain?
    public var progress: Double?
    public var createdAt: Date?
    public var completedAt: Date?
    public var downloadUrl: String?

    public var id: String { jobId }
}

/// A page of events.
public struct AuditEventPage: Sendable, Hashable, Codable {
    public var events: [AuditEvent]
    /// Where the next page begins; nil: there is none.
    public var next: Int64?
}

/// What became of events that were appended.
public struct AppendedEvents: Sendable, Hashable, Codable {
    public var stored: Int
    /// Were there already.
    public var known: Int
    public var last: Int64
}
