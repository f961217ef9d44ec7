import NIOCore
import Testing

@testable import Web

@Suite struct ConnectionWatchTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func after(_ seconds: Int64) -> NIODeadline { start + .seconds(seconds) }

    @Test("a head has thirty seconds from its first byte")
    func head() {
        var watch = ConnectionWatch(limits: ServerLimits())
        watch.opened(now: start)
        #expect(watch.verdict(now: after(29)) == .fine(until: after(30)))
        #expect(watch.verdict(now: after(30)) == .lateRequest)
        watch.headArrived()
        watch.endArrived()
        #expect(watch.verdict(now: after(1000)) == .fine(until: nil))
        watch.bytesArrived(now: after(1000), isBetweenRequests: true)
        watch.bytesArrived(now: after(1029), isBetweenRequests: true)
        #expect(watch.verdict(now: after(1030)) == .lateRequest)
    }

    @Test("a body that stands still while it is waited for is late, one that nobody waits for is not")
    func stall() {
        var watch = ConnectionWatch(limits: ServerLimits())
        watch.headArrived()
        #expect(watch.verdict(now: after(1000)) == .fine(until: nil))
        watch.asked(now: after(1000))
        #expect(watch.verdict(now: after(1014)) == .fine(until: after(1019)))
        #expect(watch.verdict(now: after(1020)) == .lateRequest)
    }

    @Test("a body that dribbles is late, one that moves is not")
    func dribble() {
        for (bytes, isLate) in [(1, true), (1000, false)] {
            var watch = ConnectionWatch(limits: ServerLimits())
            watch.headArrived()
            for second in 0..<20 {
                watch.asked(now: after(Int64(second)))
                watch.bodyArrived(bytes, now: after(Int64(second) + 1))
            }
            watch.asked(now: after(20))
            #expect((watch.verdict(now: after(21)) == .lateRequest) == isLate)
        }
    }

    @Test("a client that takes nothing for a minute is cut off")
    func write() {
        var watch = ConnectionWatch(limits: ServerLimits())
        watch.headArrived()
        watch.endArrived()
        watch.writable(false, now: start)
        watch.writable(false, now: after(30))
        #expect(watch.verdict(now: after(59)) == .fine(until: after(60)))
        #expect(watch.verdict(now: after(60)) == .close)
        watch.writable(true, now: after(59))
        #expect(watch.verdict(now: after(60)) == .fine(until: nil))
    }
}
