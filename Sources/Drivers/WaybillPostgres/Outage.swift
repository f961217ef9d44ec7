import Dispatch
import Synchronization

/// Since when the server can't be reached, as far as those know who share this. He who finds it so waits for a while; who comes
/// later waits only for what is left of that, so that a caller is told in time however many steps his request has.
final class Outage: Sendable {
    private let patienceSeconds: Double
    /// So long after a link has fallen silent nobody tries: each try would take its time too, and a caller has waited enough.
    private static let restSeconds = 2.0
    private let began = Mutex<DispatchTime?>(nil)
    private let rest = Mutex<DispatchTime?>(nil)
    private let lastSilence = Mutex<DispatchTime?>(nil)

    init(patienceSeconds: Double) { self.patienceSeconds = patienceSeconds }

    func noteFailure() { began.withLock { $0 = $0 ?? .now() } }

    func noteSuccess() {
        began.withLock { $0 = nil }
        rest.withLock { $0 = nil }
    }

    /// A link has fallen silent.
    func noteSilence() {
        noteFailure()
        let now = DispatchTime.now()
        rest.withLock { $0 = now + Self.restSeconds }
        lastSilence.withLock { $0 = now }
    }

    /// Whether a connection is worth a try. One that was there when another fell silent leads the same way: who used it would
    /// find that out for himself, and take his time.
    func trusts(openedAt: DispatchTime) -> Bool { lastSilence.withLock { $0.map { openedAt > $0 } ?? true } }

    var rests: Bool { rest.withLock { $0.map { .now() < $0 } ?? false } }

    /// How long a wait goes that may go until a deadline.
    func end(of deadline: DispatchTime) -> DispatchTime {
        began.withLock { began in began.map { min(deadline, $0 + patienceSeconds) } ?? deadline }
    }
}
