import Logging
import ServiceLifecycle
import WaybillDatabases
import WaybillEngine

/// Tidies content slice by slice: rows of deleted types, index rows, versions that no cut needs.
public struct ContentSweepService: Service {
    let database: any SQLDatabase
    let time: any TimeSource
    let logger: Logger

    public init(database: any SQLDatabase, time: any TimeSource, logger: Logger) {
        self.database = database
        self.time = time
        self.logger = logger
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await time.sleep(until: time.now().advanced(by: .seconds(1)))
                } catch {
                    return
                }
                do {
                    try await sweep()
                } catch is CancellationError {
                    return
                } catch {
                    logger.error("tidying content failed; it is tried again", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    private func sweep() async throws {
        let now = time.now()
        if try await database.read({ try ContentStore().hasKeptSpaces(now: now, in: $0) }) {
            try await database.write { try ContentStore().dropKeptSpaces(now: now, in: $0) }
        }
        while try await database.read({ try ContentStore().hasChores(in: $0) }) {
            guard case .worked = try await database.write({ try ContentStore().sweep(in: $0) }) else { return }
        }
    }
}
