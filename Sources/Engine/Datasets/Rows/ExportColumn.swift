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
    /// Its values are JSON of any kind, and stand as JSON text where the format has no such values.
    public var isJSON: Bool

    public init(name: String, source: Source, isJSON: Bool = false) {
        self.name = name
        self.source = source
        self.isJSON = isJSON
    }
}
