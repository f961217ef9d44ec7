import Testing
import WaybillDatabases
import WaybillEngineTesting

@testable import WaybillEngine

/// Jobs that are completed beside those that are claimed, and what a claim leaves as it is.
@Suite struct CompletingTests {
    /// Writes nothing of its own at its end.
    private struct Plain: JobHandler {
        static let kind: JobKind = "plain"

        func run(_ input: Int, from checkpoint: Nothing?, in job: JobContext<Nothing>) async throws -> Int { input + 1 }
    }

    @Test(
        "many jobs that end at once are completed beside the claims, each once and told in order",
        arguments: EngineDatabase.allCases)
    func many(on database: EngineDatabase) async throws {
        let rig = try await EngineRig(
            Plain(), database: try await database.open(), configuration: EngineConfiguration(workers: 64))
        var jobs: [JobRecord] = []
        for number in 0..<300 { jobs.append(try await rig.engine.enqueue(Plain.self, number, for: .tester)) }
        let ids = jobs.map(\.id)
        try await rig.running { for id in ids { try await rig.untilEnded(id) } }
        for (number, job) in jobs.enumerated() {
            let found = try #require(try await rig.engine.find(job.id))
            #expect((found.state, found.output, found.attempts, found.fence) == (.completed, "\(number + 1)", 0, 1))
            let events = try await rig.engine.events(of: job.id)
            #expect(events.map(\.name.text) == ["job.created", "job.started", "job.completed"])
        }
        let (events, last, drifted) = try await rig.database.read { session in
            (
                try session.count("SELECT count(*) FROM engine_events"),
                try session.count("SELECT last_event FROM engine_tenants"),
                try session.count("SELECT count(*) FROM engine_lanes WHERE ready <> 0 OR running <> 0 OR waits <> 0")
            )
        }
        #expect((events, last, drifted) == (900, 900, 0))
    }

    @Test(
        "beside others only that is completed whose fence is its attempt's and whose end nobody has asked for",
        arguments: EngineDatabase.allCases)
    func conditions(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        for _ in 0..<4 { _ = try await rig.enqueue() }
        var jobs = try await rig.claim(4, node: "one").sorted { $0.id < $1.id }
        _ = try await rig.cancel(jobs[1])
        jobs[2].fence -= 1
        let endings = jobs.map { Ending(job: $0, outcome: .completed(output: "1"), mayHaveArtifacts: false) }
        let completed = try await rig.write { store, session, now in
            try store.changing(session, now: now) { try store.complete(session, endings, now: now, &$0) }
        }
        #expect(completed.map { $0?.state } == [.completed, nil, nil, .completed])
        for (index, state) in [JobState.completed, .running, .running, .completed].enumerated() {
            #expect(try await rig.find(jobs[index]).state == state)
        }
        try await rig.expectLanesMatch()
    }

    @Test(
        "a job that was just claimed is not claimed again, and its node's death is noticed before it has stepped aside",
        arguments: EngineDatabase.allCases)
    func fresh(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        let (first, second) = (try await rig.enqueue(), try await rig.enqueue())
        #expect(try await rig.claim(1, node: "one").map(\.id) == [first.id])
        #expect(try await rig.claim(5, node: "two").map(\.id) == [second.id])
        #expect(try await rig.claim(5, node: "two").isEmpty)
        let standing = "SELECT standing FROM engine_jobs WHERE id = '\(second.id)'"
        #expect(try await rig.count(standing) == 1)
        try await rig.write { store, session, _ in
            let running = try store.running(session, on: "one").keys.sorted()
            #expect(running == [first.id])
            let before = try store.aside(session, on: "two").keys.sorted()
            // Not what another node runs.
            let stepped = try store.stepAside(session, [first.id, second.id], on: "two")
            let after = try store.aside(session, on: "two").keys.sorted()
            #expect((before, stepped, after) == ([], [second.id], [second.id]))
        }
        #expect(try await rig.count(standing) == 5)
        rig.wait(.seconds(20))
        try await rig.write { try $0.heartbeat($1, node: "two", now: $2) }
        rig.wait(.seconds(11))
        let dead = try await rig.write { store, session, now in
            let due = try store.due(session, now: now, stall: .seconds(3600), except: "two")
            #expect(due.sweep)
            return try store.dead(session, except: "two", alone: false, now: now).map(\.job.id)
        }
        #expect(dead == [first.id])
        try await rig.expectLanesMatch()
        // A start alone finds both.
        let all = try await rig.write { store, session, now in
            try store.dead(session, except: "three", alone: true, now: now).map(\.job.id)
        }
        #expect(all == [first.id, second.id])
    }
}
