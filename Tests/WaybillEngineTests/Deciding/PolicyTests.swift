import Testing

@testable import WaybillEngine

@Suite struct RetryPolicyTests {
    private func job(_ number: Int) -> JobID { JobID(millisecond: UInt64(number), counter: 1, random: 7) }

    @Test("the pause doubles up to the maximum, less up to a quarter", arguments: 1...40)
    func doubling(attempt: Int) {
        let policy = RetryPolicy(minimum: .seconds(2), maximum: .seconds(300))
        let whole = min(Duration.seconds(300), .seconds(2) * (1 << min(attempt - 1, 20)))
        for number in 0..<50 {
            let delay = policy.delay(afterAttempt: attempt, of: job(number))
            #expect(delay <= whole)
            #expect(delay > whole * 3 / 4)
        }
    }

    @Test("jobs that failed together do not come back together, and each one's pause is the same in each run")
    func jitter() {
        let policy = RetryPolicy()
        let delays = (0..<100).map { policy.delay(afterAttempt: 3, of: job($0)) }
        #expect(Set(delays).count > 30)
        #expect(delays == (0..<100).map { policy.delay(afterAttempt: 3, of: job($0)) })
    }

    @Test("pauses without measure are cut")
    func bounds() {
        let policy = RetryPolicy(minimum: .seconds(-5), maximum: .seconds(Int64.max))
        #expect(policy.delay(afterAttempt: 1000, of: job(1)) <= .seconds(90 * 86_400))
        #expect(policy.minimum == .zero)
    }
}

@Suite struct CommitPacingTests {
    private let start = Timestamp(microseconds: 1_000_000_000)

    @Test("a commit is due after a second or 64 MiB, and the first of an attempt after a twentieth")
    func due() {
        let pacing = CommitPacing()
        func isDue(_ after: Duration, isFirst: Bool = false, bytes: Int64 = 0) -> Bool {
            pacing.isDue(since: start, isFirst: isFirst, bytesWritten: bytes, now: start.advanced(by: after))
        }
        #expect(!isDue(.milliseconds(999)))
        #expect(isDue(.seconds(1)))
        #expect(!isDue(.milliseconds(49), isFirst: true))
        #expect(isDue(.milliseconds(50), isFirst: true))
        #expect(!isDue(.zero, bytes: 64 << 20 - 1))
        #expect(isDue(.zero, bytes: 64 << 20))
    }

    @Test("a clock that was set back does not put a commit off")
    func clockSetBack() {
        #expect(CommitPacing().isDue(since: start, isFirst: false, bytesWritten: 0, now: start.advanced(by: .seconds(-3600))))
    }

    @Test("live progress of a job is told at most four times a second")
    func throttle() {
        var throttle = ProgressThrottle()
        let id = JobID(millisecond: 1, counter: 1, random: 1)
        let told = (0..<1000).filter { throttle.mayTell(id, now: start.advanced(by: .milliseconds(4 * $0))) }
        #expect(told.count == 16)
        let other = throttle.mayTell(JobID(millisecond: 2, counter: 1, random: 1), now: start)
        #expect(other)
    }

    @Test("steps of five percent are told, whatever lies between")
    func steps() {
        #expect(ProgressPolicy.isStep(from: 4.9, to: 5))
        #expect(!ProgressPolicy.isStep(from: 5, to: 9.99))
        #expect(ProgressPolicy.isStep(from: 0, to: 100))
        #expect(!ProgressPolicy.isStep(from: 100, to: 100))
    }
}

@Suite struct TurnPlanTests {
    private func lane(_ tenant: String, ready: Int, time: Int64, kind: JobKind = "work") throws -> Lane {
        Lane(tenant: try #require(TenantID(tenant)), kind: kind, ready: ready, running: 0, virtualTime: time)
    }

    private func shares(_ lanes: [Lane], _ count: Int) -> [String: Int] {
        Dictionary(uniqueKeysWithValues: TurnPlan.turns(lanes, count: count).map { ($0.tenant.text, $0.jobs) })
    }

    @Test("tenants with the same past share alike, and what one does not need goes to the others")
    func shares() throws {
        let lanes = [try lane("a", ready: 1000, time: 5), try lane("b", ready: 1, time: 5), try lane("c", ready: 1000, time: 5)]
        #expect(shares(lanes, 9) == ["a": 4, "b": 1, "c": 4])
        #expect(shares(lanes, 1) == ["a": 1])
        #expect(shares(lanes, 0) == [:])
    }

    @Test("one who has had less is served until he has caught up")
    func catchingUp() throws {
        let lanes = [try lane("a", ready: 100, time: 0), try lane("b", ready: 100, time: 6)]
        #expect(shares(lanes, 5) == ["a": 5])
        #expect(shares(lanes, 10) == ["a": 8, "b": 2])
    }

    @Test("the kinds of one tenant share its turn, however many there are")
    func kinds() throws {
        let lanes = [
            try lane("a", ready: 10, time: 0, kind: "x"), try lane("a", ready: 10, time: 0, kind: "y"),
            try lane("b", ready: 10, time: 0),
        ]
        #expect(shares(lanes, 10) == ["a": 5, "b": 5])
    }
}

@Suite struct JobIDSourceTests {
    @Test("ids rise within a millisecond, when it is used up, and when the clock is set back")
    func rising() {
        let source = JobIDSource(SeededGenerator(seed: 3))
        var ids: [JobID] = []
        for number in 0..<10_000 {
            ids.append(source.next(at: Timestamp(microseconds: number < 9000 ? 5_000_000 : 1_000_000)))
        }
        #expect(ids == ids.sorted())
        #expect(Set(ids).count == ids.count)
        #expect(ids.allSatisfy { JobID($0.text) == $0 && Array($0.text)[14] == "7" })
    }

    @Test(
        "text that is no UUID is no id",
        arguments: ["", "x", "01890a5d-ac96-774b-bcce-b302099a8057a", "01890a5dxac96-774b-bcce-b302099a8057"])
    func refused(text: String) {
        #expect(JobID(text) == nil)
    }
}
