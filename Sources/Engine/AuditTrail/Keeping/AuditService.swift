import Logging
import ServiceLifecycle
import WaybillDatabases
import WaybillEngine

/// Looks after the audit log: seals what is new, and lets go what is old.
public struct AuditService: Service {
    static let sealInterval = Duration.seconds(5)
    static let pruneInterval = Duration.seconds(3600)

    private let database: any SQLDatabase
    private let sealer: AuditSealer
    private let retention: Duration
    private let time: any TimeSource
    private let logger: Logger

    /// - Parameter retention: how long events are kept, from when they were sealed.
    public init(database: any SQLDatabase, retention: Duration, time: any TimeSource, logger: Logger) {
        self.database = database
        self.retention = retention
        self.time = time
        self.logger = logger
        sealer = AuditSealer(database: database, time: time)
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            var prunedAt: Timestamp?
            while !Task.isCancelled {
                do {
                    try await time.sleep(until: time.now().advanced(by: Self.sealInterval))
                } catch {
                    return
                }
                do {
                    try await sealer.seal()
                    try await sweep()
                    if prunedAt.map({ time.now().since($0) >= Self.pruneInterval }) ?? true {
                        try await prune()
                        prunedAt = time.now()
                    }
                } catch is CancellationError {
                    return
                } catch {
                    logger.error("looking after the audit log failed; it is tried again", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    /// Deletes the events whose time has passed, in short transactions.
    public func prune() async throws {
        let before = time.now().advanced(by: .zero - retention)
        let store = AuditStore(isEnabled: true)
        for tenant in try await database.read({ try store.sealedTenants(in: $0) }) {
            while try await database.write({ try store.pruneSlice(of: tenant, sealedBefore: before, in: $0) }) {}
        }
        for tenant in try await database.read({ try store.segmentTenants(in: $0) }) {
            while try await database.write({ try store.pruneSegmentSlice(of: tenant, sealedBefore: before, in: $0) }) {}
        }
    }

    /// Removes what restores have begun and given up, in short transactions.
    public func sweep() async throws {
        let store = AuditStore(isEnabled: true)
        guard try await database.read({ try store.hasDiscarded(in: $0) }) else { return }
        while try await database.write({ try store.sweepSlice(in: $0) }) {}
    }
}
