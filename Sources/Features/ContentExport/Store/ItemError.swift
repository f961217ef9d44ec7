/// Why one item is refused.
public struct ItemError: Error, Sendable, Hashable, CustomStringConvertible {
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        public let description: String

        /// The line is no JSON object.
        public static let badJSON = Code(description: "BAD_JSON")
        /// The id is missing, empty, longer than 255 bytes, or another than the address says.
        public static let badID = Code(description: "BAD_ID")
        public static let badLanguage = Code(description: "BAD_LANGUAGE")
        public static let badReaders = Code(description: "BAD_READERS")
        public static let unknownField = Code(description: "UNKNOWN_FIELD")
        /// A member stands twice in the object.
        public static let duplicateField = Code(description: "DUPLICATE_FIELD")
        public static let missingField = Code(description: "MISSING_FIELD")
        public static let wrongType = Code(description: "WRONG_TYPE")
        public static let outOfRange = Code(description: "OUT_OF_RANGE")
        /// A list where the field holds one value.
        public static let listNotAllowed = Code(description: "LIST_NOT_ALLOWED")
        /// An empty element of a list, or a wrong escape in a list that is written as text.
        public static let badListElement = Code(description: "BAD_LIST_ELEMENT")
        /// U+0000, or bytes that are no UTF-8.
        public static let badText = Code(description: "BAD_TEXT")
        public static let badReference = Code(description: "BAD_REFERENCE")
        /// The record has another number of columns than the header.
        public static let wrongColumnCount = Code(description: "WRONG_COLUMN_COUNT")
        /// The stored body would be larger than `ItemEncoder.bodyBytesMax`.
        public static let tooLarge = Code(description: "TOO_LARGE")
    }

    public var code: Code
    public var message: String
    public var field: String?

    public init(_ code: Code, _ message: String, field: String? = nil) {
        self.code = code
        self.message = message
        self.field = field
    }

    public var description: String { message }
}
