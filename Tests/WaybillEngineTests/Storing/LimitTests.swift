import Testing
import WaybillDatabases

@testable import WaybillEngine

@Suite struct LimitTests {
    private func rig(_ change: (inout ConcurrencyLimits) -> Void, on database: EngineDatabase = .standard) async throws
        -> StoreRig
    {
        var configuration = EngineConfiguration()
        change(&configuration.limits)
        return try await StoreRig(database, configuration: configuration)
    }

    @Test("no more jobs of a kind run than its limit, and each end brings one", arguments: EngineDatabase.allCases)
    func perKind(on database: EngineDatabase) async throws {
        let rig = try await rig({ $0.perKind = ["work": 2] }, on: database)
        for tenant in ["a", "b", "c"] { _ = try await rig.enqueue(tenant: tenant) }
        let free = try await rig.enqueue("other", tenant: "a")
        let claimed = try await rig.claim(10)
        #expect(claimed.count == 3 && claimed.contains { $0.id == free.id })
        #expect(try await rig.claim(10).isEmpty)
        try await rig.complete(try #require(claimed.first { $0.kind == "work" }))
        #expect(try await rig.claim(10).count == 1)
    }

    @Test("no more jobs of a tenant run than its limit, over all kinds")
    func perTenant() async throws {
        let rig = try await rig { $0.perTenant = 2 }
        for kind in ["work", "other", "work"] as [JobKind] { _ = try await rig.enqueue(kind, tenant: "a") }
        _ = try await rig.enqueue(tenant: "b")
        #expect(try await rig.claim(10).map(\.tenant.text).sorted() == ["a", "a", "b"])
        #expect(try await rig.claim(10).isEmpty)
    }

    @Test("no more jobs of a tenant and kind run than that limit")
    func perTenantAndKind() async throws {
        let rig = try await rig { $0.perTenantAndKind = ["work": 1] }
        for tenant in ["a", "a", "b", "b"] { _ = try await rig.enqueue(tenant: tenant) }
        _ = try await rig.enqueue("other", tenant: "a")
        #expect(try await rig.claim(10).map { "\($0.tenant)/\($0.kind)" }.sorted() == ["a/other", "a/work", "b/work"])
    }

    @Test("no more jobs with one key run than its limit; those held come back in order", arguments: EngineDatabase.allCases)
    func perKey(on database: EngineDatabase) async throws {
        let rig = try await rig({ $0.perKey = ["work": 2] }, on: database)
        var jobs: [JobRecord] = []
        for _ in 0..<6 { jobs.append(try await rig.enqueue(limitKey: "k")) }
        let other = try await rig.enqueue(limitKey: "x")
        let urgent = try await rig.enqueue(priority: 90, limitKey: "k")
        var running = try await rig.claim(10)
        #expect(Set(running.map(\.id)) == [urgent.id, jobs[0].id, other.id])
        var order: [JobID] = []
        while let first = running.first {
            running.removeFirst()
            try await rig.complete(first)
            let next = try await rig.claim(10)
            order += next.map(\.id)
            running += next
            let withKey = try await rig.count("SELECT count(*) FROM engine_jobs WHERE limit_key = 'k' AND state = 'running'")
            #expect(withKey <= 2)
            try await rig.expectLanesMatch()
        }
        #expect(order == jobs.dropFirst().map(\.id))
    }

    @Test(
        "whatever takes a job with a key out of the way lets the next one in",
        arguments: ["cancel", "pause", "expire", "fail", "death"])
    func leaving(by way: String) async throws {
        let rig = try await rig { $0.perKey = ["work": 1] }
        let first = try await rig.enqueue(limitKey: "k", deadlineIn: .seconds(10))
        let second = try await rig.enqueue(limitKey: "k")
        let standing = try await rig.write { store, session, _ in try store.standing(session, of: second.id) }
        #expect(standing == .heldByKey)
        switch way {
        case "cancel": _ = try await rig.cancel(first)
        case "pause": _ = try await rig.pause(first)
        case "expire":
            rig.wait(.seconds(10))
            _ = try await rig.write { store, session, now in
                try store.changing(session, now: now) { try store.expire(session, first.id, now: now, &$0) }
            }
        case "fail": try await rig.settle(try await rig.claimOne(), .failed(.unexpected))
        default:
            _ = try await rig.claimOne()
            try await rig.restart()
        }
        #expect(try await rig.claim(10).map(\.id).contains(second.id))
        try await rig.expectLanesMatch()
    }

    @Test("a job with a key that comes back waits behind the one that took its place")
    func comingBack() async throws {
        let rig = try await rig { $0.perKey = ["work": 1] }
        let first = try await rig.enqueue(limitKey: "k")
        let second = try await rig.enqueue(limitKey: "k")
        try await rig.settle(try await rig.claimOne(), .interrupted)
        #expect(try await rig.claim(10).map(\.id) == [second.id])
        try await rig.complete(try await rig.find(second))
        #expect(try await rig.claim(10).map(\.id) == [first.id])
        try await rig.expectLanesMatch()
    }

    @Test("a duplicate that is refused moves no other job with its limit key")
    func refusedDuplicate() async throws {
        let rig = try await rig { $0.perKey = ["work": 1] }
        let first = try await rig.enqueue(priority: 10, uniqueKey: "u", limitKey: "k")
        await #expect(throws: EngineError.self) { try await rig.enqueue(priority: 90, uniqueKey: "u", limitKey: "k") }
        try await rig.expectLanesMatch()
        #expect(try await rig.claim(10).map(\.id) == [first.id])
    }

    @Test("a start under other limits puts waiting jobs where they belong", arguments: [1, 2, 5], [true, false])
    func restart(limit: Int, alone: Bool) async throws {
        let before = try await rig { $0.perKey = ["work": 3] }
        for _ in 0..<5 { _ = try await before.enqueue(limitKey: "k") }
        var configuration = EngineConfiguration()
        configuration.limits.perKey = ["work": limit]
        let store = JobStore(configuration)
        let now = before.now
        try await before.database.write { try store.restand($0, alone: alone, now: now) }
        try await before.expectLanesMatch()
        let claimed = try await before.database.write { try store.claim($0, count: 10, kinds: ["work"], node: "n", now: now) }
        #expect(claimed.count == limit)
    }

    @Test("the reason why a job waits is the one that keeps it from being claimed")
    func waitReasons() async throws {
        let rig = try await rig {
            $0.perKind = ["other": 1]
            $0.perKey = ["work": 1]
            $0.perTenant = 5
        }
        func reason(_ job: JobRecord, kinds: Set<JobKind> = ["work", "other"], busy: Int? = nil) async throws -> WaitReason? {
            let now = rig.now
            return try await rig.database.read { [rig] session in
                try rig.store.waitReason(
                    session, try rig.store.find(session, job.id) ?? job, kinds: kinds,
                    policy: try rig.store.claimPolicy(session, kinds: kinds), busyWorkers: busy, now: now)
            }
        }
        let first = try await rig.enqueue(limitKey: "k")
        let held = try await rig.enqueue(limitKey: "k")
        let later = try await rig.enqueue(dueIn: .seconds(9))
        let next = try await rig.enqueue()
        #expect(try await reason(first) == .starting)
        #expect(try await reason(first, busy: 4) == .workersBusy(4))
        #expect(try await reason(first, kinds: []) == .noWorker)
        #expect(try await reason(held) == .keyLimit(1))
        #expect(try await reason(later) == .notBefore(later.dueAt))
        #expect(try await reason(next) == .queued(ahead: 1))
        _ = try await rig.enqueue("other", tenant: "b")
        let limited = try await rig.enqueue("other", tenant: "b")
        let claimed = try await rig.claim(10)
        #expect(try await reason(limited) == .kindLimit(1))
        #expect(try await reason(claimed[0]) == nil)
        for _ in 0..<5 { _ = try await rig.enqueue(tenant: "c") }
        _ = try await rig.claim(10)
        let sixth = try await rig.enqueue(tenant: "c")
        #expect(try await reason(sixth) == .tenantLimit(5))
        _ = try await rig.pause(sixth)
        #expect(try await reason(sixth) == nil)
    }
}
