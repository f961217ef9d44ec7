/// How the ends of a group of attempts are written: those that simply complete together, the others each by itself. Pure.
struct SettlePlan: Sendable {
    /// Positions in the group.
    private(set) var together: [Int] = []
    private(set) var alone: [Int] = []

    init(_ endings: [Ending]) {
        var jobs: Set<JobID> = []
        for (position, ending) in endings.enumerated() {
            // A job that is in the group twice has two fences, of which one at most is its own.
            if ending.isSimple, jobs.insert(ending.job.id).inserted { together.append(position) } else { alone.append(position) }
        }
        guard together.count == 1 else { return }
        alone = (alone + together).sorted()
        together = []
    }
}

extension Ending {
    /// It completes its job, has made no artifacts, and no other job waits for its end.
    var isSimple: Bool {
        guard case .completed(_, let made) = outcome else { return false }
        return made.isEmpty && !mayHaveArtifacts && job.limitKey == nil
    }
}
