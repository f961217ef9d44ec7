/// Why an attempt ended without success. A handler throws it to say what the user is told.
public struct JobFailure: Error, Sendable, Hashable, Codable {
    /// Stable, UPPER_SNAKE.
    public var code: String
    /// For the user: no stack, no path, no secret.
    public var message: String
    /// Whether another attempt may succeed.
    public var retryable: Bool

    public init(code: String, message: String, retryable: Bool = false) {
        self.code = code
        self.message = message
        self.retryable = retryable
    }

    /// Three attempts in a row died without a checkpoint.
    static let quarantined = JobFailure(
        code: "QUARANTINED", message: "The process died three times in a row while this job ran, so it is not tried again.")
    static let expired = JobFailure(code: "DEADLINE_PASSED", message: "The job's deadline passed before it ended.")
    static let unknownKind = JobFailure(code: "UNKNOWN_KIND", message: "This server has no handler for the job's kind.")
    static let storageFull = JobFailure(
        code: "STORAGE_FULL", message: "There is no space left to store the job's work.", retryable: true)
    static let storeAway = JobFailure(
        code: "STORE_UNAVAILABLE", message: "The store of files can't be reached; the job goes on when it can.", retryable: true)
    static let unreadableInput = JobFailure(code: "UNREADABLE_INPUT", message: "The job's input can't be read by this version.")

    /// What the user is told of an error that says nothing itself.
    static let unexpected = JobFailure(
        code: "INTERNAL_ERROR", message: "An unexpected error ended the attempt; the log has it under the job's id.",
        retryable: true)
}
