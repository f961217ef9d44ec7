import Testing
import WaybillEngine

@testable import Web

@Suite struct LimitTests {
    private let start = Timestamp(microseconds: 1_000_000_000)

    @Test("a bucket gives its burst at once, then so many a second")
    func bucket() {
        var bucket = TokenBucket(perSecond: 10, burst: 3, now: start)
        for _ in 0..<3 { #expect(bucket.take(now: start) == nil) }
        #expect(bucket.take(now: start) == 1)
        #expect(bucket.take(now: start.advanced(by: .milliseconds(99))) == 1)
        #expect(bucket.take(now: start.advanced(by: .milliseconds(100))) == nil)
        #expect(bucket.take(now: start.advanced(by: .milliseconds(100))) == 1)
        #expect(!bucket.isIdle(now: start.advanced(by: .milliseconds(300))))
        #expect(bucket.isIdle(now: start.advanced(by: .seconds(1))))
    }

    @Test("a bucket is never fuller than its burst, and a clock that goes back fills nothing")
    func clock() {
        var bucket = TokenBucket(perSecond: 1000, burst: 2, now: start)
        let later = Timestamp(microseconds: .max)
        #expect(bucket.take(now: later) == nil)
        #expect(bucket.take(now: start) == nil)
        #expect(bucket.take(now: start) == 1)
    }

    @Test("a slow bucket says how long to wait")
    func wait() {
        var bucket = TokenBucket(perSecond: 0.1, burst: 1, now: start)
        #expect(bucket.take(now: start) == nil)
        #expect(bucket.take(now: start) == 10)
    }

    @Test("a flood of keys takes bounded memory")
    func flood() throws {
        let limiter = RateLimiter(.init(perSecond: 1, burst: 2, keysMax: 100))
        for number in 0..<10_000 { try limiter.take("key \(number)", now: start) }
        #expect(limiter.count <= 100)
    }

    @Test("streams are counted by key and in all, and given back whatever happens")
    func streams() throws {
        let limits = StreamLimits(.init(total: 3, perKey: 2))
        var places = [try limits.open("a", "x"), try limits.open("a", "y")]
        let problem = #expect(throws: Problem.self) { try limits.open("a", "z") }
        #expect(problem?.kind == .tooManyStreams)
        places.append(try limits.open("b", "x"))
        #expect(throws: Problem.self) { try limits.open("c") }
        places[0].release()
        places[0].release()
        #expect(limits.count == 2)
        places.append(try limits.open("a", "x"))
        places = []
        #expect(limits.count == 0)
        _ = try limits.open("a")
        #expect(limits.count == 0)
    }
}
