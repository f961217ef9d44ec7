import Crypto
import TenantData
import WaybillDatabases
import WaybillEngine

/// Events that a restore has brought: a chain of its own, which stands before the tenant's own log.
///
/// Its events are counted from 1. Their numbers in the tenant's log follow from where it was put when it came to be seen: right
/// below the lowest number that there was. So they are 0 and less, without gaps, and are never given again.
public struct AuditSegment: Sendable, Hashable {
    enum State: Int64 {
        /// It is being written; nobody sees it.
        case hidden = 0
        case visible = 1
        /// What was begun and came to nothing; it goes in slices.
        case discarded = 2
    }

    /// Among the tenant's segments.
    public var number: Int64
    var state: State
    /// What is added to the count of an event to give its number. 0 while nobody sees it.
    var base: Int64
    /// How many it has, with those that have gone.
    public var events: Int64
    /// Up to here they have gone, or are going, by their age.
    var pruned: Int64
    /// Of its last seal.
    public var hash: [UInt8]
    public var origin: AuditOrigin
    /// When it came to be seen.
    public var sealedAt: Timestamp

    /// The numbers of the events that are there.
    public var range: AuditRange { AuditRange(first: base + pruned + 1, last: base + events) }
}

/// Where a segment comes from.
public struct AuditOrigin: Sendable, Hashable, Codable {
    /// The backup.
    public var backup: BackupOrigin
    /// Which of its entities.
    public var entity: String
    /// The log that gave the events their numbers: `BackupOrigin.log` of the tenant in which they were recorded.
    public var log: String

    public init(backup: BackupOrigin, entity: String, log: String) {
        (self.backup, self.entity, self.log) = (backup, entity, log)
    }

    /// The backup's job.
    public var job: String { backup.job }
    /// The public key of the installation that signed it.
    public var installation: String { backup.installation }
    /// The tenant that it is of.
    public var tenant: String { backup.tenant }
    /// SHA-256 of its manifest.
    public var manifest: String { backup.manifest }

    /// What the segment's first seal follows.
    public var genesis: [UInt8] {
        let facts = [
            "waybill audit segment 1", backup.installation, backup.tenant, backup.job, backup.manifest, entity, log,
        ]
        // Each with its length, so that no two lists give the same text.
        let text = facts.map { "\($0.utf8.count):\($0)\n" }.joined()
        return Array(SHA256.hash(data: Array(text.utf8)))
    }
}

/// An event of another log.
struct AuditEarlierEvent: Sendable, Hashable {
    /// Its number there.
    var origin: Int64
    var id: String?
    var at: Int64
    var user: String?
    var action: String
    var body: String
}

/// A part of what a tenant's log shows: a segment, or the log itself.
public struct AuditPiece: Sendable, Hashable {
    /// nil: the tenant's own log.
    public var segment: Int64?
    var base: Int64
    public var range: AuditRange
}

/// The chain of the log, or of a segment.
public struct AuditChain: Sendable, Hashable {
    public static let log = AuditChain(segment: nil, genesis: AuditSeal.genesis)

    /// nil: the tenant's own log.
    public var segment: Int64?
    public var genesis: [UInt8]

    public init(segment: Int64?, genesis: [UInt8]) {
        (self.segment, self.genesis) = (segment, genesis)
    }

    public init(_ segment: AuditSegment) {
        self.init(segment: segment.number, genesis: segment.origin.genesis)
    }
}
