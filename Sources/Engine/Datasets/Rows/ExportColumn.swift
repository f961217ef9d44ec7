/// One column of an export.
public struct ExportColumn: Sendable, Hashable, Codable {
    /// Where its value comes from.
    public enum Source: Sendable, Hashable, Codable {
        case id
        case language
        /// A member of the row's document, by its place in the type's order; or, of a table, a cell.
        case field(Int)
    }

    public var name: String
    public var source: Source

    public init(name: String, source: Source) {
        self.name = name
        self.source = source
    }
}
