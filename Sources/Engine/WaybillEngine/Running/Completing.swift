import Logging
import WaybillDatabases

/// Completes many jobs at once, beside the loop that claims: a server does both at the same time. Ends that need a look at other
/// jobs are left to that loop, and so are few ones, which share its transaction.
struct Completing: Sendable {
    let node: EngineNode
    let attempts: RunningAttempts
    private let signal = WakeSignal()

    init(node: EngineNode, attempts: RunningAttempts) {
        self.node = node
        self.attempts = attempts
    }

    /// There may be many.
    func wake() { signal.wake() }

    /// Lets `run` end with what is under way.
    func finish() { signal.finish() }

    func run() async {
        let settling = Settling(node: node, attempts: attempts)
        for await _ in signal.stream {
            while true {
                let ended = attempts.takeCompleted()
                guard !ended.isEmpty else { break }
                var left = ended
                do {
                    left = try await settling.complete(ended).left
                } catch {
                    node.logger.error("completing jobs failed; it is tried again", metadata: ["error": "\(error)"])
                }
                attempts.completed(but: left)
                // There is room for others now, or something to be settled.
                node.wake.wake()
            }
        }
    }
}
