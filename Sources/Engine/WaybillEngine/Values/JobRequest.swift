/// What is asked for: everything of a job but its id and its life.
public struct JobRequest: Sendable {
    public var kind: JobKind
    public var principal: Principal
    /// JSON.
    public var input: String
    /// 0 to 100, higher first.
    public var priority: Int
    /// Only one unfinished job of a tenant and kind may have this key.
    public var uniqueKey: String?
    /// Jobs of a tenant and kind with the same key share the kind's `limitPerKey`.
    public var limitKey: String?
    /// Not before this time; nil is now.
    public var dueAt: Timestamp?
    /// Expired if it has not ended by then.
    public var deadlineAt: Timestamp?
    public var maxAttempts: Int

    public init(
        kind: JobKind, principal: Principal, input: String, priority: Int = 50, uniqueKey: String? = nil, limitKey: String? = nil,
        dueAt: Timestamp? = nil, deadlineAt: Timestamp? = nil, maxAttempts: Int = 3
    ) {
        self.kind = kind
        self.principal = principal
        self.input = input
        self.priority = min(100, max(0, priority))
        self.uniqueKey = uniqueKey
        self.limitKey = limitKey
        self.dueAt = dueAt
        self.deadlineAt = deadlineAt
        self.maxAttempts = max(1, maxAttempts)
    }
}
