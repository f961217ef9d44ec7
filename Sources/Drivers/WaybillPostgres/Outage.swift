import Dispatch
import Synchronization

/// Since when the server can't be reached, as far as those know who share this. He who finds it so waits for a while; who comes
/// later waits only for what is left of that, so that a caller is told in time however many steps his request has.
final class Outage: Sendable {
    private let patienceSeconds: Double
    private let began = Mutex<DispatchTime?>(nil)

    init(patienceSeconds: Double) { self.patienceSeconds = patienceSeconds }

    func noteFailure() { began.withLock { $0 = $0 ?? .now() } }

    func noteSuccess() { began.withLock { $0 = nil } }

    /// How long a wait goes that may go until a deadline.
    func end(of deadline: DispatchTime) -> DispatchTime {
        began.withLock { began in began.map { min(deadline, $0 + patienceSeconds) } ?? deadline }
    }
}
