import Foundation
import Synchronization
import WaybillEngine

/// Does nothing, and notes when it began.
struct NoOp: JobHandler {
    static let kind: JobKind = "bench.noop"
    let began: BeganTimes

    func run(_ input: Nothing, from checkpoint: Nothing?, in job: JobContext<Nothing>) async throws -> Nothing {
        began.note(job.createdAt)
        return Nothing()
    }
}

/// How long each job waited from its enqueuing to its start, in milliseconds.
final class BeganTimes: Sendable {
    private let waits = Mutex<[Double]>([])

    func note(_ created: Timestamp) {
        let wait = Double(WallTime().now().microseconds - created.microseconds) / 1000
        waits.withLock { $0.append(wait) }
    }

    var count: Int { waits.withLock { $0.count } }

    /// Waits until so many have begun.
    /// - Returns: how many have, and when that was seen.
    func reach(_ wanted: Int) async throws -> (count: Int, at: ContinuousClock.Instant) {
        while true {
            let (count, now) = (count, ContinuousClock.now)
            if count >= wanted { return (count, now) }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    func take() -> [Double] {
        waits.withLock { waits in
            defer { waits = [] }
            return waits
        }
    }
}

struct WallTime: TimeSource {
    func now() -> Timestamp { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }
    func sleep(until deadline: Timestamp) async throws { try await ContinuousClock().sleep(for: deadline.since(now())) }
}

struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
