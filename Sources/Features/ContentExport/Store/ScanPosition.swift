import WaybillDatabases

/// A place between two rows of a scan: the keys of the row before it. It can be kept in a checkpoint.
public struct ScanPosition: Hashable, Sendable, Codable {
    /// A value that rows are sorted by.
    enum Key: Hashable, Sendable, Codable {
        case text(String)
        case integer(Int64)
        /// The bits of a double, since decimals in a checkpoint could be read another way.
        case double(UInt64)

        init(_ cell: SQLCell) {
            switch cell.kind {
            case .integer: self = .integer(cell.int64)
            case .double: self = .double(cell.double.bitPattern)
            case .null, .text, .blob: self = .text(cell.string)
            }
        }

        var value: SQLValue {
            switch self {
            case .text(let text): .text(text)
            case .integer(let integer): .integer(integer)
            case .double(let bits): .double(Double(bitPattern: bits))
            }
        }
    }

    /// Of the fields that the scan is sorted by; none where it is sorted by id.
    var keys: [Key] = []
    public internal(set) var id: String
}

/// One field to sort by, or `id`.
public struct ItemSort: Hashable, Sendable, Codable {
    static let id = "id"

    public var field: String
    public var isDescending: Bool

    public init(field: String, isDescending: Bool = false) {
        self.field = field
        self.isDescending = isDescending
    }
}

/// The way a scan takes. It is chosen once and kept with the cut, so that every attempt goes the same way.
public enum ScanPlan: Hashable, Sendable, Codable {
    /// All rows, by id.
    case clustered
    /// The rows that an index names, by id.
    case indexed(index: Int64, IndexSpan)
    /// All rows, by the values of fields and then by id, which may be named as the last one to say its direction.
    case sorted([ItemSort])
}

/// A stretch of one index.
public struct IndexSpan: Hashable, Sendable, Codable {
    let span: IndexKey.Span

    var isEquality: Bool {
        if case .equal = span { true } else { false }
    }
}

/// One item of a scan, read in place. Valid only inside the closure it is given to.
public struct ItemRow {
    let row: SQLRow
    let first: Int

    @inlinable public init(_ row: SQLRow) {
        self.init(row: row, first: 0)
    }

    @usableFromInline init(row: SQLRow, first: Int) {
        self.row = row
        self.first = first
    }

    public var id: UnsafeBufferPointer<UInt8> { row[first].bytes }
    /// NULL if the item has none.
    public var language: SQLCell { row[first + 1] }
    /// 0 for items that have the readers of their type.
    public var acl: Int64 { row[first + 2].int64 }
    /// The canonical body: the values in the order of `ContentType.storedFields`.
    public var body: UnsafeBufferPointer<UInt8> { row[first + 3].bytes }
}
