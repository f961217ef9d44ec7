import WaybillEngine
import Web

/// A job as the wire shows it; a door adds its own members beside these.
public struct JobView: Encodable, Sendable {
    public struct Failure: Encodable, Sendable {
        var code: String
        var message: String
        /// Of the file that came in, where a line of it is the reason.
        public var line: Int?
    }

    var jobId: String
    var kind: String
    public var state: JobState
    public var progress: Double
    var user: String
    var priority: Int
    var createdAt: WireTime
    var startedAt: WireTime?
    var updatedAt: WireTime
    var endedAt: WireTime?
    var dueAt: WireTime?
    var deadlineAt: WireTime?
    var executingNode: String?
    var attempts: Int
    var maxAttempts: Int
    var interruptions: Int
    var deaths: Int
    var cancelRequested: Bool
    var pauseRequested: Bool
    var stalled: Bool
    var waitingFor: String?
    public var error: Failure?
    var counters: [String: Int64]
    public var statusUrl: String

    /// - Parameter statusPath: where the door answers for its jobs, `/content/export`.
    public init(_ job: JobRecord, statusPath: String, waiting: WaitReason? = nil) {
        jobId = job.id.text
        kind = job.kind.text
        state = job.state
        // Two decimals are more than anybody looks at, and keep the text short.
        progress = (job.progress * 100).rounded() / 100
        user = job.principal.user
        priority = job.priority
        createdAt = WireTime(job.createdAt)
        startedAt = WireTime(job.startedAt)
        updatedAt = WireTime(job.updatedAt)
        endedAt = WireTime(job.endedAt)
        dueAt = job.state == .pending && job.dueAt > job.createdAt ? WireTime(job.dueAt) : nil
        deadlineAt = WireTime(job.deadlineAt)
        executingNode = job.node
        attempts = job.attempts
        maxAttempts = job.maxAttempts
        interruptions = job.interruptions
        deaths = job.deaths
        cancelRequested = job.cancelRequested
        pauseRequested = job.pauseRequested
        stalled = job.stalled
        waitingFor = waiting?.text
        error = job.failure.flatMap { job.state == .completed ? nil : Failure(code: $0.code, message: $0.message) }
        counters = job.counters
        statusUrl = "\(statusPath)/\(job.id)"
    }

    /// The properties of the schema, for a door that adds its own.
    public static let schema: [(String, Schema)] = [
        ("jobId", .uuid), ("kind", .string), ("state", .enumeration(JobState.self)), ("progress", .percent), ("user", .string),
        ("priority", .integer(0...100)), ("createdAt", .dateTime), ("startedAt", .dateTime.optional), ("updatedAt", .dateTime),
        ("endedAt", .dateTime.optional), ("dueAt", .dateTime.optional), ("deadlineAt", .dateTime.optional),
        ("executingNode", .string.optional), ("attempts", .integer(min: 0)), ("maxAttempts", .integer(min: 1)),
        ("interruptions", .integer(min: 0)), ("deaths", .integer(min: 0)), ("cancelRequested", .boolean),
        ("pauseRequested", .boolean),
        ("stalled", .boolean), ("waitingFor", .string.optional),
        ("error", Schema.object(["code": .string, "message": .string, "line": .integer(min: 1).optional]).optional),
        ("counters", .map(of: .integer)), ("statusUrl", .uri),
    ]

    /// The whole schema.
    /// - Parameter additions: what a door adds.
    public static func schema(adding additions: [(String, Schema)] = []) -> Schema {
        let properties = schema + additions
        let required = properties.filter { !$0.1.isOptional }.map { JSONValue.string($0.0) }
        return Schema(
            .object([
                .init("type", "object"),
                .init("properties", .object(properties.map { .init($0.0, $0.1.json) })),
                .init("required", .array(required)),
            ]))
    }
}

extension Schema {
    /// One event of a stream; its data is JSON, the job.
    public static let event = Schema.object(["event": .string, "id": .string.optional, "data": .string])

    /// A page of a list of components.
    public static func page(_ name: String, of component: String) -> Schema {
        Schema(
            .object([
                .init("type", "object"),
                .init(
                    "properties",
                    .object([
                        .init(name, Schema.array(of: .ref(component)).json), .init("page", Schema.integer(min: 1).json),
                        .init("size", Schema.integer(1...200).json), .init("total", Schema.integer(min: 0).json),
                    ])),
                .init("required", .array([.string(name), "page", "size", "total"])),
            ]))
    }
}
