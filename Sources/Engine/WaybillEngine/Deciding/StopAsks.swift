/// Why a handler must stop. Thrown by `commit`, and let through by the handler.
enum AttemptStop: UInt8, Error, Sendable, Hashable, CaseIterable {
    // In the order in which one outdoes the next.
    case leaseLost, cancelled, paused, interrupted
}

/// All that a running attempt is asked to stop for. A lost lease outdoes the rest, a cancel a pause, a pause a shutdown; what is
/// outdone is not forgotten, as a pause may be taken back.
struct StopAsks: Sendable {
    private var asked: UInt8 = 0
    /// Since when it is asked what `stop` says.
    private(set) var since: Timestamp?
    /// How often a pause was asked for. Who has read that none is wanted compares it with what it was before he read.
    private(set) var pauses = 0

    var stop: AttemptStop? { AttemptStop.allCases.first(where: contains) }

    /// What it is asked besides a pause.
    var stopButPause: AttemptStop? { AttemptStop.allCases.first { $0 != .paused && contains($0) } }

    func contains(_ stop: AttemptStop) -> Bool { asked & Self.bit(stop) != 0 }

    mutating func add(_ stop: AttemptStop, now: Timestamp) {
        let before = self.stop
        asked |= Self.bit(stop)
        if stop == .paused { pauses += 1 }
        if self.stop != before { since = now }
    }

    mutating func withdrawPause(now: Timestamp) {
        guard contains(.paused) else { return }
        let before = stop
        asked &= ~Self.bit(.paused)
        if stop != before { since = stop == nil ? nil : now }
    }

    private static func bit(_ stop: AttemptStop) -> UInt8 { 1 << stop.rawValue }
}
