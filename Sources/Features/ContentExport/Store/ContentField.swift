import Datasets

/// One field of a content type.
public struct ContentField: Hashable, Sendable, Codable {
    public var name: String
    public var kind: QueryField.Kind
    /// Checked when an item is written; items that were stored before stay as they are.
    public var isRequired: Bool
    /// Whether the field holds a list. Fields of kind `tags` always do.
    public var isList: Bool
    public var isIndexed: Bool
    /// For references: the type whose ids the values are. Without a target a value names both: `type/id`.
    public var target: String?

    /// Where the field stands in stored bodies, whatever the order of the definition. Given by the store.
    public internal(set) var slot = 0
    /// The index rows of the field. Given by the store; it may outlive `isIndexed` until the rows are gone.
    public internal(set) var indexID: Int64?
    /// Whether every item has its index rows, so that a plan may use them.
    public internal(set) var isIndexReady = false

    public init(
        name: String, kind: QueryField.Kind, isRequired: Bool = false, isList: Bool = false, isIndexed: Bool = false,
        target: String? = nil
    ) {
        self.name = name
        self.kind = kind
        self.isRequired = isRequired
        self.isList = isList || kind == .tags
        self.isIndexed = isIndexed
        self.target = target
    }

    public var queryField: QueryField {
        QueryField(name: name, kind: kind, isList: isList, isIndexed: isIndexed && isIndexReady)
    }

    /// Names that items use for other things.
    public static let reservedNames: Set<String> = ["id", "readers", "language"]
    public static let countMax = 200

    /// Checks the fields of one definition: names `[A-Za-z_][A-Za-z0-9_]{0,62}`, not reserved, not repeated, 200 at most.
    /// - Throws: `ContentError` for the first that is wrong.
    public static func check(_ fields: [ContentField]) throws(ContentError) {
        guard fields.count <= countMax else {
            throw ContentError(.tooManyFields, "a type has \(countMax) fields at most")
        }
        var seen: Set<String> = []
        for field in fields {
            guard ContentNames.isFieldName(field.name) else {
                throw ContentError(
                    .badFieldName, "a field's name has 1 to 63 letters, digits and _, and begins with no digit", field: field.name
                )
            }
            guard !reservedNames.contains(field.name) else {
                throw ContentError(.badFieldName, "\(field.name) is a reserved name", field: field.name)
            }
            guard seen.insert(field.name).inserted else {
                throw ContentError(.duplicateField, "the field \(field.name) stands twice", field: field.name)
            }
            try check(field)
        }
    }

    private static func check(_ field: ContentField) throws(ContentError) {
        if field.kind == .json, field.isIndexed {
            throw ContentError(.badField, "a json field can't be indexed", field: field.name)
        }
        if field.kind == .json, field.isList {
            throw ContentError(.badField, "a json field holds lists without being one", field: field.name)
        }
        guard let target = field.target else { return }
        guard field.kind == .reference else {
            throw ContentError(.badField, "only a reference has a target", field: field.name)
        }
        guard ContentNames.isTypeName(target) else {
            throw ContentError(.badField, "the target is no type's name", field: field.name)
        }
    }
}

/// The rules of names.
enum ContentNames {
    static func isFieldName(_ name: String) -> Bool {
        let bytes = name.utf8
        guard (1...63).contains(bytes.count), let first = bytes.first, isLetter(first) || first == UInt8(ascii: "_") else {
            return false
        }
        return bytes.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "_") }
    }

    /// `[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}`.
    static func isTypeName(_ name: some Sequence<UInt8>) -> Bool {
        var count = 0
        for byte in name {
            count += 1
            let isInner = byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
            guard isLetter(byte) || isDigit(byte) || byte == UInt8(ascii: "_") || (isInner && count > 1) else { return false }
        }
        return (1...63).contains(count)
    }

    static func isTypeName(_ name: String) -> Bool { isTypeName(name.utf8) }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
