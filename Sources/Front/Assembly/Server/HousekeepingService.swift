import Logging
import ServiceLifecycle
import WaybillBlobs
import WaybillEngine
import Web

/// What is done once an hour: kept answers whose time has passed go, and so do uploads that no import needs any more.
struct HousekeepingService: Service {
    static let interval = Duration.seconds(3600)

    let floor: WebFloor
    let blobs: any BlobStore
    /// After which an uploaded file goes: no import that could need it is unfinished then.
    let uploadRetention: Duration
    let time: any TimeSource
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await time.sleep(until: time.now().advanced(by: Self.interval))
                } catch {
                    return
                }
                do {
                    try await floor.idempotency.prune()
                    try await removeUploads()
                } catch is CancellationError {
                    return
                } catch {
                    logger.error("housekeeping failed; it is tried again", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    private func removeUploads() async throws {
        let before = time.now().advanced(by: .zero - uploadRetention).microseconds
        var after: BlobKey?
        while true {
            let page = try await blobs.list(prefix: "uploads/", after: after, limit: 1000)
            guard let last = page.last else { return }
            for entry in page where entry.modifiedAt < before { try await blobs.delete(entry.key) }
            after = last.key
        }
    }
}
