/// When a handler should commit: each second or each 64 MiB of output, whichever comes first, and at once when it is asked to
/// stop.
public struct CommitPacing: Sendable, Hashable {
    public var interval: Duration
    public var bytes: Int64
    /// Before the first commit of an attempt, which comes early: a process that dies before it counts against the job.
    public var firstInterval: Duration

    public init(interval: Duration = .seconds(1), bytes: Int64 = 64 << 20, firstInterval: Duration = .milliseconds(50)) {
        self.interval = interval
        self.bytes = bytes
        self.firstInterval = min(firstInterval, interval)
    }

    /// - Parameter last: the time of the last commit, or of the attempt's start before the first.
    func isDue(since last: Timestamp, isFirst: Bool, bytesWritten: Int64, now: Timestamp) -> Bool {
        // A clock that was set back must not put the commit off.
        bytesWritten >= bytes || now < last || now.since(last) >= (isFirst ? firstInterval : interval)
    }
}

/// Which progress is told as a durable event: steps of five percent, 0 and 100. The rest is only shown live.
struct ProgressPolicy: Sendable {
    static let stepPercent = 5.0

    static func isStep(from old: Double, to new: Double) -> Bool {
        (new / stepPercent).rounded(.down) > (old / stepPercent).rounded(.down)
    }
}

/// Holds live progress back to at most four times a second for each job.
struct ProgressThrottle: Sendable {
    static let interval = Duration.milliseconds(250)
    private var told: [JobID: Timestamp] = [:]

    mutating func mayTell(_ job: JobID, now: Timestamp) -> Bool {
        if let last = told[job], now.since(last) < Self.interval, now >= last { return false }
        told[job] = now
        return true
    }

    mutating func forget(_ job: JobID) {
        told[job] = nil
    }
}
