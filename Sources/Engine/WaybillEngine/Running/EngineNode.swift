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

/// What the services of one running engine share.
struct EngineNode: Sendable {
    var name: String
    var database: any SQLDatabase
    var blobs: any BlobStore
    var store: JobStore
    var handlers: JobHandlers
    var configuration: EngineConfiguration
    var time: any TimeSource
    var ids: JobIDSource
    var hub: EventHub
    var wake: WakeSignal
    var logger: Logger
    weak var observer: (any AttemptObserver)?

    var kinds: Set<JobKind> { Set(handlers.byKind.keys) }

    /// A third of the lease, so that two heartbeats may be lost.
    var heartbeatInterval: Duration { .seconds(configuration.leaseSeconds) / 3 }

    /// Writes, and tries again while the database is busy or can't be reached: for as long as a lease lasts, since that is no fault of
    /// the job, and only until `gaveUp`.
    func writeAgain<Result: Sendable>(
        until gaveUp: @Sendable () -> Bool, _ body: @escaping @Sendable (any SQLSession) throws -> Result
    ) async throws -> Result {
        let end = time.now().advanced(by: .seconds(configuration.leaseSeconds))
        var pause = Duration.milliseconds(50)
        while true {
            do {
                return try await database.write(body)
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
