import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngineTesting

@testable import WaybillEngine

/// A database or blob store that fails.
@Suite(.timeLimit(.minutes(5))) struct FaultTests {
    @Test(
        "an end that can't be written is written later, and nothing is lost",
        arguments: [SQLError.Code.busy, .full, .unavailable, .interrupted])
    func settleFails(code: SQLError.Code) async throws {
        let database = FaultyDatabase(try await EngineDatabase.standard.open())
        let runs = Notes<Int>()
        let started = Gate()
        let goOn = Gate()
        let rig = try await EngineRig(
            ScriptedJob { input, _, _ in
                started.open()
                await goOn.wait()
                runs.add(input)
                return input
            }, database: database, configuration: EngineConfiguration(workers: 2))
        let jobs = [try await rig.enqueue(1), try await rig.enqueue(2)]
        try await rig.running {
            await started.wait()
            database.fail(code, statement: "ended_at = $")
            goOn.open()
            while database.failureCount < 2 { await Task.yield() }
            for job in jobs { try await rig.until(job.id) { $0.state == .running } }
            database.mend()
            // No lane is ready: the tick alone must bring it.
            for job in jobs {
                while try await rig.engine.find(job.id)?.state == .running { await rig.pass(.seconds(1)) }
            }
        }
        for job in jobs {
            let ended = try #require(try await rig.engine.find(job.id))
            #expect((ended.state, ended.fence) == (.completed, 1))
        }
        #expect(runs.all.sorted() == [1, 2])
    }

    @Test("a commit waits while the database is busy, and the attempt goes on")
    func commitFails() async throws {
        let database = FaultyDatabase(try await EngineDatabase.standard.open())
        let rig = try await EngineRig(
            ScriptedJob { _, _, job in
                let artifact = try await job.artifact("a", contentType: "text/plain")
                try await artifact.append([1, 2, 3])
                database.fail(.busy, writes: 3, statement: "SET checkpoint")
                try await job.commit(.init(n: 1))
                try await artifact.append([4])
                return Int(job.fence)
            }, database: database)
        let job = try await rig.enqueue()
        try await rig.running {
            for pause in [50, 100, 200] {
                let end = rig.time.now().advanced(by: .milliseconds(pause))
                await rig.time.untilAsleep(until: end)
                rig.time.advance(to: end)
            }
            try await rig.untilEnded(job.id)
        }
        #expect(try await rig.engine.find(job.id)?.output == "1")
        #expect(try await rig.bytes(of: job.id) == ["a": [1, 2, 3, 4]])
    }

    @Test("a commit whose answer is lost has taken place once")
    func doubtfulCommit() async throws {
        let database = FaultyDatabase(try await EngineDatabase.standard.open())
        let bodies = Notes<Int>()
        let rig = try await EngineRig(
            ScriptedJob { _, _, job in
                let artifact = try await job.artifact("a", contentType: "text/plain")
                for number in 1...3 {
                    try await artifact.append([UInt8(number)])
                    if number == 2 { database.fail(.unavailable, writes: 1, statement: "SET checkpoint", isDoubt: true) }
                    try await job.commit(.init(n: number), counters: ["n": Int64(number)]) { _ in bodies.add(number) }
                }
                return Int(job.counters["n"] ?? 0)
            }, database: database)
        let job = try await rig.enqueue(maxAttempts: 1)
        try await rig.running {
            let end = rig.time.now().advanced(by: .milliseconds(50))
            await rig.time.untilAsleep(until: end)
            rig.time.advance(to: end)
            try await rig.untilEnded(job.id)
        }
        let ended = try #require(try await rig.engine.find(job.id))
        #expect((ended.state, ended.attempts, ended.output) == (.completed, 0, "3"))
        #expect(bodies.all == [1, 2, 3])
        #expect(try await rig.bytes(of: job.id) == ["a": [1, 2, 3]])
    }

    @Test("an end whose answer is lost keeps what the job has made")
    func doubtfulEnd() async throws {
        let database = FaultyDatabase(try await EngineDatabase.standard.open())
        let rig = try await EngineRig(
            ScriptedJob { _, _, job in
                let artifact = try await job.artifact("a", contentType: "text/plain")
                try await artifact.append([1])
                try await job.commit(.init(n: 1))
                try await artifact.append([2])
                database.fail(.unavailable, writes: 1, statement: "ended_at = $", isDoubt: true)
                return 1
            }, database: database)
        let job = try await rig.enqueue(maxAttempts: 1)
        try await rig.running {
            // The end is told again, and meets a job that has ended. Nobody who waits for it is woken by an answer that is lost.
            while try await rig.engine.find(job.id)?.state.isFinal != true { await Task.yield() }
            for _ in 0..<3 { await rig.pass(.seconds(1)) }
        }
        #expect(try await rig.engine.find(job.id)?.state == .completed)
        #expect(try await rig.bytes(of: job.id) == ["a": [1, 2]])
    }

    @Test("a full blob store fails the attempt with that reason, and a later one goes on")
    func fullStore() async throws {
        let blobs = FullBlobs()
        let tester = try await JobTester(
            handlers: JobHandlers([
                ScriptedJob { _, checkpoint, job in
                    let artifact = try await job.artifact("a", contentType: "text/plain")
                    for number in (checkpoint?.n ?? 0)..<4 {
                        blobs.isFull = job.fence < 3 && number == 2
                        try await artifact.append([UInt8(number)])
                        try await job.commit(.init(n: number + 1))
                    }
                    return 0
                }
            ]), database: try await EngineDatabase.standard.open(), blobs: blobs)
        let result = try await tester.run(ScriptedJob.self, 0)
        #expect(result.job.state == .completed && result.job.attempts == 2)
        #expect(result.events.compactMap(\.detail).allSatisfy { $0.contains("no space") })
        #expect(result.artifacts == ["a": [0, 1, 2, 3]])
    }

    @Test("an error that says nothing of itself reaches the user as such, and no word of it")
    func unexpected() async throws {
        struct Secret: Error { var path = "/etc/secret" }
        let tester = try await JobTester(
            handlers: JobHandlers([ScriptedJob { _, _, _ in throw Secret() }]),
            database: try await EngineDatabase.standard.open(),
            blobs: MemoryBlobs())
        let result = try await tester.run(ScriptedJob.self, 0)
        #expect(result.job.state == .failed && result.job.attempts == 3 && result.attempts == 3)
        #expect(result.job.failure?.code == "INTERNAL_ERROR")
        #expect(result.job.failure?.message.contains("secret") == false)
    }

    @Test("a database that goes away interrupts an attempt, which is not counted")
    func databaseGone() async throws {
        let rig = try await EngineRig(
            ScriptedJob { _, _, job in
                guard job.fence > 1 else { throw SQLError(.unavailable, "made to fail") }
                return 7
            })
        try await rig.enqueue(maxAttempts: 1)
        let first = try #require(try await rig.engine.runNext())
        #expect((first.state, first.attempts, first.interruptions) == (.pending, 0, 1))
        #expect(try await rig.engine.runNext()?.output == "7")
    }

    @Test("a store of files that goes away interrupts an attempt, which is not counted, and the job waits a little")
    func storeGone() async throws {
        let rig = try await EngineRig(
            ScriptedJob { _, _, job in
                guard job.fence > 1 else { throw BlobError(.unavailable, "made to fail") }
                return 7
            })
        try await rig.enqueue(maxAttempts: 1)
        let first = try #require(try await rig.engine.runNext())
        #expect((first.state, first.attempts, first.interruptions) == (.pending, 0, 1))
        #expect(first.failure?.code == "STORE_UNAVAILABLE")
        #expect(try await rig.engine.runNext() == nil)
        rig.time.advance(by: .seconds(3))
        #expect(try await rig.engine.runNext()?.output == "7")
    }

    @Test("an engine that starts while its database is away takes over once it is back")
    func startsWithoutDatabase() async throws {
        let database = FaultyDatabase(try await EngineDatabase.standard.open())
        let rig = try await EngineRig(ScriptedJob { _, _, _ in 7 }, database: database)
        let job = try await rig.enqueue()
        database.fail(.unavailable, writes: 2)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await rig.engine.run() }
            for pause in [50, 100] {
                let end = rig.time.now().advanced(by: .milliseconds(pause))
                await rig.time.untilAsleep(until: end)
                rig.time.advance(to: end)
            }
            try await rig.untilEnded(job.id)
            group.cancelAll()
            try await group.waitForAll()
        }
        #expect(try await rig.engine.find(job.id)?.output == "7" && database.failureCount == 2)
    }

    @Test("input that this version can't read fails at once; a kind it doesn't know is left alone")
    func unreadable() async throws {
        let rig = try await EngineRig(ScriptedJob { _, _, _ in 0 })
        let bad = try await rig.engine.enqueue(JobRequest(kind: "work", principal: .tester, input: "\"no number\""))
        let foreign = try await rig.engine.enqueue(JobRequest(kind: "foreign", principal: .tester, input: "{}"))
        #expect(try await rig.engine.runNext()?.failure?.code == "UNREADABLE_INPUT")
        #expect(try await rig.engine.find(bad.id)?.state == .failed)
        #expect(try await rig.engine.runNext() == nil)
        #expect(try await rig.engine.waitReason(foreign) == .noWorker)
    }

    @Test("a claim whose answer was lost is found by the heartbeat, and costs the job nothing")
    func lostClaim() async throws {
        let rig = try await EngineRig(ScriptedJob { _, _, _ in 0 })
        let job = try await rig.enqueue()
        let node = rig.engine.node
        let now = rig.time.now()
        _ = try await rig.database.write { try node.store.claim($0, count: 1, kinds: ["work"], node: node.name, now: now) }
        let sweeper = SweepService(node: node, attempts: rig.engine.attempts)
        try await sweeper.heartbeat()
        #expect(try await rig.engine.find(job.id)?.state == .running)
        try await sweeper.heartbeat()
        let after = try #require(try await rig.engine.find(job.id))
        #expect((after.state, after.interruptions, after.attempts) == (.pending, 1, 0))
        #expect(try await rig.engine.runNext()?.state == .completed)
    }

    @Test("two nodes on one store: the one that was stopped past its lease changes nothing when it goes on")
    func stoppedNode() async throws {
        var configuration = EngineConfiguration(leaseSeconds: 10, workers: 1)
        configuration.isAlone = false
        let (started, release, refused) = (Gate(), Gate(), Gate())
        let handler = ScriptedJob { _, checkpoint, job in
            let artifact = try await job.artifact("a", contentType: "text/plain")
            guard job.fence == 1 else {
                try await artifact.append(Array(" and the second goes on".utf8))
                return 2
            }
            try await artifact.append(Array("the first begins".utf8))
            try await job.commit(.init(n: 1))
            try await artifact.append(Array(" and is stopped".utf8))
            started.open()
            await release.wait()
            do {
                try await job.commit(.init(n: 99), progress: 99)
            } catch {
                refused.open()
                throw error
            }
            return 1
        }
        let first = try await EngineRig(handler, name: "first", configuration: configuration)
        let second = try await EngineRig(
            handler, database: first.database, blobs: first.blobs, time: first.time, name: "second", configuration: configuration)
        let job = try await first.enqueue()
        // Nothing renews the lease of the first: its whole process is stopped.
        async let stopped = first.engine.runNext()
        await started.wait()
        first.time.advance(by: .seconds(11))
        try await second.engine.sweepNext()
        #expect(try await second.engine.runNext()?.output == "2")
        release.open()
        await refused.wait()
        _ = try await stopped
        let after = try #require(try await second.engine.find(job.id))
        #expect((after.state, after.deaths, after.fence, after.output) == (.completed, 1, 2, "2"))
        #expect(try await second.bytes(of: job.id) == ["a": Array("the first begins and the second goes on".utf8)])
        #expect(try await second.engine.events(of: job.id).filter { $0.name == .completed }.count == 1)
        #expect(try await second.blobCount() == 2)
    }

    @Test("a node whose heartbeats fail for a whole lease stops its attempts by itself")
    func selfFencing() async throws {
        var configuration = EngineConfiguration(leaseSeconds: 9)
        configuration.isAlone = false
        let database = FaultyDatabase(try await EngineDatabase.standard.open())
        let rig = try await EngineRig(ScriptedJob { _, _, _ in 0 }, database: database, configuration: configuration)
        let job = try await rig.enqueue()
        let node = rig.engine.node
        let now = rig.time.now()
        let claimed = try await database.write { try node.store.claim($0, count: 1, kinds: ["work"], node: node.name, now: now) }
        let attempt = Attempt(try #require(claimed.first), on: node)
        rig.engine.attempts.started(attempt)
        let sweeper = SweepService(node: node, attempts: rig.engine.attempts)
        try await sweeper.heartbeat()
        #expect(attempt.stop == nil)
        database.fail(.unavailable)
        for _ in 0..<3 {
            #expect(attempt.stop == nil)
            rig.time.advance(by: .seconds(3))
            await #expect(throws: SQLError.self) { try await sweeper.heartbeat() }
        }
        #expect(attempt.stop == .leaseLost)
        #expect(job.fence == 0)
    }

    @Test("a job that is alive but gets nowhere is told as stalled, once, and no longer when it gets on")
    func stalled() async throws {
        let (started, release) = (Gate(), Gate())
        let rig = try await EngineRig(
            ScriptedJob { _, _, job in
                started.open()
                await release.wait()
                try await job.commit(.init(n: 1))
                return 0
            }, configuration: EngineConfiguration(stallSeconds: 60))
        let job = try await rig.enqueue()
        async let run = rig.engine.runNext()
        await started.wait()
        rig.time.advance(by: .seconds(59))
        try await rig.engine.sweepNext()
        #expect(try await rig.engine.counts().stalled == 0)
        rig.time.advance(by: .seconds(1))
        try await rig.engine.sweepNext()
        try await rig.engine.sweepNext()
        #expect(try await rig.engine.counts().stalled == 1)
        #expect(try await rig.engine.find(job.id)?.stalled == true)
        release.open()
        #expect(try await run?.state == .completed)
        #expect(try await rig.engine.events(of: job.id).filter { $0.name == .stalled }.count == 1)
    }

    @Test("a deadline that passes while a job runs ends it, and what its attempt commits is refused")
    func deadline() async throws {
        let (started, release) = (Gate(), Gate())
        let rig = try await EngineRig(
            ScriptedJob { _, _, job in
                started.open()
                await release.wait()
                try await job.commit(.init(n: 1))
                return 0
            })
        let job = try await rig.engine.enqueue(
            ScriptedJob.self, 0, for: .tester, deadlineAt: rig.time.now().advanced(by: .seconds(30)))
        async let run = rig.engine.runNext()
        await started.wait()
        rig.time.advance(by: .seconds(30))
        try await rig.engine.sweepNext()
        release.open()
        _ = try await run
        let after = try #require(try await rig.engine.find(job.id))
        #expect(after.state == .expired && after.checkpoint == nil && after.output == nil)
    }
}

/// Refuses new blobs while it is full.
private final class FullBlobs: BlobStore {
    private let base = MemoryBlobs()
    private let full = Notes<Bool>()

    var isFull: Bool {
        get { full.all.last ?? false }
        set { full.add(newValue) }
    }

    func writer(_ key: BlobKey, _ mode: BlobWriteMode, behind hash: BlobHash) async throws -> any BlobWriter {
        guard !isFull else { throw BlobError(.full, "no space left on device") }
        return try await base.writer(key, mode, behind: hash)
    }

    func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks { try await base.read(key, range: range) }
    func length(_ key: BlobKey) async throws -> Int64? { try await base.length(key) }
    func delete(_ key: BlobKey) async throws { try await base.delete(key) }
    func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry] {
        try await base.list(prefix: prefix, after: after, limit: limit)
    }
}
