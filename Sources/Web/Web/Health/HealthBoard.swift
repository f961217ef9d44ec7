import Synchronization
import WaybillEngine

/// Asks the parts of the server whether they are ready, at most once a second however many ask.
public final class HealthBoard: Sendable {
    /// One part: its name, which is shown, and a question that throws if it is not ready.
    public struct Check: Sendable {
        public var name: String
        public var run: @Sendable () async throws -> Void

        public init(_ name: String, _ run: @escaping @Sendable () async throws -> Void) {
            self.name = name
            self.run = run
        }
    }

    private struct State {
        var failing: [String] = ["starting"]
        var askedAt: Timestamp?
        var runningSince: Timestamp?
    }

    static let keep = Duration.seconds(1)
    static let patience = Duration.seconds(5)
    private let time: any TimeSource
    private let checks: [Check]
    private let state = Mutex(State())

    public init(time: any TimeSource, checks: [Check]) {
        self.time = time
        self.checks = checks
    }

    /// The names of what is not ready, in the order of the checks; empty if all is. What takes too long is told as `slow`, and
    /// nobody but the first waits for it.
    public func failing() async -> [String] {
        let now = time.now()
        let known: [String]? = state.withLock { state in
            if let running = state.runningSince {
                return now.since(running) > HealthBoard.patience ? ["slow"] : state.failing
            }
            if let asked = state.askedAt, now >= asked, now.since(asked) < HealthBoard.keep { return state.failing }
            state.runningSince = now
            return nil
        }
        if let known { return known }
        var failing: [String] = []
        for check in checks {
            do { try await check.run() } catch { failing.append(check.name) }
        }
        let result = failing
        state.withLock { state in
            state.failing = result
            state.askedAt = now
            state.runningSince = nil
        }
        return failing
    }
}
