import Testing

@testable import WaybillEngine

@Suite("What an attempt is asked to stop for")
struct StopAsksTests {
    private let now = Timestamp(microseconds: 1000_000)
    private let later = Timestamp(microseconds: 2000_000)

    @Test("a lost lease outdoes a cancel, a cancel a pause, a pause a shutdown, in whatever order they are asked")
    func ranks() {
        var asks = StopAsks()
        #expect(asks.stop == nil)
        for stop in [AttemptStop.interrupted, .paused, .cancelled, .leaseLost] {
            asks.add(stop, now: now)
            #expect(asks.stop == stop)
        }
        for stop in AttemptStop.allCases { asks.add(stop, now: now) }
        #expect(asks.stop == .leaseLost)
    }

    @Test("a pause that is taken back leaves what else was asked")
    func withdrawn() {
        var asks = StopAsks()
        asks.add(.paused, now: now)
        asks.add(.interrupted, now: now)
        #expect(asks.stop == .paused)
        asks.withdrawPause(now: later)
        #expect(asks.stop == .interrupted)
        #expect(asks.since == later)
        asks.add(.paused, now: later)
        asks.add(.cancelled, now: later)
        asks.withdrawPause(now: later)
        #expect(asks.stop == .cancelled)
    }

    @Test("it is asked since it was first asked what outdoes the rest")
    func since() {
        var asks = StopAsks()
        asks.add(.paused, now: now)
        asks.add(.paused, now: later)
        asks.add(.interrupted, now: later)
        #expect(asks.since == now)
        asks.withdrawPause(now: later)
        asks.withdrawPause(now: Timestamp(microseconds: 3000_000))
        #expect(asks.since == later)
        #expect(asks.pauses == 2)
    }
}
