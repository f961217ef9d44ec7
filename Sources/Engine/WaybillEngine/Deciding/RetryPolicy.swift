/// How long a failed job waits before its next attempt: doubling from `minimum` to `maximum`, less up to a quarter that differs
/// from job to job, so that jobs that failed together don't come back together.
public struct RetryPolicy: Sendable, Hashable {
    public let minimum: Duration
    public let maximum: Duration

    public init(minimum: Duration = .seconds(2), maximum: Duration = .seconds(300)) {
        let longest = Duration.seconds(90 * 86_400)
        self.minimum = min(max(.zero, minimum), longest)
        self.maximum = min(max(self.minimum, maximum), longest)
    }

    func delay(afterAttempt attempt: Int, of job: JobID) -> Duration {
        var delay = minimum
        for _ in 1..<max(2, min(attempt, 32)) where attempt > 1 && delay < maximum { delay *= 2 }
        delay = min(delay, maximum)
        // FNV-1a over the id and the attempt: repeatable, and different for each job.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in job.text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        hash = (hash ^ UInt64(truncatingIfNeeded: attempt)) &* 0x100_0000_01B3
        return delay - delay * Int(hash >> 32 & 0xFF) / 1024
    }
}
