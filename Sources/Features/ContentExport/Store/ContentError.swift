/// What the content store refuses.
public struct ContentError: Error, Sendable, Hashable, CustomStringConvertible {
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        public let description: String

        /// The type's name breaks the rule.
        public static let badTypeName = Code(description: "BAD_TYPE_NAME")
        /// A field's name breaks the rule or is reserved.
        public static let badFieldName = Code(description: "BAD_FIELD_NAME")
        public static let duplicateField = Code(description: "DUPLICATE_FIELD")
        public static let tooManyFields = Code(description: "TOO_MANY_FIELDS")
        /// The field's type and its other properties don't go together.
        public static let badField = Code(description: "BAD_FIELD")
        /// A field can't be removed or changed in kind while items of its type exist.
        public static let fieldInUse = Code(description: "FIELD_IN_USE")
        /// An entry of `readers` breaks the rule, or there are too many.
        public static let badReaders = Code(description: "BAD_READERS")
        /// The type was changed or deleted after the items were encoded: read it again and encode again.
        public static let typeChanged = Code(description: "TYPE_CHANGED")
        /// The cut is not held any more: its rows may be gone.
        public static let cutGone = Code(description: "CUT_GONE")
        /// A field that one wants to sort by is unknown, not indexed, or a list.
        public static let badSort = Code(description: "BAD_SORT")
        /// A CSV header names no `id`, an unknown or a repeated column.
        public static let badHeader = Code(description: "BAD_HEADER")
        /// A stored row is not what the store writes.
        public static let damaged = Code(description: "DAMAGED")
    }

    public var code: Code
    /// A sentence for the user.
    public var message: String
    /// The field or column it is about.
    public var field: String?

    public init(_ code: Code, _ message: String, field: String? = nil) {
        self.code = code
        self.message = message
        self.field = field
    }

    public var description: String { message }
}
