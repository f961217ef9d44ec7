import Foundation

/// A restore drill as the server tells it.
public struct Drill: Sendable, Hashable, Codable, Identifiable {
    public struct Report: Sendable, Hashable, Codable {
        public struct Step: Sendable, Hashable, Codable {
            public var name: String
            public var milliseconds: Int64
        }

        public struct Entity: Sendable, Hashable, Codable {
            public var name: String
            /// `bytes`, `values`, `files` or `nothing`.
            public var comparison: String
            public var rowsExpected: Int64
            public var rowsFound: Int64
        }

        /// The bytes that rows need, each once.
        public struct Blobs: Sendable, Hashable, Codable {
            public var expected: Int64
            public var found: Int64
            public var bytes: Int64
        }

        public struct Drift: Sendable, Hashable, Codable {
            public var entity: String?
            public var file: String?
            public var line: Int?
            public var reason: String
        }

        /// `passed` or `drift`.
        public var outcome: String
        public var backupId: String
        public var cutAt: String?
        public var steps: [Step]
        public var entities: [Entity]
        public var blobs: Blobs?
        public var drift: [Drift]
        public var publicKey: String
        public var signature: String
    }

    public var jobId: String
    /// `pending`, `running`, `completed`, `failed` or `cancelled`.
    public var status: String
    public var createdAt: Date?
    public var error: WaybillJob.Failure?
    /// Once it has ended; nil for one that did not come so far.
    public var report: Report?

    public var id: String { jobId }
}

/// Restore drills: `client.drills`.
public struct DrillCalls: Sendable {
    let client: WaybillClient
    private var caller: Caller { client.caller }
    private static let path = ["backup", "drills"]

    private struct Request: Encodable {
        var cron: String?
        var jobId: String?
    }

    /// Starts a drill.
    /// - Parameter backup: its id; nil: the newest one.
    public func start(backup: String? = nil) async throws -> WaybillJob { try await caller.json(post(Request(jobId: backup))) }

    /// Has the newest backup, or always the same one, tried again and again.
    /// - Parameter cron: in UTC, `0 5 * * 0`.
    public func schedule(cron: String, backup: String? = nil) async throws -> BackupSchedule {
        try await caller.json(post(Request(cron: cron, jobId: backup)))
    }

    private func post(_ request: Request) throws -> WireRequest {
        caller.request("POST", DrillCalls.path, headers: [Caller.jsonContent], body: try Caller.body(request))
    }

    /// All drills of the tenant, oldest first, without their results.
    public func list() async throws -> [Drill] { try await caller.json(caller.request("GET", DrillCalls.path)) }

    public func get(_ id: String) async throws -> Drill {
        try await caller.json(caller.request("GET", DrillCalls.path + [id]))
    }
}
