/// How much may be committed together: enough to share the cost of a sync, little enough that nobody waits long for others.
struct CommitBatch {
    static let bodiesMax = 256
    static let nanosecondsMax: UInt64 = 20_000_000

    private let startedAt: UInt64
    private var bodies = 0

    /// - Parameter now: in nanoseconds of a clock that never goes back.
    init(now: UInt64) {
        startedAt = now
    }

    /// Counts a body in, if there is still room for it. The first one always has.
    mutating func admits(now: UInt64) -> Bool {
        let elapsed = now >= startedAt ? now - startedAt : 0
        guard bodies == 0 || (bodies < CommitBatch.bodiesMax && elapsed < CommitBatch.nanosecondsMax) else { return false }
        bodies += 1
        return true
    }
}
