import Testing
import WaybillDatabases

@testable import WaybillEngine

/// Cancel, pause and resume in each state.
@Suite struct ControlTests {
    /// Brings a job into a state.
    private func job(_ state: JobState, in rig: StoreRig) async throws -> JobRecord {
        let job = try await rig.enqueue(deadlineIn: .seconds(100))
        switch state {
        case .pending: break
        case .paused: _ = try await rig.pause(job)
        case .cancelled: _ = try await rig.cancel(job)
        case .running: return try await rig.claimOne()
        case .completed: try await rig.complete(try await rig.claimOne())
        case .failed: try await rig.settle(try await rig.claimOne(), .failed(JobFailure(code: "X", message: "x")))
        case .expired:
            rig.wait(.seconds(100))
            _ = try await rig.write { store, session, now in
                try store.changing(session, now: now) { try store.expire(session, job.id, now: now, &$0) }
            }
        }
        return try await rig.find(job)
    }

    private func result(_ body: () async throws -> JobRecord) async throws -> String {
        do {
            let job = try await body()
            return job.state.rawValue + (job.cancelRequested ? " cancel" : "") + (job.pauseRequested ? " pause" : "")
        } catch let error as EngineError {
            return error.code == .alreadyEnded ? "ended" : "\(error)"
        }
    }

    @Test(
        "each request does in each state what it should", arguments: EngineDatabase.allCases,
        [
            (JobState.pending, "cancelled cancel", "paused", "pending"), (.paused, "cancelled cancel", "paused", "pending"),
            (.running, "running cancel", "running pause", "running"), (.completed, "ended", "ended", "ended"),
            (.failed, "ended", "ended", "ended"), (.cancelled, "ended", "ended", "ended"), (.expired, "ended", "ended", "ended"),
        ])
    func requests(on database: EngineDatabase, table: (state: JobState, cancel: String, pause: String, resume: String))
        async throws
    {
        let rig = try await StoreRig(database)
        let first = try await job(table.state, in: rig)
        #expect(try await result { try await rig.cancel(first) } == table.cancel)
        if table.state == .running { try await rig.settle(first, .cancelled) }
        let second = try await job(table.state, in: rig)
        #expect(try await result { try await rig.pause(second) } == table.pause)
        if table.state == .running { try await rig.settle(second, .paused) }
        let third = try await job(table.state, in: rig)
        #expect(try await result { try await rig.resume(third) } == table.resume)
        try await rig.expectLanesMatch()
    }

    @Test("a cancel that comes before the finish wins; one that comes after it is refused")
    func cancelRacingFinish() async throws {
        let rig = try await StoreRig()
        let early = try await rig.enqueue()
        let attempt = try await rig.claimOne()
        _ = try await rig.cancel(early)
        #expect(try await rig.settle(attempt, .completed(output: "{}"))?.state == .cancelled)
        #expect(try await rig.find(early).output == nil)
        let late = try await rig.enqueue()
        try await rig.complete(try await rig.claimOne())
        await #expect(throws: EngineError.self) { try await rig.cancel(late) }
        #expect(try await rig.state(late) == .completed)
    }

    @Test("a resume takes a pause back that has not been honoured yet")
    func pauseTakenBack() async throws {
        let rig = try await StoreRig()
        let job = try await rig.enqueue()
        let attempt = try await rig.claimOne()
        _ = try await rig.pause(job)
        _ = try await rig.resume(job)
        #expect(try await rig.checkpoint(attempt) == StopRequest(cancel: false, pause: false))
    }

    @Test("a resume that is acknowledged while the pause is being honoured is kept: the job goes on from its checkpoint")
    func pauseTakenBackLate() async throws {
        let rig = try await StoreRig()
        let job = try await rig.enqueue()
        let attempt = try await rig.claimOne()
        _ = try await rig.pause(job)
        #expect(try await rig.checkpoint(attempt, "{\"n\":2}") == StopRequest(cancel: false, pause: true))
        _ = try await rig.resume(job)
        let after = try #require(try await rig.settle(attempt, .paused))
        #expect((after.state, after.attempts, after.interruptions) == (.pending, 0, 0))
        #expect(try await rig.claimOne().checkpoint == "{\"n\":2}")
        #expect(
            try await rig.eventNames(job) == [
                "job.created", "job.started", "job.pause_requested", "job.resumed", "job.paused", "job.resumed", "job.started",
            ])
        try await rig.expectLanesMatch()
    }

    @Test("a paused job that is cancelled ends, and one whose attempt ends while a pause is asked for is paused")
    func pauseThen() async throws {
        let rig = try await StoreRig()
        let first = try await rig.enqueue()
        _ = try await rig.pause(first)
        #expect(try await rig.cancel(first).state == .cancelled)
        let second = try await rig.enqueue()
        let attempt = try await rig.claimOne()
        _ = try await rig.pause(second)
        #expect(try await rig.settle(attempt, .failed(.unexpected))?.state == .paused)
        #expect(try await rig.find(second).attempts == 1)
        try await rig.expectLanesMatch()
    }

    @Test("a job that waits for its time still does so after it was paused and resumed")
    func pausedWhileWaiting() async throws {
        let rig = try await StoreRig()
        let job = try await rig.enqueue(dueIn: .seconds(60))
        _ = try await rig.pause(job)
        rig.wait(.seconds(10))
        _ = try await rig.resume(job)
        #expect(try await rig.claim().isEmpty)
        rig.wait(.seconds(50))
        #expect(try await rig.claim().map(\.id) == [job.id])
    }
}
