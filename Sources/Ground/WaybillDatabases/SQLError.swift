/// What a database refused or could not do.
public struct SQLError: Error, Sendable, CustomStringConvertible {
    public struct Code: Sendable, Hashable {
        private enum Storage { case uniqueViolation, constraint, busy, full, unavailable, corrupt, interrupted, schema, other }
        private var storage: Storage

        /// A row with the same key is there already.
        public static let uniqueViolation = Code(storage: .uniqueViolation)
        /// Another constraint of the schema.
        public static let constraint = Code(storage: .constraint)
        /// Another transaction is in the way; the whole transaction may be tried again.
        public static let busy = Code(storage: .busy)
        /// No space is left.
        public static let full = Code(storage: .full)
        /// The database can't be reached or opened, or is closing.
        public static let unavailable = Code(storage: .unavailable)
        /// The file is damaged.
        public static let corrupt = Code(storage: .corrupt)
        /// The statement was interrupted from outside.
        public static let interrupted = Code(storage: .interrupted)
        /// The schema is newer than this program, or is not what it should be.
        public static let schema = Code(storage: .schema)
        public static let other = Code(storage: .other)
    }

    public var code: Code
    /// What the database said. May name tables and columns: for the log, never for a user.
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
