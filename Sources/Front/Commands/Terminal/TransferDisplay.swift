import Synchronization

/// Shows how far files are on their way: on a screen one line that changes, elsewhere a line for each fifth of a file.
final class TransferDisplay: Sendable {
    /// Nobody reads faster.
    private static let stepTime = Duration.milliseconds(100)

    private struct Moving {
        var name: String
        var bytes: Int64 = 0
        var total: Int64?
        var phase = ""
        var step = -1
        var isKnown = false
    }

    private struct State {
        /// By the order in which they began.
        var moving: [Int: Moving] = [:]
        var count = 0
        var pace = TransferPace()
        var shownAt: Duration?
        var isOpen = false
    }

    /// Of one file.
    struct Line: Sendable {
        fileprivate let number: Int
        fileprivate let display: TransferDisplay

        /// - Parameter phase: what is done, if it is not the moving of bytes.
        func show(_ bytes: Int64, of total: Int64?, phase: String = "") { display.show(number, bytes, total, phase) }

        /// The line on the screen stays as it is, and what comes goes below.
        func end() { display.end(number) }
    }

    private let context: CommandContext
    private let isQuiet: Bool
    private let state = Mutex(State())

    /// - Parameter isQuiet: shows nothing; somebody reads the result as JSON.
    init(_ context: CommandContext, isQuiet: Bool) {
        self.context = context
        self.isQuiet = isQuiet
    }

    func begin(_ name: String) -> Line {
        state.withLock { state in
            state.count += 1
            state.moving[state.count] = Moving(name: name)
            state.pace = TransferPace()
            return Line(number: state.count, display: self)
        }
    }

    private func show(_ number: Int, _ bytes: Int64, _ total: Int64?, _ phase: String) {
        guard !isQuiet else { return }
        let now = context.uptime()
        state.withLock { state in
            guard var file = state.moving[number] else { return }
            if file.phase != phase { (state.pace, file.step, state.shownAt) = (TransferPace(), -1, nil) }
            (file.bytes, file.total, file.phase, file.isKnown) = (bytes, total, phase, true)
            defer { state.moving[number] = file }
            guard let width = context.terminal.width else {
                let line = TransferLine(name: file.name, bytes: bytes, total: total, phase: phase, pace: TransferPace())
                guard let percent = line.percent, case let step = Int(percent / 20), step > file.step else { return }
                file.step = step
                context.terminal.complain(line.plain)
                return
            }
            state.moving[number] = file
            var line = Self.line(Array(state.moving.values))
            state.pace.note(line.bytes, at: now)
            line.pace = state.pace
            let isDue = state.shownAt.map { now - $0 >= Self.stepTime } ?? true
            guard isDue || bytes == total else { return }
            state.shownAt = now
            state.isOpen = true
            context.terminal.overwrite(line.text(width: width))
        }
    }

    /// One line for all of them.
    private static func line(_ files: [Moving]) -> TransferLine {
        let known = files.filter(\.isKnown)
        let phases = Set(known.map(\.phase))
        // What a server says of its files need not add up.
        let total = known.reduce(0 as Int64?) { sum, file in
            guard let sum, let total = file.total else { return nil }
            let (both, isOver) = sum.addingReportingOverflow(total)
            return isOver ? nil : both
        }
        return TransferLine(
            name: known.count == 1 ? known[0].name : "\(known.count) files", bytes: known.reduce(0) { $0 + $1.bytes },
            total: total, phase: phases.count == 1 ? phases.first ?? "" : "",
            pace: TransferPace())
    }

    private func end(_ number: Int) {
        state.withLock { state in
            state.moving[number] = nil
            state.pace = TransferPace()
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
