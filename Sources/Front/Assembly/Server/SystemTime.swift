import Foundation
import WaybillEngine

/// The clock on the wall, and sleeping by the clock that is never set.
public struct SystemTime: TimeSource {
    public init() {}

    public func now() -> Timestamp {
        // Foundation counts in doubles, which hold microseconds exactly for the next centuries.
        Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000))
    }

    public func sleep(until deadline: Timestamp) async throws {
        try await ContinuousClock().sleep(for: deadline.since(now()))
    }
}

/// Randomness from the operating system.
enum SystemRandom {
    @Sendable static func bytes(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<max(0, count)).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
}
