import Dispatch
import Testing
import WaybillDatabases

@testable import WaybillEngine

/// A lane remembers how far it has been claimed.
@Suite struct MarkTests {
    @Test("what becomes ready before the place at which a claim has stopped comes first", arguments: EngineDatabase.allCases)
    func before(database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        var jobs: [JobRecord] = []
        for _ in 0..<6 { jobs.append(try await rig.enqueue()) }
        let claimed = try await rig.claim(3)
        #expect(claimed.map(\.id) == jobs.prefix(3).map(\.id))
        let urgent = try await rig.enqueue(priority: 90)
        let late = try await rig.enqueue(priority: 10)
        try await rig.settle(claimed[1], .interrupted)
        try await rig.expectLanesMatch()
        #expect(try await rig.claim(2).map(\.id) == [urgent.id, claimed[1].id])
        #expect(try await rig.claim(10).map(\.id) == jobs.dropFirst(3).map(\.id) + [late.id])
        #expect(try await rig.claim(1).isEmpty)
        let next = try await rig.enqueue()
        #expect(try await rig.claim(1).map(\.id) == [next.id])
        try await rig.expectLanesMatch()
    }

    @Test("a job that takes the place of another one with its key comes before the mark", arguments: EngineDatabase.allCases)
    func exchanged(database: EngineDatabase) async throws {
        var configuration = EngineConfiguration()
        configuration.limits.perKey = ["work": 1]
        let rig = try await StoreRig(database, configuration: configuration)
        let first = try await rig.enqueue()
        let lesser = try await rig.enqueue(limitKey: "k")
        #expect(try await rig.claim(1).map(\.id) == [first.id])
        // As many are ready as before, but not the same.
        let urgent = try await rig.enqueue(priority: 90, limitKey: "k")
        try await rig.expectLanesMatch()
        let claimed = try await rig.claim(1)
        #expect(claimed.map(\.id) == [urgent.id])
        try await rig.complete(claimed[0])
        #expect(try await rig.claim(1).map(\.id) == [lesser.id])
        try await rig.expectLanesMatch()
    }

    @Test("a mark that is wrong delays a job, and loses none")
    func wrong() async throws {
        let rig = try await StoreRig()
        let jobs = [try await rig.enqueue(), try await rig.enqueue()]
        try await rig.database.write { session in
            try session.execute("UPDATE engine_lanes SET mark_priority = 0, mark_id = 'zz'")
        }
        #expect(try await rig.claim(2).map(\.id) == jobs.map(\.id))
    }

    @Test("what was claimed since a snapshot was taken is not gone through again")
    func besideSnapshot() async throws {
        let rig = try await StoreRig(.postgres)
        let (begun, end) = (Gate(), DispatchSemaphore(value: 0))
        for _ in 0..<220 { _ = try await rig.enqueue() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await rig.database.read { session in
                    _ = try session.count("SELECT count(*) FROM engine_jobs")
                    begun.open()
                    // On a thread of the driver, which is there to be blocked.
                    end.wait()
                }
            }
            await begun.wait()
            for _ in 0..<2 {
                for job in try await rig.claim(100) { try await rig.complete(job) }
            }
            let before = try await Self.entriesRead(in: rig)
            #expect(try await rig.claim(10).count == 10)
            let read = try await Self.entriesRead(in: rig) - before
            #expect(read < 60, "200 have been claimed before, and \(read) entries were read")
            end.signal()
            try await group.waitForAll()
        }
    }

    @Test("a claim behind a mark is not planned anew each time")
    func plans() async throws {
        let rig = try await StoreRig(.postgres)
        for _ in 0..<30 { _ = try await rig.enqueue() }
        for _ in 0..<30 { try await rig.complete(try await rig.claimOne()) }
        let planned = try await rig.write { _, session, _ in
            try session.first(
                """
                SELECT sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements
                WHERE statement LIKE 'WITH first%' AND statement LIKE '%UNION ALL%'
                """
            ) { (generic: $0.int(0), custom: $0.int(1)) }
        }
        // The first claim has no mark to go by.
        #expect(try #require(planned) == (29, 0))
    }

    private static func entriesRead(in rig: StoreRig) async throws -> Int {
        try await rig.database.write { session in
            _ = try session.first("SELECT pg_stat_force_next_flush()") { _ in 0 }
        }
        return try await rig.count(
            "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'engine_jobs_ready'")
    }
}
