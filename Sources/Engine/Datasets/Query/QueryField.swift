/// One field that a query may name.
public struct QueryField: Hashable, Sendable {
    /// What the values of a field are.
    public enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
        case text, integer, number, boolean, datetime, json, tags, reference
    }

    public var name: String
    public var kind: Kind
    /// Whether the field holds a list. Fields of kind `tags` always do.
    public var isList: Bool
    /// Whether an index exists that a plan may use; it changes no result.
    public var isIndexed: Bool

    public init(name: String, kind: Kind, isList: Bool = false, isIndexed: Bool = false) {
        self.name = name
        self.kind = kind
        self.isList = isList || kind == .tags
        self.isIndexed = isIndexed
    }
}

/// The fields that a query may name: those of a type or table, and `id` and `language`.
public struct QuerySchema: Sendable {
    public let fields: [QueryField]
    private let byName: [String: QueryField]

    /// - Parameters:
    ///   - fields: the declared fields; the first of two with one name wins.
    ///   - hasLanguage: whether rows have a language; without one, `language` is an unknown field unless it is declared.
    ///   - keyKind: what the values of `id` are.
    public init(fields: [QueryField], hasLanguage: Bool = true, keyKind: QueryField.Kind = .text) {
        var all = [QueryField(name: "id", kind: keyKind)]
        if hasLanguage { all.append(QueryField(name: "language", kind: .text)) }
        all += fields
        var byName: [String: QueryField] = [:]
        for field in all where byName[field.name] == nil { byName[field.name] = field }
        self.fields = all
        self.byName = byName
    }

    public func field(_ name: String) -> QueryField? { byName[name] }
}
