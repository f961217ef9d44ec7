import Testing
import WaybillDatabases

@testable import WaybillEngine

@Suite struct EventTests {
    private func events(_ tenant: String, in rig: StoreRig, after: Int64 = 0) async throws -> [JobEvent] {
        let tenant = try #require(TenantID(tenant))
        return try await rig.database.read { [rig] in try rig.store.events.ofTenant($0, tenant, after: after, limit: 100_000) }
    }

    @Test(
        "each tenant's events are numbered from 1 without gaps, also when transactions fail between",
        arguments: EngineDatabase.allCases)
    func numbered(on database: EngineDatabase) async throws {
        struct Refused: Error {}
        let rig = try await StoreRig(database)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<60 {
                group.addTask {
                    let tenant = ["a", "b", "c"][number % 3]
                    let job = try await rig.enqueue(tenant: tenant)
                    _ = await #expect(throws: Refused.self) {
                        try await rig.write { store, session, now in
                            _ = try store.pause(session, job.id, now: now)
                            throw Refused()
                        }
                    }
                    _ = try await number.isMultiple(of: 2) ? rig.cancel(job) : rig.pause(job)
                }
            }
            try await group.waitForAll()
        }
        for tenant in ["a", "b", "c"] {
            let all = try await events(tenant, in: rig)
            #expect(all.map(\.number) == Array(1...40))
            #expect(all.allSatisfy { $0.tenant.text == tenant })
            #expect(try await events(tenant, in: rig, after: 30).map(\.number) == Array(31...40))
        }
        let tenants = try await rig.database.read { [rig] in try rig.store.events.tenants($0).map(\.1) }
        #expect(tenants == [40, 40, 40])
    }

    @Test("steps of five percent are durable events, 100 is told at the end, what lies between is not")
    func steps() async throws {
        let rig = try await StoreRig()
        let job = try await rig.enqueue()
        let attempt = try await rig.claimOne()
        for percent in 1...100 { try await rig.checkpoint(attempt, progress: Double(percent)) }
        try await rig.complete(attempt)
        let told = try await events("acme", in: rig).filter { $0.name == .progress }.map(\.progress)
        #expect(told == stride(from: 5.0, through: 100, by: 5).map { $0 })
        let all = try await events("acme", in: rig)
        #expect(all.first?.progress == 0)
        #expect(all.last?.name == .completed && all.last?.progress == 100)
        #expect(all.allSatisfy { $0.job == job.id })
    }

    @Test("a batch of a thousand events keeps its order")
    func batch() async throws {
        let rig = try await StoreRig()
        let tenants = try ["a", "b"].map { try #require(TenantID($0)) }
        let drafts = (0..<1000).map { number in
            EventDraft(
                tenant: tenants[number % 2], job: JobID(millisecond: UInt64(number), counter: 0, random: 0), name: .progress,
                progress: Double(number), detail: number % 3 == 0 ? "detail" : nil)
        }
        try await rig.write { try $0.events.append($1, drafts, now: $2) }
        for (index, tenant) in ["a", "b"].enumerated() {
            let all = try await events(tenant, in: rig)
            #expect(all.map(\.number) == Array(1...500))
            #expect(all.map(\.progress) == stride(from: Double(index), to: 1000, by: 2).map { $0 })
            #expect(all.allSatisfy { ($0.detail != nil) == (Int($0.progress) % 3 == 0) })
        }
    }

    @Test("live progress is shown at most four times a second, and the end at once")
    func live() async throws {
        let rig = try await StoreRig()
        let hub = EventHub(NodeVoice(nil, node: "test"))
        var job = try await rig.enqueue()
        job.state = .running
        var iterator = hub.watch(job.id).makeAsyncIterator()
        var woken = 0
        for step in 0..<100 {
            job.progress = Double(step)
            rig.wait(.milliseconds(10))
            let before = hub.ticks
            hub.progressed(job, now: rig.now)
            woken += hub.ticks - before
        }
        #expect(woken == 4)
        #expect(hub.liveProgress(job.id) == 99)
        job.state = .completed
        hub.changed([job])
        #expect(await iterator.next() != nil)
        #expect(hub.liveProgress(job.id) == nil)
    }
}
