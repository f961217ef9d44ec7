/// How fast bytes move, from what was noted in the last seconds.
struct TransferPace: Sendable {
    private static let window = Duration.seconds(10)
    private static let stepTime = Duration.milliseconds(200)

    private var notes: [(at: Duration, bytes: Int64)] = []

    /// - Parameter at: since any moment, but always the same one.
    mutating func note(_ bytes: Int64, at time: Duration) {
        // What was sent in vain, or a new beginning: the old notes say nothing of it.
        if let last = notes.last, bytes < last.bytes { notes = [] }
        if notes.count > 1, time - notes[notes.count - 2].at < Self.stepTime { notes.removeLast() }
        notes.append((time, bytes))
        while notes.count > 2, time - notes[1].at >= Self.window { notes.removeFirst() }
    }

    /// Nil as long as nothing can be said.
    var bytesPerSecond: Double? {
        guard let first = notes.first, let last = notes.last else { return nil }
        let seconds = (last.at - first.at) / .seconds(1)
        return seconds >= 0.5 && last.bytes > first.bytes ? Double(last.bytes - first.bytes) / seconds : nil
    }

    func secondsLeft(of total: Int64) -> Double? {
        guard let rate = bytesPerSecond, let last = notes.last else { return nil }
        return Double(max(0, total - last.bytes)) / rate
    }
}
