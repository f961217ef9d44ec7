import WaybillEngine

/// A right to so many requests a second, with a reserve for bursts. Knows the time only as it is told.
public struct TokenBucket: Sendable, Equatable {
    public var perSecond: Double
    public var burst: Double
    private(set) var level: Double
    private var filledAt: Timestamp

    /// A full bucket.
    public init(perSecond: Double, burst: Double, now: Timestamp) {
        self.perSecond = perSecond
        self.burst = burst
        level = burst
        filledAt = now
    }

    private mutating func fill(now: Timestamp) {
        guard now > filledAt else { return }
        let seconds = now.since(filledAt) / .seconds(1)
        level = min(burst, level + seconds * perSecond)
        filledAt = now
    }

    /// Takes one out.
    /// - Returns: nil if there was one, or after how many whole seconds, at least 1, there will be.
    public mutating func take(now: Timestamp) -> Int? {
        fill(now: now)
        guard level < 1 else {
            level -= 1
            return nil
        }
        guard perSecond > 0 else { return 3600 }
        return max(1, Int(min(3600, ((1 - level) / perSecond).rounded(.up))))
    }

    /// Whether nobody has drawn from it for so long that a new one would be the same.
    public func isIdle(now: Timestamp) -> Bool {
        var bucket = self
        bucket.fill(now: now)
        return bucket.level >= bucket.burst
    }
}
