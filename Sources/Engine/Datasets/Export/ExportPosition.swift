import WaybillEngine

/// How far an export has got: what its checkpoint stores.
public struct ExportPosition: Sendable, Hashable, Codable {
    /// Failures that the result names one by one.
    public static let failuresNamed = 100

    /// Which source is being read, from 0.
    public var group = 0
    /// Rows up to here are in the parts.
    public var cursor: KeysetCursor?
    /// The part that is being written, from 0, and the first of its group.
    public var part = 0
    public var firstPart = 0
    public var isPartBegun = false
    /// Of the present part; bytes before compression.
    public var partRows: Int64 = 0
    public var partBytes: Int64 = 0
    public var partCRC: UInt32 = 0
    /// The rows of the present part come after this one; only where a part's digest is told.
    public var partStart: KeysetCursor?
    /// What the present part needs to be gone on with, if it is encrypted; closed.
    public var unfinished: String?
    /// Of all parts.
    public var scanned: Int64 = 0
    public var exported: Int64 = 0
    public var failed: Int64 = 0
    public var failures: [ItemFailure] = []
    /// The files of a backup that have been ended.
    public var archives: [ArchiveFile]?

    public init() {}

    mutating func count(_ new: [ItemFailure]) {
        failed += Int64(new.count)
        failures += new.prefix(max(0, Self.failuresNamed - failures.count))
    }

    public var counters: [String: Int64] { ["exported": exported, "failed": failed] }
}

/// What an export has come to.
public struct ExportResult: Sendable, Hashable, Codable {
    /// Matching rows that the user may read.
    public var total: Int64
    public var exported: Int64
    public var skipped: Int64
    public var failed: Int64
    /// `cut`, or `snapshot` for external tables.
    public var consistency: String
    /// The first 100.
    public var errors: [ItemFailure]

    public init(_ position: ExportPosition, consistency: String) {
        total = position.exported + position.failed
        exported = position.exported
        skipped = 0
        failed = position.failed
        self.consistency = consistency
        errors = position.failures
    }
}

/// One file of a backup.
public struct ArchiveFile: Sendable, Hashable, Codable {
    /// What it holds rows of.
    public var entity: String
    public var name: String
    public var rows: Int64
    public var bytes: Int64
    /// In hexadecimal digits.
    public var sha256: String
    /// What lies in the store, if that is not the same.
    public var encrypted: EncryptedFacts?

    public init(
        entity: String, name: String, rows: Int64, bytes: Int64, sha256: String, encrypted: EncryptedFacts? = nil
    ) {
        self.encrypted = encrypted
        self.entity = entity
        self.name = name
        self.rows = rows
        self.bytes = bytes
        self.sha256 = sha256
    }
}

/// What is stored beside an artifact of an export.
public struct PartFacts: Sendable, Hashable, Codable {
    public enum Role: String, Sendable, Hashable, Codable {
        case part, errors
        /// Says what the parts are.
        case manifest
    }

    public var role: Role
    public var rows: Int64
    /// Of the bytes before compression.
    public var rawLength: Int64
    /// What a ZIP says of the file: of the bytes before they were deflated if it is, else of the stored bytes.
    public var crc32: UInt32?
    /// The stored bytes are a deflate stream that needs a ZIP around it.
    public var isDeflated: Bool
    /// Of the bytes before compression, where the export tells it.
    public var sha256: [UInt8]?

    public init(role: Role, rows: Int64, rawLength: Int64, crc32: UInt32?, isDeflated: Bool, sha256: [UInt8]? = nil) {
        self.sha256 = sha256
        self.role = role
        self.rows = rows
        self.rawLength = rawLength
        self.crc32 = crc32
        self.isDeflated = isDeflated
    }
}

extension PartFacts {
    /// - Returns: nil for an artifact without facts.
    public init?(of artifact: Artifact) throws {
        guard let facts = artifact.facts else { return nil }
        self = try JobCoding.decode(PartFacts.self, facts)
    }

    /// What an artifact of an export is; one without facts is a part.
    public static func role(of artifact: Artifact) -> Role {
        guard let facts = artifact.facts, let known = try? JobCoding.decode(PartFacts.self, facts) else { return .part }
        return known.role
    }
}
