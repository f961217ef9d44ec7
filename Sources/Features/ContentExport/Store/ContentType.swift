import Datasets
import WaybillEngine

/// A content type as it is stored. A job that holds a cut keeps the definition it read with it.
public struct ContentType: Hashable, Sendable, Codable {
    /// Unique in the whole database, and never used again.
    public let id: Int64
    public let name: String
    /// In the order of the definition.
    public internal(set) var fields: [ContentField]
    /// Who may read items that name no readers of their own.
    public internal(set) var readers: ContentReaders
    /// Grows with every change.
    public internal(set) var revision: Int64
    public let createdAt: Timestamp
    public internal(set) var updatedAt: Timestamp

    public func field(_ name: String) -> ContentField? { fields.first { $0.name == name } }

    /// The fields in the order in which a stored body has their values. While there are items, fields are only added, behind all
    /// others, so a field's place in it is fixed.
    public var storedFields: [ContentField] { fields.sorted { $0.slot < $1.slot } }

    /// What a query may name.
    public var querySchema: QuerySchema { QuerySchema(fields: fields.map(\.queryField)) }

    /// Fields whose index rows are kept up, ready or not.
    var indexedFields: [ContentField] { fields.filter { $0.indexID != nil } }
}
