import WaybillDatabases

/// Does the work of one kind of job.
///
/// `run` may be called again for the same job: after a crash, a deploy, a pause or an error it gets the checkpoint that was
/// committed last and goes on from there. All that an attempt makes durable goes through `JobContext.commit`.
public protocol JobHandler: Sendable {
    associatedtype Input: Codable & Sendable
    associatedtype Checkpoint: Codable & Sendable
    associatedtype Output: Codable & Sendable

    static var kind: JobKind { get }
    /// The unique key of the jobs that schedules of this kind enqueue; nil: one a schedule.
    static var uniqueKey: String? { get }
    /// Jobs of this kind are worked outside: see `ExternalJobHandler`.
    static var isExternal: Bool { get }
    /// Whether what its commits have made of artifacts can be read as well when a job of this kind ends without having completed.
    static var keepsArtifacts: Bool { get }

    /// Does the work, from the beginning or from a checkpoint.
    /// - Throws: `JobFailure` to end the attempt with a reason for the user; what `commit` throws must be let through.
    func run(_ input: Input, from checkpoint: Checkpoint?, in job: JobContext<Checkpoint>) async throws -> Output
}

extension JobHandler {
    public static var uniqueKey: String? { nil }
    public static var isExternal: Bool { false }
    public static var keepsArtifacts: Bool { false }
}

/// A handler that has something to write when a job of its kind ends. Such ends are written in the serial order; those of other
/// kinds may be written beside other transactions.
public protocol JobEndHandler: JobHandler {
    /// Called in the transaction in which a job of this kind reaches a final state, whoever ended it.
    func ended(_ job: JobRecord, in session: any SQLSession) throws
}

/// The input, checkpoint or output of a kind that has none.
public struct Nothing: Codable, Sendable, Hashable {
    public init() {}
}

/// The kinds that a node can run.
public struct JobHandlers: Sendable {
    var byKind: [JobKind: AnyJobHandler] = [:]

    public init() {}

    /// The kinds that are worked outside.
    var external: Set<JobKind> { Set(byKind.filter(\.value.isExternal).keys) }

    /// The kinds whose artifacts stay however a job ends.
    var keeping: Set<JobKind> { Set(byKind.filter(\.value.keepsArtifacts).keys) }

    public init(_ handlers: [any JobHandler]) {
        for handler in handlers { register(handler) }
    }

    /// Adds a kind; a second handler for a kind takes the place of the first.
    public mutating func register(_ handler: some JobHandler) {
        byKind[type(of: handler).kind] = AnyJobHandler(handler)
    }
}

/// A handler whose types have been put behind JSON.
struct AnyJobHandler: Sendable {
    let uniqueKey: String?
    let isExternal: Bool
    let keepsArtifacts: Bool
    let run: @Sendable (JobRecord, Attempt) async throws -> String
    /// nil if the kind writes nothing of its own.
    let ended: JobEndHook?

    init<Handler: JobHandler>(_ handler: Handler) {
        run = { record, attempt in
            let input: Handler.Input
            let checkpoint: Handler.Checkpoint?
            do {
                input = try JobCoding.decode(Handler.Input.self, record.input)
                checkpoint = try record.checkpoint.map { try JobCoding.decode(Handler.Checkpoint.self, $0) }
            } catch {
                throw JobFailure.unreadableInput
            }
            let output = try await handler.run(input, from: checkpoint, in: JobContext(attempt: attempt))
            return try JobCoding.encode(output)
        }
        uniqueKey = Handler.uniqueKey
        isExternal = Handler.isExternal
        keepsArtifacts = Handler.keepsArtifacts
        ended = (handler as? any JobEndHandler).map(Self.hook)
    }

    private static func hook(of handler: any JobEndHandler) -> JobEndHook {
        { record, session in try handler.ended(record, in: session) }
    }
}
