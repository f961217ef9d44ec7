import Logging
import WaybillDatabases

/// Hands on what was asked of running jobs, on whatever node, to their attempts here.
struct StopRequests: Sendable {
    let node: EngineNode
    let attempts: RunningAttempts

    /// Works until its task is cancelled: looks whenever another node tells of a job that runs here. What it is not told of is
    /// found by the tick of each second.
    func run() async {
        for await _ in node.stopWake.stream {
            do {
                try await heed()
            } catch {
                guard !Task.isCancelled else { return }
                node.logger.notice("a look for cancelled jobs failed; it is tried again", metadata: ["error": "\(error)"])
            }
        }
    }

    func heed() async throws {
        let look = look()
        guard !look.isEmpty else { return }
        look.hand(try await node.database.read { [node] session in try node.store.running(session, on: node.name) })
    }

    /// Begins to look: before the store is read.
    func look() -> Look { Look(seen: attempts.all.map { ($0, $0.pausesAsked) }) }

    /// The attempts that run here, as they were before the store was read. One that was asked to pause meanwhile goes by that.
    struct Look: Sendable {
        fileprivate let seen: [(attempt: Attempt, pausesAsked: Int)]

        var isEmpty: Bool { seen.isEmpty }

        /// - Parameter asked: what the store says runs here.
        func hand(_ asked: [JobID: (fence: Int64, stop: StopRequest)]) {
            for (attempt, pausesAsked) in seen {
                guard let (fence, stop) = asked[attempt.record.id], fence == attempt.record.fence else { continue }
                if stop.cancel {
                    attempt.request(.cancelled)
                } else if stop.pause {
                    attempt.request(.paused)
                } else {
                    attempt.withdrawPause(asked: pausesAsked)
                }
            }
        }
    }
}
