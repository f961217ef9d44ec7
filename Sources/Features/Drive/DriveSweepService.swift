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
    /// One round of tidying. A step that fails, as when a store can't be reached, holds up none of the others.
    /// - Throws: the first error, after all of them.
    func sweep(now: Timestamp, withStrays: Bool) async throws {
        var failure: (any Error)?
        func step(_ body: () async throws -> Void) async {
            do { try await body() } catch { failure = failure ?? error }
        }
        await step { try await completeWhole(now: now) }
        await step { try await UploadService(self).joinWhatIsWhole() }
        await step { try await removeExpired(now: now) }
        await step { try await tidySpaces(now: now) }
        await step { try await collectGarbage(of: nil, now: now) }
        await step { try await forgetEnded(now: now) }
        if withStrays {
            await step { try await failBrokenOff(now: now) }
            await step { try await keepStagedAsPieces(now: now) }
            await step { try await mendEnds(now: now) }
            await step { try await releaseCuts() }
            await step { try await removeStrays(now: now) }
            await step { try await removeStrayPieces(now: now) }
        }
        if let failure { throw failure }
    }
}
