/// One column of a table that is written without loss, and what its values are.
public struct LosslessColumn: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        case text
        /// Of 64 bits, with a sign.
        case integer
        /// A double, in the shortest digits that give it again; also `-0`, `NaN`, `Infinity` and `-Infinity`.
        case number
        /// `true` or `false`.
        case boolean
        /// RFC 3339 in UTC with microseconds.
        case instant
        /// Base64.
        case bytes
        /// A JSON array.
        case list
        /// JSON of any kind.
        case json
    }

    public var name: String
    public var type: Kind

    public init(_ name: String, _ type: Kind) {
        self.name = name
        self.type = type
    }

    /// The name of the column that is added to a table of one column: an empty line would not tell a null from nothing.
    public static let nullMark = "_null"
}

/// A value of such a table.
public enum LosslessValue: Sendable, Hashable {
    case null
    case text(String)
    case integer(Int64)
    case number(Double)
    case boolean(Bool)
    /// Microseconds since 1970.
    case instant(Int64)
    case bytes([UInt8])
    /// JSON text, of a list or of any kind.
    case json(String)
}
