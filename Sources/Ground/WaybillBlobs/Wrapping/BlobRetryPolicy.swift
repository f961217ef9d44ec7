/// Whether and when a call that failed is made again. A value: the caller waits.
public struct BlobRetryPolicy: Sendable, Hashable {
    /// How often a call is made in all; 1: never again.
    public let triesMax: Int
    /// What the first wait is drawn from, up to it. Each further one is drawn from twice as much.
    public let firstDelay: Duration
    public let delayMax: Duration

    public init(triesMax: Int = 6, firstDelay: Duration = .milliseconds(200), delayMax: Duration = .seconds(10)) {
        self.triesMax = max(1, triesMax)
        self.firstDelay = max(.zero, firstDelay)
        self.delayMax = max(self.firstDelay, delayMax)
    }

    /// How long to wait after a failure, or nil if the call is not to be made again.
    ///
    /// The wait is drawn evenly from zero to a bound that doubles: those who failed together don't come back together.
    /// - Parameters:
    ///   - tries: how often the call has been made.
    ///   - random: 64 random bits.
    ///   - asked: what the store has asked for; at least so long, up to `delayMax`.
    public func delay(afterTries tries: Int, random: UInt64, asked: Duration = .zero) -> Duration? {
        guard tries < triesMax else { return nil }
        var bound = firstDelay
        for _ in 1..<max(2, min(tries, 64)) where tries > 1 && bound < delayMax { bound *= 2 }
        let drawn = min(bound, delayMax) * Int(random >> 48) / 65_536
        return max(drawn, min(asked, delayMax))
    }
}

/// What calls are repeated with: time and randomness are its owner's.
public struct BlobRetries: Sendable {
    public var policy: BlobRetryPolicy
    public var sleep: @Sendable (Duration) async throws -> Void
    /// Gives 64 random bits.
    public var random: @Sendable () -> UInt64

    public init(
        _ policy: BlobRetryPolicy = BlobRetryPolicy(), sleep: @escaping @Sendable (Duration) async throws -> Void,
        random: @escaping @Sendable () -> UInt64
    ) {
        self.policy = policy
        self.sleep = sleep
        self.random = random
    }

    /// Makes a call until it succeeds, fails for good, or has been made often enough.
    /// - Parameters:
    ///   - again: whether this error is worth another try, and how long the store asks to wait; nil: it is for good.
    ///   - body: gets the number of the try, from 1.
    public func run<Result>(
        _ again: (any Error) -> Duration?, isolation: isolated (any Actor)? = #isolation,
        _ body: (Int) async throws -> Result
    ) async throws -> Result {
        var tries = 1
        while true {
            do {
                return try await body(tries)
            } catch {
                try Task.checkCancellation()
                guard let asked = again(error),
                    let delay = policy.delay(afterTries: tries, random: random(), asked: asked)
                else { throw error }
                try await sleep(delay)
            }
            tries += 1
        }
    }
}
