import Testing
import WaybillDatabases

@testable import WaybillEngine

/// The ends of many attempts in one transaction.
@Suite struct GroupTests {
    private func endings(_ jobs: [JobRecord]) -> [Ending] {
        jobs.map { Ending(job: $0, outcome: .completed(output: "{\"of\":\"\($0.id)\"}"), mayHaveArtifacts: false) }
    }

    private func settle(_ endings: [Ending], _ rig: StoreRig) async throws -> [JobRecord?] {
        try await rig.write { store, session, now in
            try store.changing(session, now: now) { try store.settle(session, endings, now: now, &$0) }
        }
    }

    @Test("in a group of ends, the stale one is refused and the others are written", arguments: EngineDatabase.allCases)
    func stale(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        for tenant in ["acme", "acme", "acme", "other", "other"] { _ = try await rig.enqueue(tenant: tenant) }
        let jobs = try await rig.claim(5, node: "one").sorted { $0.id < $1.id }
        // The node is stopped past its lease, and another one gets the second job; the fourth was asked to stop meanwhile.
        rig.wait(.seconds(31))
        try await rig.write { store, session, now in
            try session.execute("UPDATE engine_jobs SET lease_until = $1 WHERE id <> $2", now.microseconds + 1, jobs[1].id.text)
            let dead = try store.dead(session, except: "two", alone: false, now: now)
            _ = try store.changing(session, now: now) { changes in
                try dead.compactMap { try store.settle(session, $0, now: now, &changes) }
            }
        }
        let fresh = try await rig.claimOne(node: "two")
        #expect((fresh.id, fresh.fence) == (jobs[1].id, 2))
        _ = try await rig.cancel(jobs[3])

        let settled = try await settle(endings(jobs), rig)
        #expect(settled.map { $0?.state } == [.completed, nil, .completed, .cancelled, .completed])
        #expect(try await rig.find(jobs[1]).state == .running)
        #expect(try await rig.find(jobs[1]).output == nil)
        for index in [0, 2, 4] {
            #expect(try await rig.find(jobs[index]).output == "{\"of\":\"\(jobs[index].id)\"}")
            #expect(try await rig.eventNames(jobs[index]) == ["job.created", "job.started", "job.completed"])
        }
        #expect(try await rig.eventNames(jobs[1]).last == "job.started")
        try await rig.expectLanesMatch()
        try await rig.complete(fresh)
        try await rig.expectLanesMatch()
    }

    @Test("events of a group are numbered by tenant, in order and without gaps", arguments: EngineDatabase.allCases)
    func numbers(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        for index in 0..<24 { _ = try await rig.enqueue(tenant: "tenant-\(index % 3)") }
        let jobs = try await rig.claim(24)
        #expect(try await settle(endings(jobs), rig).compactMap { $0 }.count == 24)
        let logs = try await rig.database.read { session in
            try rig.store.events.tenants(session).map { tenant, last in
                (last, try rig.store.events.ofTenant(session, tenant, after: 0, limit: 100))
            }
        }
        #expect(logs.count == 3)
        for (last, events) in logs {
            #expect(last == 24)
            #expect(events.map(\.number) == Array(1...24))
            let names = Dictionary(grouping: events, by: \.job).values.map { $0.map(\.name) }
            #expect(names.allSatisfy { $0 == [.created, .started, .completed] })
        }
    }

    @Test("those that simply complete are written together, a job that is there twice only once")
    func plan() async throws {
        let rig = try await StoreRig()
        for limitKey in [nil, nil, nil, "key"] { _ = try await rig.enqueue(limitKey: limitKey) }
        let jobs = try await rig.claim(4)
        var all = endings(jobs) + endings([jobs[0]])
        #expect(SettlePlan(all).together == [0, 1, 2])
        #expect(SettlePlan(all).alone == [3, 4])
        all[1].outcome = .failed(.unexpected)
        all[2].mayHaveArtifacts = true
        #expect(SettlePlan(all).together == [])
        #expect(SettlePlan(all).alone == [0, 1, 2, 3, 4])
    }
}
