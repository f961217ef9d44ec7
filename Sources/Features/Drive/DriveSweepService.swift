import Logging
import ServiceLifecycle
import WaybillEngine
import Web

/// Tidies the drive: bytes that nobody needs, files whose time has passed, uploads that ended long ago.
public struct DriveSweepService: Service {
    private static let pause = Duration.seconds(10)
    /// The longest time after which strays are looked for again.
    private static let strayPauseMax = Duration.seconds(3600)

    private let feature: DriveFeature
    private let logger: Logger

    public init(_ feature: DriveFeature, logger: Logger) {
        self.feature = feature
        self.logger = logger
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            await sweepEachPause()
        }
    }

    private func sweepEachPause() async {
        let time = feature.floor.time
        var strays = time.now()
        while !Task.isCancelled {
            do {
                try await time.sleep(until: time.now().advanced(by: Self.pause))
            } catch {
                return
            }
            do {
                let now = time.now()
                try await feature.sweep(now: now, withStrays: now >= strays)
                if now >= strays { strays = now.advanced(by: min(Self.strayPauseMax, feature.configuration.orphanAge)) }
            } catch is CancellationError {
                return
            } catch {
                logger.error("tidying the drive failed; it is tried again", metadata: ["error": "\(error)"])
            }
        }
    }
}

extension DriveFeature {
    /// One round of tidying.
    func sweep(now: Timestamp, withStrays: Bool) async throws {
        try await completeWhole(now: now)
        try await UploadService(self).joinWhatIsWhole()
        try await removeExpired(now: now)
        try await tidySpaces(now: now)
        try await collectGarbage(of: nil, now: now)
        try await forgetEnded(now: now)
        guard withStrays else { return }
        try await failBrokenOff(now: now)
        try await keepStagedAsPieces(now: now)
        try await mendEnds(now: now)
        try await releaseCuts()
        try await removeStrays(now: now)
        try await removeStrayPieces(now: now)
    }
}
