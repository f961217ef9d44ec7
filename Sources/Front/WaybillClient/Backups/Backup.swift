import Foundation

/// A backup as the server tells it.
public struct Backup: Sendable, Hashable, Codable, Identifiable {
    public struct Manifest: Sendable, Hashable, Codable {
        public struct Entity: Sendable, Hashable, Codable {
            public var name: String
            public var rows: Int64
            public var files: [File]
        }

        public struct File: Sendable, Hashable, Codable {
            public var name: String
            public var rows: Int64
            public var bytes: Int64
            public var sha256: String
        }

        /// Bytes that rows need, in a file `blobs/` with their digest, and `.age` if it is encrypted.
        public struct Blob: Sendable, Hashable, Codable {
            public var sha256: String
            public var bytes: Int64
        }

        public struct Encryption: Sendable, Hashable, Codable {
            /// `age`
            public var scheme: String
            public var recipients: [String]?
            /// A passphrase opens it.
            public var passphrase: Bool?
        }

        /// The backup before an increment.
        public struct Since: Sendable, Hashable, Codable {
            public var jobId: String
            public var cutAt: String
            public var manifestSha256: String
        }

        public var tenant: String
        public var cutAt: String
        /// nil for a full backup.
        public var since: Since?
        public var waybillVersion: String
        public var entities: [Entity]
        /// nil: it was made without bytes.
        public var blobs: [Blob]?
        /// nil: everybody can read the files.
        public var encryption: Encryption?
        public var publicKey: String
    }

    public var jobId: String
    /// `pending`, `running`, `completed`, `failed` or `cancelled`.
    public var status: String
    public var createdAt: Date?
    public var lastUpdatedAt: Date?
    public var error: WaybillJob.Failure?
    /// Once completed.
    public var manifest: Manifest?

    public var id: String { jobId }
}

/// A restore as the server tells it.
public struct Restore: Sendable, Hashable, Codable, Identifiable {
    public struct Problem: Sendable, Hashable, Codable {
        public var file: String
        public var line: Int?
        public var reason: String
    }

    public var id: String
    public var tenant: String
    /// `open`, `running`, `completed`, `failed` or `undone`.
    public var status: String
    public var mode: String
    /// Names of files that have not come.
    public var missing: [String]
    public var problems: [Problem]
    public var warnings: [String]
    public var jobId: String?
    public var error: WaybillJob.Failure?
    public var undoUntil: Date?
}

/// A backup that is made again and again.
public struct BackupSchedule: Sendable, Hashable, Codable {
    public var scheduleId: String
    public var cron: String
    public var recipients: [String]?
    public var nextAt: Date?
}
