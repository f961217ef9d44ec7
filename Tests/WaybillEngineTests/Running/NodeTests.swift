import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngineTesting

@testable import WaybillEngine

/// Several engines on one store.
@Suite(.timeLimit(.minutes(5))) struct NodeTests {
    /// One that takes requests, and one that runs jobs.
    private struct Pair: Sendable {
        let asks: EngineRig
        let works: EngineRig

        init(_ handler: ScriptedJob, on database: EngineDatabase) async throws {
            var configuration = EngineConfiguration(leaseSeconds: 9, workers: 2, isAlone: false, role: .api, host: "left")
            asks = try await EngineRig(handler, database: try await database.open(), name: "asks", configuration: configuration)
            configuration.role = .worker
            configuration.host = "right"
            works = try await EngineRig(
                handler, database: asks.database, blobs: asks.blobs, time: asks.time, name: "works", configuration: configuration)
        }

        func running<T: Sendable>(_ body: @Sendable () async throws -> T) async throws -> T {
            try await asks.running {
                try await works.running {
                    await asks.time.untilAsleep(2 * EngineRig.loops)
                    return try await body()
                }
            }
        }

        /// Returns once the one that takes requests sees the job so. Where the nodes have words for each other these must do;
        /// else the look of each second does.
        func until(_ id: JobID, _ isMet: @Sendable (JobRecord) -> Bool) async throws -> JobRecord {
            if asks.database.signals != nil { return try await asks.until(id, isMet) }
            while true {
                if let job = try await asks.engine.find(id), isMet(job) { return job }
                await pass(.seconds(1))
            }
        }

        func pass(_ duration: Duration) async {
            await asks.time.untilAsleep(2 * EngineRig.loops)
            asks.time.advance(by: duration)
        }
    }

    @Test(
        "a job that is enqueued at one node is run by another, and the first claims nothing", arguments: EngineDatabase.allCases)
    func roles(on database: EngineDatabase) async throws {
        let pair = try await Pair(ScriptedJob { input, _, _ in input * 2 }, on: database)
        let job = try await pair.asks.running {
            let job = try await pair.asks.enqueue(21)
            await pair.asks.pass(.seconds(1))
            await pair.asks.time.untilAsleep(EngineRig.loops)
            let waiting = try #require(try await pair.asks.engine.find(job.id))
            #expect(waiting.state == .pending)
            #expect(try await pair.asks.engine.waitReason(waiting) == .noWorker)
            return job
        }
        try await pair.running {
            let ended = try await pair.until(job.id) { $0.state.isFinal }
            #expect(ended.output == "42")
        }
    }

    @Test("cancel, pause and resume reach a handler on another node", arguments: EngineDatabase.allCases)
    func control(on database: EngineDatabase) async throws {
        let (started, again) = (Gate(), Gate())
        let handler = ScriptedJob { _, checkpoint, job in
            guard checkpoint == nil else {
                again.open()
                // A cancel ends its sleep.
                try await Task.sleep(for: .seconds(600))
                return 0
            }
            started.open()
            // A pause is seen at a commit.
            while true {
                try await job.commit(.init(n: 1), progress: 50)
                await Task.yield()
            }
        }
        let pair = try await Pair(handler, on: database)
        let job = try await pair.asks.enqueue()
        try await pair.running {
            if pair.asks.database.signals == nil { await pair.pass(.seconds(1)) }
            await started.wait()
            #expect(try await pair.asks.engine.find(job.id)?.node == "works")
            _ = try await pair.asks.engine.pause(job.id)
            let paused = try await pair.until(job.id) { $0.state == .paused }
            #expect((paused.progress, paused.attempts) == (50, 0))
            _ = try await pair.asks.engine.resume(job.id)
            if pair.asks.database.signals == nil { await pair.pass(.seconds(1)) }
            await again.wait()
            _ = try await pair.asks.engine.cancel(job.id)
            #expect(try await pair.until(job.id) { $0.state.isFinal }.state == .cancelled)
        }
        let names = try await pair.asks.engine.events(of: job.id).map(\.name)
        #expect(names.count { $0 == .paused } == 1 && names.last == .cancelled)
    }

    @Test(
        "nodes show themselves while they run, are silent a lease after their death, and go after an hour",
        arguments: EngineDatabase.allCases)
    func list(on database: EngineDatabase) async throws {
        let pair = try await Pair(ScriptedJob { _, _, _ in 0 }, on: database)
        let engine = pair.asks.engine
        try await pair.running {
            let (nodes, total) = try await engine.nodes(offset: 0, limit: 10)
            #expect(total == 2 && Set(nodes.map(\.id)) == ["asks", "works"])
            let works = try #require(nodes.first { $0.id == "works" })
            #expect((works.role, works.host, works.workers, works.runningJobs) == ("worker", "right", 2, 0))
            #expect(nodes.first { $0.id == "asks" }?.workers == 0)
            #expect(try await engine.nodes(offset: 1, limit: 1).nodes.count == 1)
        }
        #expect(try await engine.nodes(offset: 0, limit: 10).total == 0, "an orderly end is no death")

        // One that has died has stopped to beat.
        let dead = pair.works.engine.node
        let began = pair.asks.time.now()
        try await dead.database.write { try dead.store.nodes.beat($0, dead.name, dead.configuration, now: began) }
        _ = try await pair.works.enqueue()
        let claimed = try await dead.database.write {
            try dead.store.claim($0, count: 1, kinds: ["work"], node: dead.name, now: began)
        }
        #expect(claimed.count == 1)
        #expect(try await engine.nodes(offset: 0, limit: 10).nodes.map { [$0.isSilent ? 1 : 0, $0.runningJobs] } == [[0, 1]])
        pair.asks.time.advance(by: .seconds(10))
        #expect(try await engine.nodes(offset: 0, limit: 10).nodes.map(\.isSilent) == [true])
        #expect(try await engine.nodes(offset: 0, limit: 10).nodes.map(\.lastBeatAt) == [began])
        pair.asks.time.advance(by: .seconds(3600))
        try await engine.sweepNext()
        #expect(try await engine.nodes(offset: 0, limit: 10).total == 0)
    }

    @Test("the beat of a node goes by the database's clock, whatever its own says")
    func clock() async throws {
        let rig = try await EngineRig(
            ScriptedJob { _, _, _ in 0 }, database: try await EngineDatabase.postgres.open(),
            configuration: EngineConfiguration(isAlone: false, leaseClock: .database))
        // Ten years behind.
        rig.time.advance(to: Timestamp(microseconds: 1_450_000_000_000_000))
        try await SweepService(node: rig.engine.node, attempts: rig.engine.attempts).heartbeat()
        let node = try #require(try await rig.engine.nodes(offset: 0, limit: 1).nodes.first)
        #expect(!node.isSilent && node.lastBeatAt.since(rig.time.now()) > .seconds(300 * 86_400))
    }

    @Test("a node that is alone forgets those of before, and is never silent")
    func alone() async throws {
        let first = try await EngineRig(ScriptedJob { _, _, _ in 0 }, name: "first")
        let node = first.engine.node
        try await first.database.write { try node.store.nodes.beat($0, "killed", node.configuration, now: node.time.now()) }
        try await first.running {
            first.time.advance(by: .seconds(300))
            let nodes = try await first.engine.nodes(offset: 0, limit: 10).nodes
            #expect(nodes.map(\.id) == ["first"] && nodes.map(\.isSilent) == [false])
            #expect(nodes.first?.lastBeatAt == first.time.now())
        }
    }
}
