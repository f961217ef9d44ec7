import Formats
import WaybillDatabases
import WaybillEngine

/// Where a backup is restored to.
public struct RestoreTarget: Sendable, Hashable {
    /// Of the restore.
    public var id: String
    public var tenant: TenantID
    /// The time of the switch.
    public var at: Timestamp
    /// Until when the switch can be undone.
    public var keptUntil: Timestamp
    /// The backup that it restores; nil where nothing is written.
    public var origin: BackupOrigin?
    /// The public key of this installation.
    public var installation: String?
    /// The entities that the backup has.
    public var entities: Set<String> = []
    /// The backup has the bytes that its rows need.
    public var hasBytes = false

    public init(id: String, tenant: TenantID, at: Timestamp, keptUntil: Timestamp) {
        self.id = id
        self.tenant = tenant
        self.at = at
        self.keptUntil = keptUntil
    }
}

/// The rows of entities that are read as a whole, by the entity's name, each in the order of the columns that were asked for.
public struct RestoredRows: Sendable {
    public struct Row: Sendable, Hashable {
        /// In its file.
        public var line: Int
        public var file: String
        public var values: [LosslessValue]

        public init(line: Int, file: String, values: [LosslessValue]) {
            self.line = line
            self.file = file
            self.values = values
        }
    }

    private var byEntity: [String: [Row]] = [:]

    public init() {}

    /// None if the backup does not have the entity.
    public subscript(entity: String) -> [Row] {
        get { byEntity[entity] ?? [] }
        set { byEntity[entity] = newValue }
    }

    public func has(_ entity: String) -> Bool { byEntity[entity] != nil }
}

/// Takes the rows of an entity one by one, and gives them out as writes of a size that a transaction can bear. It has one owner.
public protocol RowIntake: AnyObject {
    /// How many rows wait to be written.
    var count: Int { get }

    /// - Parameter row: its cells are by the columns of the entity as its manifest has them.
    /// - Throws: `LosslessError` for a row that can't be restored.
    func take(_ row: LosslessRow) throws

    /// Gives out what writes the first rows that wait.
    /// - Parameter rowsMax: at most so many.
    func drain(_ rowsMax: Int) -> @Sendable (any SQLSession) throws -> Void
}

/// What is wrong with a file of a backup.
public struct ArchiveError: Error, Sendable, Hashable, CustomStringConvertible {
    public var file: String
    public var line: Int?
    public var reason: String

    public init(file: String, line: Int? = nil, _ reason: String) {
        self.file = file
        self.line = line
        self.reason = reason
    }

    public var description: String { line.map { "\(file), line \($0): \(reason)" } ?? "\(file): \(reason)" }
}

/// What restoring some rows would do to those that are there.
public struct RowChanges: Codable, Sendable, Hashable {
    public var added: Int64 = 0
    public var changed: Int64 = 0
    /// There already, and the same.
    public var equal: Int64 = 0
    /// There now, and not in the backup.
    public var deleted: Int64 = 0
    /// Not written, because something else is in their place.
    public var conflicting: Int64 = 0

    public init() {}

    public static func += (left: inout RowChanges, right: RowChanges) {
        left.added += right.added
        left.changed += right.changed
        left.equal += right.equal
        left.deleted += right.deleted
        left.conflicting += right.conflicting
    }
}

/// Holds the rows of an entity against those that are there, and writes nothing. It has one owner.
public protocol RowRehearsal: AnyObject {
    /// How many rows wait to be compared.
    var count: Int { get }

    /// - Throws: `LosslessError` for a row that could not be restored.
    func take(_ row: LosslessRow) throws

    /// Gives out what compares the first rows that wait, at most 2,000. It tells nothing of deleted ones.
    func drain() -> @Sendable (any SQLSession) throws -> RowChanges
}
