import ContentExport
import Logging
import ServiceLifecycle
import WaybillEngine
import Web

/// What is done once an hour, or as often as orphans are looked for: kept answers whose time has passed go, and so do uploads
/// that no import needs any more.
struct HousekeepingService: Service {
    static let intervalMax = Duration.seconds(3600)

    let floor: WebFloor
    let content: ContentFeature
    /// After which an uploaded file goes: no import that could need it is unfinished then.
    let uploadRetention: Duration
    let orphanAge: Duration
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
                } catch is CancellationError {
                    return
                } catch {
                    logger.error("housekeeping failed; it is tried again", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}
