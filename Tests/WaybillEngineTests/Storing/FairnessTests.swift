import Testing
import WaybillDatabases

@testable import WaybillEngine

@Suite struct FairnessTests {
    private func enqueue(_ count: Int, tenant: String, in rig: StoreRig, kind: JobKind = "work", priority: Int = 50) async throws
    {
        let principal = try Principal.user(of: tenant)
        try await rig.write { [ids = rig.ids] store, session, now in
            let request = JobRequest(kind: kind, principal: principal, input: "{}", priority: priority)
            for _ in 0..<count { _ = try store.enqueue(session, request, id: ids.next(at: now), now: now) }
        }
    }

    private func share(_ jobs: [JobRecord]) -> [String: Int] {
        jobs.reduce(into: [:]) { $0[$1.tenant.text, default: 0] += 1 }
    }

    @Test(
        "one job of another tenant is in the first batch, however many were there before it", arguments: EngineDatabase.allCases)
    func oneAmongMany(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        try await enqueue(10_000, tenant: "big", in: rig)
        _ = try await rig.claim(64)
        let small = try await rig.enqueue(tenant: "small")
        #expect(try await rig.claim(4).contains { $0.id == small.id })
        try await rig.expectLanesMatch()
    }

    @Test("tenants get the same, one claim at a time and many at a time", arguments: [1, 3, 10])
    func sameShares(batch: Int) async throws {
        let rig = try await StoreRig()
        for tenant in ["a", "b", "c"] { try await enqueue(200, tenant: tenant, in: rig) }
        var served: [JobRecord] = []
        while served.count < 300 { served += try await rig.claim(batch) }
        #expect(share(Array(served.prefix(300))) == ["a": 100, "b": 100, "c": 100])
    }

    @Test("a tenant with many kinds gets no more than one with one")
    func kindsShare() async throws {
        let rig = try await StoreRig()
        try await enqueue(100, tenant: "many", in: rig, kind: "work")
        try await enqueue(100, tenant: "many", in: rig, kind: "other")
        try await enqueue(100, tenant: "one", in: rig)
        var served: [JobRecord] = []
        while served.count < 60 { served += try await rig.claim(1) }
        #expect(share(served) == ["many": 30, "one": 30])
    }

    @Test("who was idle neither has saved turns nor pays for old ones")
    func idle() async throws {
        let rig = try await StoreRig()
        try await enqueue(100, tenant: "a", in: rig)
        for job in try await rig.claim(100) { try await rig.complete(job) }
        // Both begin with nothing waiting, although only one has had turns.
        try await enqueue(20, tenant: "b", in: rig)
        try await enqueue(20, tenant: "a", in: rig)
        #expect(share(try await rig.claim(10)) == ["a": 5, "b": 5])
        try await enqueue(20, tenant: "late", in: rig)
        #expect(share(try await rig.claim(9)) == ["a": 3, "b": 3, "late": 3])
    }

    @Test("higher priority comes first, then older, over all kinds of a tenant", arguments: [1, 10])
    func priority(batch: Int) async throws {
        let rig = try await StoreRig()
        var jobs: [String: JobID] = [:]
        for (name, kind, priority) in [
            ("low", "other", 10), ("first", "work", 50), ("second", "other", 50), ("third", "work", 50), ("high", "work", 90),
        ] as [(String, JobKind, Int)] {
            jobs[name] = try await rig.enqueue(kind, priority: priority).id
            rig.wait(.milliseconds(1))
        }
        var served: [JobID] = []
        while served.count < 5 { served += try await rig.claim(batch).map(\.id) }
        let names = served.compactMap { id in jobs.first { $0.value == id }?.key }
        #expect(batch == 1 ? names == ["high", "first", "second", "third", "low"] : Set(names).count == 5)
    }

    @Test("a kind that this node does not handle is left to others, and stops nobody")
    func foreignKind() async throws {
        let rig = try await StoreRig()
        try await enqueue(500, tenant: "a", in: rig, kind: "foreign")
        let mine = try await rig.enqueue(tenant: "z")
        #expect(try await rig.claim(10).map(\.id) == [mine.id])
    }

    @Test("many lanes at their limit do not hide one that is free")
    func hiddenByLimits() async throws {
        var configuration = EngineConfiguration()
        configuration.limits.perTenant = 1
        let rig = try await StoreRig(configuration: configuration)
        for number in 0..<150 { try await enqueue(2, tenant: "t\(number)", in: rig) }
        #expect(try await rig.claim(150).count == 150)
        try await enqueue(1, tenant: "zz", in: rig)
        #expect(try await rig.claim(4).map(\.tenant.text) == ["zz"])
    }

    @Test("counts that have drifted mend themselves, and a start counts anew")
    func drift() async throws {
        let rig = try await StoreRig()
        let job = try await rig.enqueue()
        try await rig.database.write { session in
            try session.execute("UPDATE engine_lanes SET ready = 7, running = 3")
            try session.execute(
                """
                INSERT INTO engine_lanes (tenant, kind, ready, waits, running, virtual_time)
                VALUES ('ghost', 'work', 5, 1, 5, 0)
                """)
        }
        #expect(try await rig.claim(10).map(\.id) == [job.id])
        try await rig.restart()
        try await rig.expectLanesMatch()
    }
}
