import Logging
import WaybillBlobs
import WaybillDatabases

/// When an observer of commits is asked.
package enum CommitMoment: Sendable, Hashable {
    /// The output is in the blob store; nothing is in the database.
    case before
    /// The transaction is durable; the handler does not know yet.
    case after
}

/// Is told of attempts, in tests.
package protocol AttemptObserver: AnyObject, Sendable {
    func began(_ job: JobRecord)
    /// A `SimulatedCrash` that it throws ends the attempt as if the process had died there.
    /// - Parameter number: counts the attempt's commits from 1.
    func commits(_ job: JobRecord, number: Int, moment: CommitMoment) throws
}

/// What the services of one running engine share. A class, because every attempt holds it and copies would cost more than the
/// rest.
final class EngineNode: Sendable {
    let name: String
    let database: any SQLDatabase
    let blobs: any BlobStore
    let store: JobStore
    let handlers: JobHandlers
    let kinds: Set<JobKind>
    let configuration: EngineConfiguration
    let time: any TimeSource
    let ids: JobIDSource
    let voice: NodeVoice
    let hub: EventHub
    let wake = WakeSignal()
    /// Something may have been asked of a job that runs here.
    let stopWake = WakeSignal()
    let logger: Logger
    private let observation: Observation?

    init(
        name: String, database: any SQLDatabase, blobs: any BlobStore, store: JobStore, handlers: JobHandlers,
        configuration: EngineConfiguration, time: any TimeSource, ids: JobIDSource, logger: Logger,
        observer: (any AttemptObserver)? = nil
    ) {
        self.name = name
        voice = NodeVoice(database.signals, node: name)
        hub = EventHub(voice)
        self.database = database
        self.blobs = blobs
        self.store = store
        self.handlers = handlers
        kinds = Set(handlers.byKind.keys).subtracting(handlers.external)
        self.configuration = configuration
        self.time = time
        self.ids = ids
        self.logger = logger
        observation = observer.map { Observation(observer: $0) }
    }

    private struct Observation: Sendable {
        weak let observer: (any AttemptObserver)?
    }

    var observer: (any AttemptObserver)? { observation?.observer }

    /// A third of the lease, so that two heartbeats may be lost.
    var heartbeatInterval: Duration { .seconds(configuration.leaseSeconds) / 3 }

    /// Writes, and tries again while the database is busy or can't be reached: for as long as a lease lasts, since that is no
    /// fault of the job, and only until `gaveUp`.
    func writeAgain<Result: Sendable>(
        _ order: SQLWriteOrder = .serial, of tenant: TenantID, until gaveUp: @Sendable () -> Bool,
        _ body: @escaping @Sendable (any SQLSession) throws -> Result
    ) async throws -> Result {
        let end = time.now().advanced(by: .seconds(configuration.leaseSeconds))
        var pause = Duration.milliseconds(50)
        while true {
            do {
                return try await database.write(order, of: tenant, body)
            } catch let error as SQLError where error.mayPass && error.code != .full {
                guard time.now() < end, !gaveUp() else { throw error }
            }
            try await time.sleep(until: time.now().advanced(by: pause))
            pause = min(pause * 2, .seconds(2))
        }
    }
}

extension SQLError {
    /// Whether the same write may succeed later without anything about it being changed.
    var mayPass: Bool { code == .busy || code == .unavailable || code == .full || code == .interrupted }
}

/// Wakes one loop. Several wakes while it works are one.
struct WakeSignal: Sendable {
    let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() {
        (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    func wake() { continuation.yield() }
    func finish() { continuation.finish() }
}
