import Testing

@testable import WaybillEngine

@Suite struct JobStateMachineTests {
    private let machine = JobStateMachine(retry: RetryPolicy())
    private let now = Timestamp(microseconds: 1_000_000)

    private func facts(
        attempts: Int = 0, maxAttempts: Int = 3, interruptions: Int = 0, barrenDeaths: Int = 0, cancel: Bool = false,
        pause: Bool = false
    ) -> JobStateMachine.Facts {
        JobStateMachine.Facts(
            id: JobID(millisecond: 1, counter: 1, random: 1), attempts: attempts, maxAttempts: maxAttempts,
            interruptions: interruptions, barrenDeaths: barrenDeaths, cancelRequested: cancel, pauseRequested: pause)
    }

    private func isPending(_ settlement: JobStateMachine.Settlement, suspect: Bool = false) -> Bool {
        if case .again(_, suspect, _) = settlement { true } else { false }
    }

    @Test("an interruption is free, and the job goes on at once")
    func interruption() {
        let (settlement, counts) = machine.settle(facts(attempts: 2), .interrupted, now: now)
        #expect(settlement == .again(dueAt: now, suspect: false, nil))
        #expect(counts == .init(interruptions: 1))
    }

    @Test("an interrupted suspect stays one")
    func interruptedSuspect() {
        #expect(isPending(machine.settle(facts(barrenDeaths: 1), .interrupted, now: now).0, suspect: true))
    }

    @Test("an outage of the store is free, and the job goes on after pauses that grow")
    func outage() {
        var last = Duration.zero
        for interruptions in [0, 1, 2, 3] {
            let job = facts(attempts: 2, interruptions: interruptions)
            let (settlement, counts) = machine.settle(job, .hindered(.storeAway), now: now)
            guard case .again(let dueAt, false, .storeAway) = settlement else {
                Issue.record("it is \(settlement)")
                return
            }
            #expect(counts == .init(interruptions: 1))
            let pause = Duration.microseconds(dueAt.microseconds - now.microseconds)
            #expect(pause > last && pause < .seconds(30))
            last = pause
        }
        let (late, _) = machine.settle(facts(interruptions: .max - 1), .hindered(.storeAway), now: now)
        #expect(late == .again(dueAt: now.advanced(by: last), suspect: false, .storeAway))
        #expect(machine.settle(facts(pause: true), .hindered(.storeAway), now: now).0 == .pause(.storeAway))
    }

    @Test("an error is tried again until the attempts are spent")
    func retries() {
        let failure = JobFailure(code: "X", message: "x", retryable: true)
        #expect(isPending(machine.settle(facts(attempts: 1), .failed(failure), now: now).0))
        #expect(machine.settle(facts(attempts: 2), .failed(failure), now: now).0 == .end(.failed, failure))
    }

    @Test("an error that can't pass is not tried again")
    func permanent() {
        let failure = JobFailure(code: "X", message: "x")
        #expect(machine.settle(facts(), .failed(failure), now: now).0 == .end(.failed, failure))
    }

    @Test("only deaths without a checkpoint count, and the third in a row is the last")
    func deaths() {
        #expect(machine.settle(facts(barrenDeaths: 2), .died(committed: true), now: now).1.barrenDeaths == 0)
        #expect(isPending(machine.settle(facts(barrenDeaths: 2), .died(committed: true), now: now).0))
        #expect(isPending(machine.settle(facts(barrenDeaths: 1), .died(committed: false), now: now).0, suspect: true))
        #expect(machine.settle(facts(barrenDeaths: 2), .died(committed: false), now: now).0 == .end(.failed, .quarantined))
    }

    @Test("a cancel that was acknowledged is kept, however the attempt ends")
    func cancelWins() {
        let outcomes: [AttemptOutcome] = [
            .completed(output: "{}"), .cancelled, .paused, .interrupted, .hindered(.storeAway), .failed(.unexpected),
            .died(committed: true), .died(committed: false),
        ]
        for outcome in outcomes {
            #expect(machine.settle(facts(cancel: true), outcome, now: now).0 == .end(.cancelled, nil))
        }
    }

    @Test("a pause holds a job that would go on, and not one that has ended")
    func pause() {
        #expect(machine.settle(facts(pause: true), .interrupted, now: now).0 == .pause(nil))
        #expect(machine.settle(facts(pause: true), .died(committed: true), now: now).0 == .pause(nil))
        #expect(machine.settle(facts(pause: true), .failed(.unexpected), now: now).0 == .pause(.unexpected))
        #expect(machine.settle(facts(pause: true), .completed(output: "{}"), now: now).0 == .end(.completed, nil))
        #expect(machine.settle(facts(pause: true), .paused, now: now).0 == .pause(nil))
        #expect(machine.settle(facts(), .paused, now: now) == (.again(dueAt: now, suspect: false, nil), .init(barrenDeaths: 0)))
    }

    @Test("what ended stays as it is, whatever is asked", arguments: JobState.allCases.filter(\.isFinal))
    func final(state: JobState) {
        #expect(JobStateMachine.cancel(state, requested: false) == .refuse(.alreadyEnded))
        #expect(JobStateMachine.pause(state, requested: false) == .refuse(.alreadyEnded))
        #expect(JobStateMachine.resume(state, pauseRequested: false) == .refuse(.alreadyEnded))
    }

    @Test("asking twice changes nothing the second time")
    func twice() {
        #expect(JobStateMachine.cancel(.running, requested: true) == .nothing)
        #expect(JobStateMachine.pause(.running, requested: true) == .nothing)
        #expect(JobStateMachine.pause(.paused, requested: false) == .nothing)
        #expect(JobStateMachine.resume(.pending, pauseRequested: false) == .nothing)
        #expect(JobStateMachine.resume(.running, pauseRequested: false) == .nothing)
    }
}
