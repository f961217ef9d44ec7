import Testing
import WaybillBlobs
import WaybillDatabases

@testable import WaybillEngine

/// Two nodes on one store: one is stopped past its lease, then goes on.
@Suite struct FencingTests {
    private func change(_ job: JobRecord, serial: Int) throws -> ArtifactChange {
        let segment = Segment(key: try #require(BlobKey(job: job, serial: serial)), length: 3, sha256: [1])
        return ArtifactChange(
            position: 0, name: "a.csv", contentType: "text/csv", segments: [SegmentDraft(number: serial - 1, segment: segment)],
            whole: nil)
    }

    private func takeFromDead(_ rig: StoreRig, node: String) async throws -> [JobRecord] {
        try await rig.write { store, session, now in
            let dead = try store.dead(session, except: node, alone: false, now: now)
            return try store.changing(session, now: now) { changes in
                try dead.compactMap { try store.settle(session, $0, now: now, &changes) }
            }
        }
    }

    @Test("a lease that is renewed keeps the job; one that has run out loses it", arguments: EngineDatabase.allCases)
    func lease(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        let job = try await rig.enqueue()
        _ = try await rig.claimOne(node: "one")
        for _ in 0..<5 {
            rig.wait(.seconds(29))
            try await rig.write { store, session, now in
                _ = try store.stepAside(session, [job.id], on: "one")
                try store.heartbeat(session, node: "one", now: now)
            }
            #expect(try await takeFromDead(rig, node: "two").isEmpty)
        }
        rig.wait(.seconds(30))
        #expect(try await takeFromDead(rig, node: "two").isEmpty)
        rig.wait(.microseconds(1))
        #expect(try await takeFromDead(rig, node: "one").isEmpty)
        #expect(try await takeFromDead(rig, node: "two").map(\.id) == [job.id])
        // Too late: it is not running any more.
        try await rig.write { try $0.heartbeat($1, node: "one", now: $2) }
        #expect(try await rig.state(job) == .pending)
        try await rig.expectLanesMatch()
    }

    @Test(
        "nothing that a stale worker writes counts, before or after the next one has the job", arguments: EngineDatabase.allCases)
    func staleWorker(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        try await rig.database.write { try $0.execute("CREATE TABLE rows_of_the_job (text TEXT)") }
        let job = try await rig.enqueue()
        let stale = try await rig.claimOne(node: "one")
        try await rig.checkpoint(stale, "{\"n\":1}", progress: 10, artifacts: [try change(stale, serial: 1)])
        rig.wait(.seconds(31))
        _ = try await takeFromDead(rig, node: "two")
        try await expectRefused(stale, rig)
        let fresh = try await rig.claimOne(node: "two")
        #expect((fresh.fence, fresh.checkpoint) == (2, "{\"n\":1}"))
        try await expectRefused(stale, rig)
        try await rig.checkpoint(fresh, "{\"n\":2}", progress: 20)
        try await expectRefused(stale, rig)
        try await rig.complete(fresh)
        try await expectRefused(stale, rig)
        #expect(try await rig.state(job) == .completed)
    }

    /// Everything that a stale attempt may try changes nothing.
    private func expectRefused(_ stale: JobRecord, _ rig: StoreRig) async throws {
        let before = try await picture(rig)
        let error = await #expect(throws: EngineError.self) {
            try await rig.checkpoint(stale, "{\"n\":99}", progress: 99, artifacts: [try change(stale, serial: 2)]) { session in
                try session.execute("INSERT INTO rows_of_the_job (text) VALUES ('stale')")
            }
        }
        #expect(error?.code == .leaseLost)
        let outcomes: [AttemptOutcome] = [
            .completed(output: "{\"stale\":true}", made: [try change(stale, serial: 3)]), .failed(.unexpected), .cancelled,
            .paused,
            .interrupted,
        ]
        for outcome in outcomes { #expect(try await rig.settle(stale, outcome) == nil) }
        await #expect(throws: EngineError.self) {
            try await rig.write { try $0.startOver($1, stale.id, fence: stale.fence, now: $2) }
        }
        #expect(try await picture(rig) == before)
    }

    /// All that the engine holds, as text.
    private func picture(_ rig: StoreRig) async throws -> [String] {
        try await rig.database.read { session in
            try ["jobs", "lanes", "events", "artifacts", "segments", "garbage"].flatMap { table in
                try session.all("SELECT * FROM engine_\(table)") { row in
                    "\(table): \((0..<row.count).map { "\(row[$0].value)" }.joined(separator: ", "))"
                }
            } + session.all("SELECT text FROM rows_of_the_job") { $0.string(0) }
        }
    }

    @Test("the fence grows with every claim and never falls, not even when the job is started over")
    func fenceGrows() async throws {
        let rig = try await StoreRig()
        let job = try await rig.enqueue(maxAttempts: 2)
        var fences: [Int64] = []
        for outcome in [AttemptOutcome.interrupted, .died(committed: true), .failed(JobFailure(code: "X", message: "x"))] {
            let attempt = try await rig.claimOne()
            fences.append(attempt.fence)
            try await rig.settle(attempt, outcome)
        }
        _ = try await rig.retry(job)
        fences.append(try await rig.claimOne().fence)
        #expect(fences == [1, 2, 3, 4])
    }
}
