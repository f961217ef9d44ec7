/// Why one row could not be exported or imported.
public struct ItemFailure: Sendable, Hashable, Codable, Error {
    /// The key of the row.
    public var id: String
    /// Stable, UPPER_SNAKE.
    public var code: String
    public var message: String

    public init(id: String, code: String, message: String) {
        self.id = id
        self.code = code
        self.message = message
    }
}
