import Logging
import ServiceLifecycle
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngineTesting

@testable import WaybillEngine

/// The engine as a server runs it.
@Suite(.timeLimit(.minutes(5))) struct EngineRunTests {
    @Test("jobs run to their end, many at once", arguments: EngineDatabase.allCases)
    func many(on database: EngineDatabase) async throws {
        let rig = try await EngineRig(ScriptedJob { input, _, _ in input * 2 }, database: try await database.open())
        let jobs = try await rig.running {
            var jobs: [JobRecord] = []
            for number in 0..<100 { jobs.append(try await rig.enqueue(number)) }
            for job in jobs { try await rig.untilEnded(job.id) }
            return jobs
        }
        for (number, job) in jobs.enumerated() {
            let ended = try #require(try await rig.engine.find(job.id))
            #expect(ended.state == .completed && ended.output == "\(number * 2)" && ended.fence == 1)
        }
    }

    @Test("a graceful shutdown lets handlers reach a commit; the attempt is not counted, and the next start goes on")
    func gracefulShutdown() async throws {
        let (started, goOn) = (Gate(), Gate())
        let handler = ScriptedJob { input, _, job in
            if input == 0 { started.open() }
            await goOn.wait()
            // The group tells of the shutdown in a task of its own.
            while !job.shouldCommit { await Task.yield() }
            try await job.commit(.init(n: 42), progress: 50)
            Issue.record("a commit while the process shuts down must throw")
            return 0
        }
        let rig = try await EngineRig(handler)
        let job = try await rig.enqueue()
        let waiting = try await rig.enqueue(1)
        try await serve(rig) { group in
            await started.wait()
            await group.triggerGracefulShutdown()
            goOn.open()
        }
        let after = try #require(try await rig.engine.find(job.id))
        #expect((after.state, after.attempts, after.interruptions, after.progress) == (.pending, 0, 1, 50))
        // The one that waits may have been claimed too late to begin.
        let goesOn = ScriptedJob { _, checkpoint, _ in checkpoint?.n ?? 0 }
        let next = try await EngineRig(goesOn, database: rig.database, blobs: rig.blobs, time: rig.time, name: "two")
        try await next.running {
            #expect(try await next.untilEnded(job.id).output == "42")
            try await next.untilEnded(waiting.id)
        }
    }

    @Test("a handler that reaches no commit is cancelled when the time for the shutdown is over")
    func hardCancel() async throws {
        let started = Gate()
        let rig = try await EngineRig(
            ScriptedJob { _, _, _ in
                started.open()
                try await Task.sleep(for: .seconds(600))
                return 0
            })
        let job = try await rig.enqueue()
        try await serve(rig) { group in
            await started.wait()
            await group.triggerGracefulShutdown()
            await letPass(.seconds(20), on: rig.time)
        }
        let after = try #require(try await rig.engine.find(job.id))
        #expect((after.state, after.attempts, after.interruptions) == (.pending, 0, 1))
    }

    @Test("a handler that never stops does not keep the process from ending, and what it commits later is refused")
    func neverStops() async throws {
        let (started, release, refused) = (Gate(), Gate(), Gate())
        let rig = try await EngineRig(
            ScriptedJob { _, _, job in
                started.open()
                await release.wait()
                do {
                    try await job.commit(.init(n: 1))
                } catch {
                    refused.open()
                }
                return 0
            })
        let job = try await rig.enqueue()
        try await serve(rig) { group in
            await started.wait()
            await group.triggerGracefulShutdown()
            await letPass(.seconds(20), on: rig.time)
            await letPass(WorkerService.cancelGrace, on: rig.time)
        }
        #expect(try await rig.engine.find(job.id)?.state == .pending)
        release.open()
        await refused.wait()
        #expect(try await rig.engine.find(job.id)?.checkpoint == nil)
    }

    @Test("the run ends when its task is cancelled, and jobs are pending again")
    func cancelledRun() async throws {
        let started = Gate()
        let rig = try await EngineRig(
            ScriptedJob { _, _, _ in
                started.open()
                try await Task.sleep(for: .seconds(600))
                return 0
            })
        let job = try await rig.enqueue()
        try await rig.running { await started.wait() }
        let after = try #require(try await rig.engine.find(job.id))
        #expect((after.state, after.attempts, after.interruptions) == (.pending, 0, 1))
    }

    @Test("a cancel reaches a handler that waits and never commits")
    func cancelWhileWaiting() async throws {
        let started = Gate()
        let rig = try await EngineRig(
            ScriptedJob { _, _, job in
                try await job.artifact("a", contentType: "text/plain").append([1])
                started.open()
                try await Task.sleep(for: .seconds(600))
                return 0
            })
        let job = try await rig.enqueue()
        try await rig.running {
            await started.wait()
            _ = try await rig.engine.cancel(job.id)
            #expect(try await rig.untilEnded(job.id).state == .cancelled)
        }
        #expect(try await rig.blobCount() == 0)
    }

    @Test("a handler that ignores its cancel loses its place to another job")
    func ignoresCancel() async throws {
        let (started, release) = (Gate(), Gate())
        let rig = try await EngineRig(
            ScriptedJob { input, _, _ in
                guard input == 0 else { return input }
                started.open()
                await release.wait()
                return 0
            }, configuration: EngineConfiguration(workers: 1))
        let stuck = try await rig.enqueue(0)
        try await rig.running {
            await started.wait()
            let next = try await rig.enqueue(1)
            #expect(try await rig.engine.waitReason(next) == .workersBusy(1))
            _ = try await rig.engine.cancel(stuck.id)
            await rig.pass(SweepService.stopGrace)
            #expect(try await rig.untilEnded(stuck.id).state == .cancelled)
            #expect(try await rig.untilEnded(next.id).state == .completed)
            release.open()
        }
        #expect(try await rig.engine.find(stuck.id)?.state == .cancelled)
    }

    @Test("a pause is honoured at the next commit, and a resume goes on from there")
    func pauseAndResume() async throws {
        let (started, asked) = (Gate(), Gate())
        let starts = Notes<Int>()
        let rig = try await EngineRig(
            ScriptedJob { _, checkpoint, job in
                starts.add(checkpoint?.n ?? 0)
                if checkpoint != nil { return 1 }
                started.open()
                await asked.wait()
                #expect(job.shouldCommit)
                try await job.commit(.init(n: 5))
                return 0
            })
        let job = try await rig.enqueue()
        try await rig.running {
            await started.wait()
            #expect(try await rig.engine.pause(job.id).pauseRequested)
            asked.open()
            try await rig.until(job.id) { $0.state == .paused }
            _ = try await rig.engine.resume(job.id)
            #expect(try await rig.untilEnded(job.id).state == .completed)
        }
        #expect(starts.all == [0, 5])
    }

    @Test("a pause that was asked for after the store was read is not taken back by what was read")
    func staleLook() async throws {
        let (started, asked) = (Gate(), Gate())
        let rig = try await EngineRig(ScriptedJob.stoppedAtCommit(started, asked))
        let job = try await rig.enqueue()
        try await rig.running {
            await started.wait()
            let look = StopRequests(node: rig.engine.node, attempts: rig.engine.attempts).look()
            let read = try await rig.database.read { [rig] session in
                try rig.engine.node.store.running(session, on: rig.engine.name)
            }
            _ = try await rig.engine.pause(job.id)
            look.hand(read)
            asked.open()
            try await rig.until(job.id) { $0.state == .paused }
        }
    }

    @Test("a shutdown is not forgotten where a pause is taken back that was asked for before it")
    func shutdownBehindPause() async throws {
        let (started, goOn) = (Gate(), Gate())
        let rig = try await EngineRig(ScriptedJob.stoppedAtCommit(started, goOn))
        let job = try await rig.enqueue()
        try await serve(rig) { group in
            await started.wait()
            _ = try await rig.engine.pause(job.id)
            await group.triggerGracefulShutdown()
            // It has been told once somebody waits for the end of its time.
            await rig.time.untilAsleep(until: rig.time.now().advanced(by: .seconds(20)))
            _ = try await rig.engine.resume(job.id)
            goOn.open()
        }
        let after = try #require(try await rig.engine.find(job.id))
        #expect((after.state, after.attempts, after.interruptions) == (.pending, 0, 1))
    }

    @Test("a cancel that another node has asked for is seen within a second")
    func cancelledElsewhere() async throws {
        let started = Gate()
        let rig = try await EngineRig(
            ScriptedJob { _, _, _ in
                started.open()
                try await Task.sleep(for: .seconds(600))
                return 0
            })
        let job = try await rig.enqueue()
        let other = try await EngineRig(ScriptedJob { _, _, _ in 0 }, database: rig.database, time: rig.time, name: "other")
        try await rig.running {
            await started.wait()
            _ = try await other.engine.cancel(job.id)
            await rig.pass(.seconds(1))
            #expect(try await rig.untilEnded(job.id).state == .cancelled)
        }
    }

    @Test("a handler that goes on after its commit has thrown completes nothing")
    func swallowedStop() async throws {
        let (started, asked) = (Gate(), Gate())
        let rig = try await EngineRig(
            ScriptedJob { _, _, job in
                started.open()
                await asked.wait()
                do { try await job.commit(.init(n: 1)) } catch {}
                do { try await job.commit(.init(n: 2)) } catch {}
                return 7
            })
        let job = try await rig.enqueue()
        try await rig.running {
            await started.wait()
            _ = try await rig.engine.pause(job.id)
            asked.open()
            #expect(try await rig.until(job.id) { $0.state == .paused }.checkpoint == "{\"n\":1}")
        }
    }

    @Test("retries happen when their time has come, without anybody asking")
    func retries() async throws {
        let attempts = Notes<Int64>()
        let rig = try await EngineRig(
            ScriptedJob { _, _, job in
                attempts.add(job.fence)
                if job.fence < 3 { throw JobFailure(code: "FLAKY", message: "again", retryable: true) }
                return 1
            })
        let job = try await rig.enqueue()
        try await rig.running {
            for fence in [1, 2] {
                let waiting = try await rig.until(job.id) { $0.state == .pending && $0.fence == fence && $0.attempts == fence }
                await rig.pass(waiting.dueAt.since(rig.time.now()) + .seconds(1))
            }
            #expect(try await rig.untilEnded(job.id).state == .completed)
        }
        #expect(attempts.all == [1, 2, 3])
    }

    @Test("a kind's hook runs in the transaction of the end, whoever ended the job")
    func hook() async throws {
        let rig = try await EngineRig(
            ScriptedJob(ended: { job, session in
                try session.execute("INSERT INTO ended_jobs (id, state) VALUES ($1, $2)", job.id.text, job.state.rawValue)
            }) { input, _, _ in
                if input == 1 { throw JobFailure(code: "BAD", message: "bad") }
                return 0
            })
        try await rig.database.write { session in
            try session.execute("CREATE TABLE ended_jobs (id TEXT PRIMARY KEY, state TEXT)")
            // The hook acts for the job's tenant.
            for statement in session.dialect.tenantRows(of: "ended_jobs", where: "true") { try session.execute(statement) }
        }
        try await rig.database.isolateTenants()
        let jobs = [try await rig.enqueue(0), try await rig.enqueue(1), try await rig.enqueue(2)]
        _ = try await rig.engine.cancel(jobs[2].id)
        try await rig.running {
            for job in jobs { try await rig.untilEnded(job.id) }
        }
        let states = try await rig.database.read { session in
            try session.all("SELECT state FROM ended_jobs ORDER BY id") { $0.string(0) }
        }
        #expect(states == ["completed", "failed", "cancelled"])
    }

    @Test("a hook that throws fails its own job and no other")
    func throwingHook() async throws {
        struct Refused: Error {}
        let rig = try await EngineRig(
            ScriptedJob(ended: { job, _ in if job.input == "1" { throw Refused() } }) { input, _, _ in input })
        let jobs = [try await rig.enqueue(0, maxAttempts: 1), try await rig.enqueue(1, maxAttempts: 1), try await rig.enqueue(2)]
        try await rig.running {
            for job in jobs { try await rig.untilEnded(job.id) }
        }
        var states: [JobState?] = []
        for job in jobs { states.append(try await rig.engine.find(job.id)?.state) }
        #expect(states == [.completed, .failed, .completed])
    }

    // MARK: Shutting down

    private func serve(_ rig: EngineRig, _ body: @Sendable (ServiceGroup) async throws -> Void) async throws {
        let group = ServiceGroup(services: [rig.engine], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await body(group)
            try await tasks.waitForAll()
        }
    }

    /// Lets time pass once somebody waits for just that long.
    private func letPass(_ duration: Duration, on time: ManualTime) async {
        let end = time.now().advanced(by: duration)
        await time.untilAsleep(until: end)
        time.advance(to: end)
    }
}
