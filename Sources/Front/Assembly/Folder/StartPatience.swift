import Logging
import WaybillDatabases
import WaybillEngine

/// How long a start waits for a database that can't be reached: in an installation that comes up all at once it may be the last
/// to be there, and a node that gives up and is started again helps nobody.
struct StartPatience: Sendable {
    private static let pauseMin = 0.25
    private static let pauseMax = 5.0

    let patience: Duration
    let time: any TimeSource
    /// From 0 to 1, so that many nodes don't come back in the same moment.
    let chance: @Sendable () -> Double
    let logger: Logger

    /// Does something that needs the database, again and again until it is there.
    /// - Throws: what the last try has thrown, if it was another error or the time is over.
    func trying<T>(_ body: () async throws -> T) async throws -> T {
        let deadline = time.now().advanced(by: patience)
        var pause = Self.pauseMin
        while true {
            do {
                return try await body()
            } catch let error as SQLError where error.code == .unavailable {
                let next = time.now().advanced(by: .seconds(pause * (0.5 + chance() / 2)))
                guard next < deadline else {
                    throw SQLError(.unavailable, "gave up after \(patience) (database.startTimeout): \(error)")
                }
                logger.warning("the database is not there yet; it is tried again", metadata: ["error": "\(error)"])
                try await time.sleep(until: next)
                pause = min(Self.pauseMax, pause * 2)
            }
        }
    }
}
