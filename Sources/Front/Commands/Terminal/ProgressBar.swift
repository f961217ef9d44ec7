import WaybillClient

/// One line that says how far a job is.
struct ProgressBar {
    /// The line for a screen of `width` columns; it never fills the last one.
    static func line(_ job: WaybillJob, width: Int) -> String {
        let percent = job.progress.isFinite ? min(100, max(0, job.progress)) : 0
        return line(percent: percent, "  \(state(job))", width: width)
    }

    /// A bar, its percent, and what else there is to say.
    /// - Parameter percent: from 0 to 100.
    static func line(percent: Double, _ text: String, width: Int) -> String {
        let tail = " \(padded(percent)) %\(text)"
        let room = min(40, width - 3 - tail.count)
        guard room >= 8 else { return String(tail.dropFirst().prefix(max(0, width - 1))) }
        let full = Int(percent / 100 * Double(room))
        return "[" + String(repeating: "█", count: full) + String(repeating: "░", count: room - full) + "]" + tail
    }

    /// The same for a log: no bar.
    static func plain(_ job: WaybillJob) -> String {
        let percent = job.progress.isFinite ? min(100, max(0, job.progress)) : 0
        return "\(job.id)  \(Int(percent)) %  \(state(job))"
    }

    private static func padded(_ percent: Double) -> String {
        let text = "\(Int(percent))"
        return String(repeating: " ", count: 3 - text.count) + text
    }

    private static func state(_ job: WaybillJob) -> String {
        var text = job.state.rawValue
        if !job.state.isFinal {
            if job.cancelRequested == true { text += ", to be cancelled" }
            if job.pauseRequested == true { text += ", to be paused" }
            if job.stalled == true { text += ", stalled" }
            if let waiting = job.waitingFor { text += ", waits for \(waiting)" }
        }
        if let rows = job.counters?["exported"] ?? job.counters?["rows"] { text += "  \(Figures.grouped(rows)) rows" }
        return text
    }
}

/// Numbers for people.
enum Figures {
    /// `336,776`.
    static func grouped(_ number: Int64) -> String {
        let digits = String(number.magnitude)
        var groups: [Substring] = []
        var rest = Substring(digits)
        while rest.count > 3 {
            groups.insert(rest.suffix(3), at: 0)
            rest = rest.dropLast(3)
        }
        return (number < 0 ? "-" : "") + ([rest] + groups).joined(separator: ",")
    }

    /// `1.4 MiB`.
    static func bytes(_ count: Int64) -> String {
        guard count >= 1024 else { return "\(count) bytes" }
        var value = Double(count) / 1024
        var unit = "KiB"
        for larger in ["MiB", "GiB", "TiB"] where value >= 1024 {
            value /= 1024
            unit = larger
        }
        return "\((value * 10).rounded() / 10) \(unit)"
    }

    /// `0:07`, `12:30`, `3:04:05`.
    static func time(_ seconds: Double) -> String {
        let whole = Int(min(max(0, seconds.isFinite ? seconds : 0), 359_999).rounded(.up))
        func two(_ number: Int) -> String { (number < 10 ? "0" : "") + "\(number)" }
        let (hours, minutes) = (whole / 3600, whole / 60 % 60)
        return hours > 0 ? "\(hours):\(two(minutes)):\(two(whole % 60))" : "\(minutes):\(two(whole % 60))"
    }
}
