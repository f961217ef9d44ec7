import Formats

/// One column of an export.
public struct ExportColumn: Sendable, Hashable, Codable {
    /// Where its value comes from.
    public enum Source: Sendable, Hashable, Codable {
        case id
        case language
        /// Who may read the row, of a document; only for `LosslessRowEncoder`.
        case readers
        /// A member of the row's document, by its place in the type's order; or, of a table, a cell.
        case field(Int)
    }

    public var name: String
    public var source: Source
    /// Its values are JSON of any kind, and stand as JSON text where the format has no such values.
    public var isJSON: Bool
    /// What its values are, where they must be told without loss.
    public var type: LosslessColumn.Kind?

    /// The place of a column's field, or one of these: plain numbers, because a loop that copies the columns' names is slow.
    static let idPlace = -1
    static let languagePlace = -2
    static let readersPlace = -3

    var place: Int {
        switch source {
        case .id: Self.idPlace
        case .language: Self.languagePlace
        case .readers: Self.readersPlace
        case .field(let field): field
        }
    }

    public init(name: String, source: Source, isJSON: Bool = false, type: LosslessColumn.Kind? = nil) {
        self.name = name
        self.source = source
        self.isJSON = isJSON
        self.type = type
    }

    public init(_ column: LosslessColumn, source: Source) {
        self.init(
            name: column.name, source: source, isJSON: column.type == .list || column.type == .json, type: column.type)
    }

    /// The column of a file that loses nothing.
    public var lossless: LosslessColumn { LosslessColumn(name, type ?? .text) }
}
