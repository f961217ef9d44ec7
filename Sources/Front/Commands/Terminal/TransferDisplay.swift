import Synchronization

/// Shows how far a file is on its way: on a screen one line that changes, elsewhere a line for each fifth.
final class TransferDisplay: Sendable {
    /// Nobody reads faster.
    private static let stepTime = Duration.milliseconds(100)

    private struct State {
        var pace = TransferPace()
        var shownAt: Duration?
        var phase = ""
        var step = -1
        var isOpen = false
    }

    private let name: String
    private let context: CommandContext
    private let isQuiet: Bool
    private let state = Mutex(State())

    /// - Parameter isQuiet: shows nothing; somebody reads the result as JSON.
    init(_ name: String, _ context: CommandContext, isQuiet: Bool) {
        self.name = name
        self.context = context
        self.isQuiet = isQuiet
    }

    /// - Parameter phase: what is done, if it is not the moving of bytes.
    func show(_ bytes: Int64, of total: Int64?, phase: String = "") {
        guard !isQuiet else { return }
        let now = context.uptime()
        state.withLock { state in
            if state.phase != phase { (state.pace, state.step, state.shownAt) = (TransferPace(), -1, nil) }
            state.phase = phase
            state.pace.note(bytes, at: now)
            let line = TransferLine(name: name, bytes: bytes, total: total, phase: phase, pace: state.pace)
            guard let width = context.terminal.width else {
                guard let percent = line.percent, case let step = Int(percent / 20), step > state.step else { return }
                state.step = step
                context.terminal.complain(line.plain)
                return
            }
            let isDue = state.shownAt.map { now - $0 >= Self.stepTime } ?? true
            guard isDue || bytes == total else { return }
            state.shownAt = now
            state.isOpen = true
            context.terminal.overwrite(line.text(width: width))
        }
    }

    /// The line on the screen stays as it is, and what comes goes below.
    func end() {
        state.withLock { state in
            guard state.isOpen else { return }
            state.isOpen = false
            context.terminal.complain("")
        }
    }
}

/// One line that says how far a file is on its way, how fast, and how long that will take.
struct TransferLine {
    var name: String
    var bytes: Int64
    var total: Int64?
    var phase: String
    var pace: TransferPace

    var percent: Double? {
        guard let total else { return nil }
        return total > 0 ? min(100, max(0, Double(bytes) / Double(total) * 100)) : 100
    }

    /// For a log.
    var plain: String { "\(name)  \(phase.isEmpty ? "" : phase + " ")\(Int(percent ?? 0)) %" }

    /// For a screen of `width` columns; it never fills the last one.
    func text(width: Int) -> String {
        var tail = "  \(Figures.bytes(bytes))"
        if let total { tail += " of \(Figures.bytes(total))" }
        if !phase.isEmpty { tail += "  \(phase)" }
        if let rate = pace.bytesPerSecond { tail += "  \(Figures.bytes(Int64(min(rate, 1e15))))/s" }
        if let total, bytes < total, let seconds = pace.secondsLeft(of: total) { tail += "  \(Figures.time(seconds)) left" }
        guard let percent else { return String("\(name)\(tail)".prefix(max(0, width - 1))) }
        let rest = width - 1 - tail.count
        let head = name.count + 16 <= rest ? name + " " : ""
        return head + ProgressBar.line(percent: percent, tail, width: width - head.count)
    }
}
