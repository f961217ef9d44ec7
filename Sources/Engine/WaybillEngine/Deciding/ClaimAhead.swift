/// How many jobs are claimed before a worker is free for them. Pure.
///
/// A claim waits for the disk. Where jobs are shorter than that, a worker would mostly wait, so some are claimed in one commit
/// and then run one after the other. After one that took longer, jobs stay where all nodes and priorities see them.
struct ClaimAhead: Sendable {
    static let shortMax = Duration.milliseconds(2)
    /// So many short ones in a row tell that the next ones are short, too.
    static let runsNeeded = 64

    let jobsMax: Int
    private var shortRuns = 0

    init(jobsMax: Int) {
        self.jobsMax = max(0, jobsMax)
    }

    var jobs: Int { shortRuns >= Self.runsNeeded ? jobsMax : 0 }

    mutating func ran(for duration: Duration) {
        shortRuns = duration <= Self.shortMax ? min(shortRuns + 1, Self.runsNeeded) : 0
    }

    /// Begins to count anew.
    mutating func reset() {
        shortRuns = 0
    }
}
