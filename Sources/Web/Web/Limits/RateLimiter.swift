import Synchronization
import WaybillEngine

/// Token buckets by key, in bounded memory.
public final class RateLimiter: Sendable {
    public struct Configuration: Sendable {
        /// Requests a second.
        public var perSecond: Double
        public var burst: Double
        /// At most so many buckets are kept; full ones are dropped first.
        public var keysMax: Int

        public init(perSecond: Double = 1000, burst: Double = 2000, keysMax: Int = 10_000) {
            self.perSecond = perSecond
            self.burst = burst
            self.keysMax = keysMax
        }
    }

    private let configuration: Configuration
    private let buckets = Mutex<[String: TokenBucket]>([:])

    public init(_ configuration: Configuration = .init()) { self.configuration = configuration }

    /// Counts one request of `key`.
    /// - Throws: a 429 problem with `Retry-After`.
    public func take(_ key: String, now: Timestamp) throws {
        let wait = buckets.withLock { buckets in
            if buckets[key] == nil, buckets.count >= configuration.keysMax { makeRoom(in: &buckets, now: now) }
            return buckets[key, default: TokenBucket(perSecond: configuration.perSecond, burst: configuration.burst, now: now)]
                .take(now: now)
        }
        if let wait { throw Problem.tooMany(retryAfter: wait) }
    }

    var count: Int { buckets.withLock { $0.count } }

    /// Drops what is full, and, if all are in use, the fullest tenth: whoever drew least loses least by it.
    private func makeRoom(in buckets: inout [String: TokenBucket], now: Timestamp) {
        buckets = buckets.filter { !$0.value.isIdle(now: now) }
        guard buckets.count >= configuration.keysMax else { return }
        let fullest = buckets.sorted { $0.value.level > $1.value.level }.prefix(max(1, configuration.keysMax / 10))
        for (key, _) in fullest { buckets[key] = nil }
    }
}
