import Backups
import ContentExport
import Logging
import ServiceLifecycle
import WaybillBlobs
import WaybillEngine
import Web

/// What is done once an hour, or as often as orphans are looked for: kept answers whose time has passed go, and so do uploads
/// that no import needs any more, and what a crash left half written in the store.
struct HousekeepingService: Service {
    static let intervalMax = Duration.seconds(3600)
    /// An upload to a store that is older than this has no writer any more.
    static let unfinishedAge = Duration.seconds(86_400)

    let floor: WebFloor
    let content: ContentFeature
    let restores: RestoreSweep
    let restoreRetention: Duration
    let increments: IncrementSweep
    let blobs: any BlobStore
    /// After which an uploaded file goes: no import that could need it is unfinished then.
    let uploadRetention: Duration
    let orphanAge: Duration
    let scratch: DrillScratch
    let time: any TimeSource
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await time.sleep(until: time.now().advanced(by: min(Self.intervalMax, orphanAge)))
                } catch {
                    return
                }
                do {
                    try await floor.idempotency.prune()
                    try await content.removeUploads(olderThan: uploadRetention, orphansOlderThan: orphanAge, now: time.now())
                    try await scratch.sweep()
                    try await restores.run(olderThan: restoreRetention, orphansOlderThan: orphanAge, now: time.now())
                    try await increments.run(now: time.now())
                    let before = time.now().advanced(by: .zero - Self.unfinishedAge)
                    let dropped = try await blobs.dropUnfinished(startedBefore: before.microseconds)
                    if dropped > 0 {
                        logger.info("unfinished uploads to the store were dropped", metadata: ["count": "\(dropped)"])
                    }
                } catch is CancellationError {
                    return
                } catch {
                    logger.error("housekeeping failed; it is tried again", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}
