import Foundation

/// A content type: the fields that its items may have, and who may read them.
public struct ContentType: Sendable, Hashable, Codable {
    public struct Field: Sendable, Hashable, Codable {
        public enum Kind: String, Sendable, Codable, CaseIterable {
            case text, integer, number, boolean, datetime, json, tags, reference
        }

        public var name: String
        public var type: Kind
        public var required: Bool?
        /// Whether it holds several values.
        public var list: Bool?
        /// Whether a query or an order can use it quickly.
        public var indexed: Bool?
        /// Of a reference: the type that it refers to.
        public var target: String?

        public init(
            _ name: String, _ type: Kind, required: Bool? = nil, list: Bool? = nil, indexed: Bool? = nil, target: String? = nil
        ) {
            self.name = name
            self.type = type
            self.required = required
            self.list = list
            self.indexed = indexed
            self.target = target
        }
    }

    /// Its name; in a definition the address says it.
    public var name: String?
    public var fields: [Field]
    /// `everyone`, `role:NAME`, `user:NAME`.
    public var readers: [String]?
    /// How many of its items one may read; the server says it.
    public var items: Int?
    public var createdAt: Date?
    public var updatedAt: Date?

    public init(fields: [Field], readers: [String]? = nil) {
        self.fields = fields
        self.readers = readers
    }
}

/// What became of a stream of items.
public struct StoredItems: Sendable, Hashable, Codable {
    public var inserted: Int64
    public var updated: Int64
}

/// The shape of a stream of items.
public enum ItemFormat: String, Sendable, CaseIterable {
    case ndjson, csv

    var mediaType: String {
        switch self {
        case .ndjson: "application/x-ndjson"
        case .csv: "text/csv; charset=utf-8"
        }
    }
}
