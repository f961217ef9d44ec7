import Formats

/// What of an entity an increment has.
public enum EntityScope: String, Codable, Sendable, Hashable {
    /// All of its rows: those of earlier backups don't count any more.
    case whole
    /// The rows that are new or other ones since the backup before.
    case changes
    /// The keys of rows that were deleted since then. One that stands among the changes as well was made anew.
    case deletions
}

/// One file's worth of a tenant's rows, as it was at a cut: all that an attempt needs to read the same rows again.
public struct EntityCut: Codable, Sendable, Hashable {
    /// Of the rows and of their file: `notices`, `items-flight`.
    public var name: String
    /// The group of entities that reads it: `TenantEntities.name`.
    public var group: String
    public var columns: [LosslessColumn]
    /// The columns by which its rows are told apart; none if nothing tells them.
    public var key: [String]
    /// What the group needs to read it, in a form of its own. nil: its rows were copied with the cut.
    public var plan: String?
    /// How many rows there are, if that is known.
    public var rows: Int64?
    /// What of the entity is taken; nil: all of it.
    public var scope: EntityScope?
    /// Of changes: the entity with the keys of the rows that were deleted; nil if none ever are.
    public var deletions: String?
    /// Of changes: how many rows the entity has with them.
    public var total: Int64?
    /// The column that has the digest of the bytes that a row needs, in hexadecimal digits; nil if its rows need none.
    public var blobColumn: String?

    public init(
        name: String, group: String, columns: [LosslessColumn], key: [String], plan: String? = nil, rows: Int64? = nil
    ) {
        self.name = name
        self.group = group
        self.columns = columns
        self.key = key
        self.plan = plan
        self.rows = rows
    }
}
