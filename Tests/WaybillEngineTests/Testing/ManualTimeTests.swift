import Testing
import WaybillBlobs
import WaybillEngine
import WaybillEngineTesting

@Suite(.timeLimit(.minutes(5))) struct ManualTimeTests {
    @Test("sleepers wake when their time has come, and not before")
    func waking() async throws {
        let time = ManualTime(now: Timestamp(microseconds: 0))
        let woken = Notes<Int>()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for second in [3, 1, 2] {
                group.addTask {
                    try await time.sleep(until: Timestamp(microseconds: Int64(second) * 1_000_000))
                    woken.add(second)
                }
            }
            await time.untilAsleep(3)
            #expect(time.nextDeadline == Timestamp(microseconds: 1_000_000))
            time.advance(by: .milliseconds(999))
            #expect(woken.count == 0)
            for expected in [[1], [1, 2], [1, 2, 3]] {
                time.advance(by: .seconds(1))
                try await group.next()
                #expect(woken.all == expected)
            }
        }
    }

    @Test("a sleep that has been cancelled ends at once, before or while it sleeps")
    func cancelling() async throws {
        let time = ManualTime()
        let later = time.now().advanced(by: .seconds(5))
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await time.sleep(until: later) }
            await time.untilAsleep()
            group.cancelAll()
            await #expect(throws: CancellationError.self) { try await group.next() }
            group.addTask { try await time.sleep(until: later) }
            await #expect(throws: CancellationError.self) { try await group.next() }
        }
        #expect(time.nextDeadline == nil)
    }

    @Test("a deadline that has passed is not waited for")
    func passed() async throws {
        let time = ManualTime()
        try await time.sleep(until: time.now())
        try await time.sleep(until: time.now().advanced(by: .seconds(-1)))
    }
}

@Suite struct JobTesterTests {
    @Test("a job is run to its end with its retries, and time passes as it should")
    func retries() async throws {
        let tester = try await JobTester(
            handlers: JobHandlers([
                ScriptedJob { input, _, job in
                    if job.failedAttempts < 2 { throw JobFailure(code: "FLAKY", message: "again", retryable: true) }
                    return input + 1
                }
            ]), database: try await EngineDatabase.standard.open(), blobs: MemoryBlobs())
        let start = tester.time.now()
        let result = try await tester.run(ScriptedJob.self, 41)
        #expect(try result.output(Int.self) == 42)
        #expect(result.attempts == 3 && result.job.attempts == 2)
        #expect(tester.time.now().since(start) >= .seconds(4.5))
        #expect(result.events.map(\.name.text).last == "job.completed")
    }

    @Test("three crashes without a commit quarantine a job")
    func quarantine() async throws {
        let tester = try await JobTester(
            handlers: JobHandlers([
                ScriptedJob { _, _, job in
                    try await job.commit(.init(n: 1))
                    return 0
                }
            ]), database: try await EngineDatabase.standard.open(), blobs: MemoryBlobs())
        let result = try await tester.run(ScriptedJob.self, 0, crashes: (1...3).map { .beforeCommit(1, attempt: $0) })
        #expect(result.job.state == .failed && result.job.failure?.code == "QUARANTINED")
    }

    @Test("a job that nobody can run is told as stuck")
    func stuck() async throws {
        let tester = try await JobTester(
            handlers: JobHandlers(), database: try await EngineDatabase.standard.open(), blobs: MemoryBlobs())
        await #expect(throws: JobTester.StuckError.self) { try await tester.run(ScriptedJob.self, 0) }
    }
}
