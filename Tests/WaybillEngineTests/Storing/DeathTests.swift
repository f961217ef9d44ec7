import Testing
import WaybillDatabases

@testable import WaybillEngine

@Suite struct DeathTests {
    @Test("three deaths in a row without a checkpoint end a job", arguments: EngineDatabase.allCases)
    func quarantine(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        let job = try await rig.enqueue()
        for death in 1...3 {
            _ = try await rig.claimOne()
            try await rig.restart()
            let after = try await rig.find(job)
            #expect((after.deaths, after.attempts, after.interruptions) == (death, 0, 0))
            #expect(after.state == (death < 3 ? .pending : .failed))
        }
        #expect(try await rig.find(job).failure?.code == "QUARANTINED")
        try await rig.expectLanesMatch()
    }

    @Test("a job that gets on may die as often as it likes", arguments: EngineDatabase.allCases)
    func deathsWithCheckpoint(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        let job = try await rig.enqueue()
        for death in 1...10 {
            let attempt = try await rig.claimOne()
            try await rig.checkpoint(attempt, "{\"n\":\(death)}")
            try await rig.restart()
        }
        let after = try await rig.find(job)
        #expect((after.state, after.deaths, after.barrenDeaths) == (.pending, 10, 0))
        try await rig.complete(try await rig.claimOne())
    }

    @Test("a checkpoint between them begins the count anew")
    func notInARow() async throws {
        let rig = try await StoreRig()
        let job = try await rig.enqueue()
        for commits in [false, false, true, false, false] {
            let attempt = try await rig.claimOne()
            if commits { try await rig.checkpoint(attempt) }
            try await rig.restart()
        }
        #expect(try await rig.find(job).barrenDeaths == 2)
        #expect(try await rig.state(job) == .pending)
    }

    @Test("a job that died with a checkpoint goes on at the next start at once")
    func goesOnAtOnce() async throws {
        let rig = try await StoreRig()
        let jobs = [try await rig.enqueue(), try await rig.enqueue(), try await rig.enqueue()]
        for attempt in try await rig.claim(3) { try await rig.checkpoint(attempt, "{\"n\":1}") }
        try await rig.restart()
        #expect(try await rig.claim(3).map(\.id) == jobs.map(\.id))
    }

    @Test("suspects run one at a time, and others beside them", arguments: EngineDatabase.allCases)
    func suspects(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        let jobs = [try await rig.enqueue(), try await rig.enqueue("other"), try await rig.enqueue(tenant: "zeta")]
        #expect(try await rig.claim(3).count == 3)
        try await rig.restart()
        let healthy = try await rig.enqueue()
        let first = try await rig.claim(10)
        #expect(Set(first.map(\.id)) == [jobs[0].id, healthy.id])
        #expect(try await rig.claim(10).isEmpty)
        // A checkpoint clears it of suspicion.
        try await rig.checkpoint(first[0].id == jobs[0].id ? first[0] : first[1])
        let second = try await rig.claim(10)
        #expect(second.map(\.id) == [jobs[1].id])
        try await rig.complete(second[0])
        #expect(try await rig.claim(10).map(\.id) == [jobs[2].id])
        try await rig.expectLanesMatch()
    }

    @Test("a poison job takes nobody with it for good: the others complete, it is quarantined")
    func poison() async throws {
        let rig = try await StoreRig()
        let poison = try await rig.enqueue()
        var innocent: [JobRecord] = []
        for _ in 0..<5 { innocent.append(try await rig.enqueue()) }
        for _ in 0..<20 {
            let claimed = try await rig.claim(4)
            if claimed.contains(where: { $0.id == poison.id }) {
                try await rig.restart()
            } else {
                for job in claimed { try await rig.complete(job) }
            }
        }
        #expect(try await rig.find(poison).failure?.code == "QUARANTINED")
        for job in innocent { #expect(try await rig.state(job) == .completed) }
    }

    @Test("a suspect that was paused, resumed or interrupted is still one")
    func staysSuspect() async throws {
        let rig = try await StoreRig()
        let jobs = [try await rig.enqueue(), try await rig.enqueue()]
        _ = try await rig.claim(2)
        try await rig.restart()
        _ = try await rig.pause(jobs[0])
        _ = try await rig.resume(jobs[0])
        let first = try await rig.claimOne()
        try await rig.settle(first, .interrupted)
        #expect(try await rig.claim(2).count == 1)
    }
}
