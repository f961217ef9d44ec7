/// What a blob store refused or could not do.
public struct BlobError: Error, Sendable, CustomStringConvertible {
    public struct Code: Sendable, Hashable {
        private enum Storage { case notFound, exists, full, damaged, unavailable, other }
        private var storage: Storage

        public static let notFound = Code(storage: .notFound)
        /// There is a blob of that key, and the writer was only to create one.
        public static let exists = Code(storage: .exists)
        /// No space, no inodes, or a quota of the store.
        public static let full = Code(storage: .full)
        /// What is stored is not what was written.
        public static let damaged = Code(storage: .damaged)
        /// The store can't be reached, or is too busy. Worth another try later.
        public static let unavailable = Code(storage: .unavailable)
        public static let other = Code(storage: .other)
    }

    public var code: Code
    /// For the log, never for a user.
    public var message: String
    /// The store that it would take and that is not there.
    public private(set) var missingStore: String?

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// There are blobs in a store of that name, and nobody has said where it is.
    public static func noStore(_ name: String) -> BlobError {
        var error = BlobError(.unavailable, "the store \(name) is not configured")
        error.missingStore = name
        return error
    }

    public var description: String { message }
}
