/// What the engine refuses.
public struct EngineError: Error, Sendable, CustomStringConvertible {
    public struct Code: Sendable, Hashable {
        private enum Storage {
            case notFound, alreadyEnded, notPaused, notEnded, duplicate, leaseLost, unknownKind, invalid, workedOutside
        }
        private var storage: Storage

        public static let notFound = Code(storage: .notFound)
        /// The job has reached a final state.
        public static let alreadyEnded = Code(storage: .alreadyEnded)
        public static let notPaused = Code(storage: .notPaused)
        /// Only an ended job can be retried.
        public static let notEnded = Code(storage: .notEnded)
        /// An unfinished job has the same unique key; `job` is its id.
        public static let duplicate = Code(storage: .duplicate)
        /// Another attempt has the job: nothing was written.
        public static let leaseLost = Code(storage: .leaseLost)
        /// The job is worked by a client: what was asked for is his to do.
        public static let workedOutside = Code(storage: .workedOutside)
        public static let unknownKind = Code(storage: .unknownKind)
        public static let invalid = Code(storage: .invalid)
    }

    public var code: Code
    public var job: JobID?
    public var message: String

    public init(_ code: Code, job: JobID? = nil, _ message: String) {
        self.code = code
        self.job = job
        self.message = message
    }

    public var description: String { message }
}
