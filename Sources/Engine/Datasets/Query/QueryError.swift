/// Why a query was refused. It tells the user what to mend, and where.
public struct QueryError: Error, Sendable, Hashable, CustomStringConvertible {
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        public let description: String

        /// The text does not follow the grammar.
        public static let syntax = Code(description: "QUERY_SYNTAX")
        /// A parenthesis, bracket or quote is missing or too many.
        public static let unbalanced = Code(description: "QUERY_UNBALANCED")
        /// A value without a field before it; there is no default field.
        public static let missingField = Code(description: "QUERY_MISSING_FIELD")
        /// No field has this name.
        public static let unknownField = Code(description: "QUERY_UNKNOWN_FIELD")
        /// The value is none of the field's type.
        public static let wrongType = Code(description: "QUERY_WRONG_TYPE")
        /// Fields of this type can only be tested for existence.
        public static let notSearchable = Code(description: "QUERY_NOT_SEARCHABLE")
        /// Lucene has it, this subset has not.
        public static let unsupported = Code(description: "QUERY_UNSUPPORTED")
        /// The text is longer than `Query.bytesMax`.
        public static let tooLong = Code(description: "QUERY_TOO_LONG")
        /// Parentheses are nested deeper than `Query.depthMax`.
        public static let tooDeep = Code(description: "QUERY_TOO_DEEP")
        /// More than `Query.termsMax` terms, or too many wildcards in one.
        public static let tooManyTerms = Code(description: "QUERY_TOO_MANY_TERMS")
    }

    public var code: Code
    /// A sentence for the user.
    public var message: String
    /// The first character that is wrong, counted in Unicode scalars from 1.
    public var position: Int
    /// The field the value belongs to, if it is known.
    public var field: String?
    /// The offending piece of the query.
    public var token: String?

    public init(_ code: Code, _ message: String, position: Int, field: String? = nil, token: String? = nil) {
        self.code = code
        self.message = message
        self.position = position
        self.field = field
        self.token = token
    }

    public var description: String { "\(message) (at character \(position))" }
}
