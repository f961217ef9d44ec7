import Testing
import WaybillDatabases

@testable import WaybillEngine

@Suite struct LifeCycleTests {
    @Test("a job is created, claimed and completed", arguments: EngineDatabase.allCases)
    func completed(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        let job = try await rig.enqueue()
        #expect(job.state == .pending)
        rig.wait(.seconds(1))
        let claimed = try await rig.claimOne()
        #expect(claimed.id == job.id)
        #expect((claimed.state, claimed.fence, claimed.node, claimed.startedAt) == (.running, 1, "node", rig.now))
        try await rig.checkpoint(claimed, "{\"n\":1}", progress: 40)
        rig.wait(.seconds(1))
        let after = try #require(try await rig.settle(claimed, .completed(output: "{\"ok\":true}")))
        #expect((after.state, after.progress, after.output, after.endedAt) == (.completed, 100, "{\"ok\":true}", rig.now))
        #expect(try await rig.find(job) == after)
        #expect(try await rig.eventNames(job) == ["job.created", "job.started", "job.progress", "job.completed"])
        #expect(try await rig.count("SELECT count(*) FROM engine_jobs WHERE standing <> 6") == 0)
        try await rig.expectLanesMatch()
    }

    @Test("a failed attempt waits longer each time, and the last one fails the job", arguments: EngineDatabase.allCases)
    func retries(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        let job = try await rig.enqueue()
        let failure = JobFailure(code: "FLAKY", message: "try again", retryable: true)
        for attempt in 1...3 {
            let claimed = try await rig.claimOne()
            let after = try #require(try await rig.settle(claimed, .failed(failure)))
            #expect(after.attempts == attempt)
            guard attempt < 3 else {
                #expect(after.state == .failed)
                break
            }
            #expect(after.state == .pending)
            let pause = after.dueAt.since(rig.now)
            #expect(pause <= .seconds(2 * attempt) && pause > .seconds(2 * attempt) * 3 / 4)
            #expect(try await rig.claim().isEmpty)
            rig.wait(pause - .microseconds(1))
            #expect(try await rig.claim().isEmpty)
            rig.wait(.microseconds(1))
        }
        #expect(try await rig.find(job).failure == JobFailure(code: "FLAKY", message: "try again"))
        #expect(
            try await rig.eventNames(job) == [
                "job.created", "job.started", "job.retrying", "job.started", "job.retrying", "job.started", "job.failed",
            ])
        try await rig.expectLanesMatch()
    }

    @Test("an interrupted job is pending at once, with its checkpoint and its attempts", arguments: EngineDatabase.allCases)
    func interrupted(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        let job = try await rig.enqueue()
        let first = try await rig.claimOne()
        try await rig.checkpoint(first, "{\"n\":7}", progress: 30)
        let after = try #require(try await rig.settle(first, .interrupted))
        #expect((after.state, after.attempts, after.interruptions) == (.pending, 0, 1))
        let second = try await rig.claimOne()
        #expect((second.id, second.fence, second.checkpoint, second.progress) == (job.id, 2, "{\"n\":7}", 30))
        #expect(second.startedAt == first.startedAt)
        #expect(try await rig.eventNames(job).contains("job.interrupted"))
        try await rig.expectLanesMatch()
    }

    @Test("a paused job goes on from its checkpoint when it is resumed", arguments: EngineDatabase.allCases)
    func pausedAndResumed(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        let job = try await rig.enqueue()
        let first = try await rig.claimOne()
        #expect(try await rig.pause(job).pauseRequested)
        #expect(try await rig.checkpoint(first, "{\"n\":2}") == StopRequest(cancel: false, pause: true))
        #expect(try await rig.settle(first, .paused)?.state == .paused)
        #expect(try await rig.claim().isEmpty)
        #expect(try await rig.resume(job).state == .pending)
        #expect(try await rig.claimOne().checkpoint == "{\"n\":2}")
        #expect(
            try await rig.eventNames(job) == [
                "job.created", "job.started", "job.pause_requested", "job.paused", "job.resumed", "job.started",
            ])
        try await rig.expectLanesMatch()
    }

    @Test("a deadline ends a job wherever it is", arguments: ["pending", "later", "running", "paused"])
    func expired(where place: String) async throws {
        let rig = try await StoreRig()
        let job = try await rig.enqueue(dueIn: place == "later" ? .seconds(500) : nil, deadlineIn: .seconds(60))
        let attempt = place == "running" ? try await rig.claimOne() : nil
        if place == "paused" { _ = try await rig.pause(job) }
        rig.wait(.seconds(59))
        #expect(try await rig.write { try $0.overdue($1, now: $2) }.isEmpty)
        rig.wait(.seconds(1))
        let expired = try await rig.write { store, session, now in
            try store.changing(session, now: now) { changes -> [JobRecord] in
                try store.overdue(session, now: now).compactMap { try store.expire(session, $0, now: now, &changes) }
            }
        }
        #expect(expired.map(\.state) == [.expired])
        #expect(try await rig.find(job).failure?.code == "DEADLINE_PASSED")
        if let attempt {
            await #expect(throws: EngineError.self) { try await rig.checkpoint(attempt) }
            #expect(try await rig.settle(attempt, .completed(output: "{}")) == nil)
            #expect(try await rig.state(job) == .expired)
        }
        try await rig.expectLanesMatch()
    }

    @Test(
        "an ended job that did not complete is started over, from the beginning", arguments: ["failed", "cancelled", "expired"])
    func startedOver(after end: String) async throws {
        let rig = try await StoreRig()
        let job = try await rig.enqueue(deadlineIn: .seconds(10))
        let first = try await rig.claimOne()
        try await rig.checkpoint(first, "{\"n\":1}", progress: 50)
        switch end {
        case "failed": try await rig.settle(first, .failed(JobFailure(code: "X", message: "x")))
        case "cancelled":
            _ = try await rig.cancel(job)
            try await rig.settle(first, .cancelled)
        default:
            rig.wait(.seconds(10))
            _ = try await rig.write { store, session, now in
                try store.changing(session, now: now) { try store.expire(session, job.id, now: now, &$0) }
            }
        }
        #expect(try await rig.state(job).rawValue == end)
        let again = try await rig.retry(job)
        #expect((again.state, again.attempts, again.progress) == (.pending, 0, 0))
        #expect(again.checkpoint == nil && again.deadlineAt == nil && again.failure == nil && again.endedAt == nil)
        let second = try await rig.claimOne()
        #expect(second.fence == 2)
        try await rig.complete(second)
        #expect(try await rig.state(job) == .completed)
        try await rig.expectLanesMatch()
    }

    @Test("a completed job can't be started over, an unfinished one neither, an unknown one is not found")
    func notStartedOver() async throws {
        let rig = try await StoreRig()
        let job = try await rig.enqueue()
        #expect(await code { try await rig.retry(job) } == .notEnded)
        try await rig.complete(try await rig.claimOne())
        #expect(await code { try await rig.retry(job) } == .alreadyEnded)
        var unknown = job
        unknown.id = JobID(millisecond: 9, counter: 9, random: 9)
        let missing = unknown
        #expect(await code { try await rig.retry(missing) } == .notFound)
        #expect(await code { try await rig.cancel(missing) } == .notFound)
    }

    @Test("progress never falls, and stays between 0 and 100")
    func progress() async throws {
        let rig = try await StoreRig()
        let job = try await rig.enqueue()
        let claimed = try await rig.claimOne()
        for (given, expected) in [(30.0, 30.0), (20, 30), (.nan, 30), (.infinity, 30), (-5, 30), (180, 100), (10, 100)] {
            try await rig.checkpoint(claimed, progress: given)
            #expect(try await rig.find(job).progress == expected)
        }
    }

    private func code(_ body: @Sendable () async throws -> some Sendable) async -> EngineError.Code? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? EngineError)?.code
        }
    }
}
