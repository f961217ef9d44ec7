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
    private struct State {
        var waits: [Double] = []
        var wanted = Int.max
        var waiter: CheckedContinuation<(count: Int, at: ContinuousClock.Instant), Never>?
    }

    private let state = Mutex(State())

    func note(_ created: Timestamp) {
        let wait = Double(WallTime().now().microseconds - created.microseconds) / 1000
        let (waiter, count) = state.withLock { state in
            state.waits.append(wait)
            guard state.waits.count >= state.wanted, let waiter = state.waiter else {
                return (CheckedContinuation<(count: Int, at: ContinuousClock.Instant), Never>?.none, 0)
            }
            state.waiter = nil
            return (waiter, state.waits.count)
        }
        waiter?.resume(returning: (count, .now))
    }

    /// Waits until so many have begun; one at a time may wait.
    /// - Returns: how many have, and when that was.
    func reach(_ wanted: Int) async -> (count: Int, at: ContinuousClock.Instant) {
        await withCheckedContinuation { waiter in
            let count = state.withLock { state in
                if state.waits.count < wanted { (state.wanted, state.waiter) = (wanted, waiter) }
                return state.waits.count
            }
            if count >= wanted { waiter.resume(returning: (count, .now)) }
        }
    }

    func take() -> [Double] {
        state.withLock { state in
            defer { state.waits = [] }
            return state.waits
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
