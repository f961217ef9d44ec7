/// Why a dataset can't be used: a wrong configuration, or a wrong request.
public struct DatasetError: Error, Sendable, Hashable, CustomStringConvertible {
    public struct Code: Sendable, Hashable {
        private enum Storage { case noTable, noColumn, badColumns, unreadable, unknownField, badSort, tooManyReaders }
        private var storage: Storage

        /// The source has no such table or view.
        public static let noTable = Code(storage: .noTable)
        /// The table has no such column.
        public static let noColumn = Code(storage: .noColumn)
        /// The columns can't be exported together.
        public static let badColumns = Code(storage: .badColumns)
        /// The source can't be opened or read.
        public static let unreadable = Code(storage: .unreadable)
        /// A request names a field that the dataset has not.
        public static let unknownField = Code(storage: .unknownField)
        /// A request sorts by what can't be sorted by.
        public static let badSort = Code(storage: .badSort)
        /// The column of readers holds too many different values.
        public static let tooManyReaders = Code(storage: .tooManyReaders)
    }

    public var code: Code
    /// The name of the dataset.
    public var dataset: String
    /// Names columns of the configuration, never a path.
    public var message: String
    /// The field of the request that is wrong.
    public var field: String?
    /// What the database said: for the log.
    public var underlying: String?

    public init(_ code: Code, dataset: String, _ message: String, field: String? = nil, underlying: String? = nil) {
        self.code = code
        self.dataset = dataset
        self.message = message
        self.field = field
        self.underlying = underlying
    }

    public var description: String {
        "dataset \(dataset): \(message)" + (underlying.map { " (\($0))" } ?? "")
    }
}
