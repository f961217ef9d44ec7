import Testing
import WaybillDatabases

@testable import WaybillEngine

/// Events that are told of many jobs at once, and are found by their numbers.
@Suite struct BatchTests {
    private static let simple = ["job.created", "job.started", "job.completed"]

    /// - Returns: the jobs, all completed, those of each slice in one transaction.
    private func completed(
        _ count: Int, slice: Int? = nil, kinds: [JobKind] = ["work"], _ rig: StoreRig
    ) async throws -> [JobRecord] {
        for index in 0..<count { _ = try await rig.enqueue(kinds[index % kinds.count]) }
        var jobs: [JobRecord] = []
        while jobs.count < count {
            rig.wait(.seconds(1))
            let claimed = try await rig.claim(slice ?? count)
            rig.wait(.seconds(1))
            try await complete(claimed, rig)
            jobs += claimed
        }
        return jobs
    }

    private func complete(_ jobs: [JobRecord], _ rig: StoreRig) async throws {
        let endings = jobs.map { Ending(job: $0, outcome: .completed(output: "{}"), mayHaveArtifacts: false) }
        let done = try await rig.write { store, session, now in
            try store.changing(session, now: now) { try store.settle(session, endings, now: now, &$0) }
        }
        #expect(done.compactMap { $0?.state } == jobs.map { _ in .completed })
    }

    private func counts(_ rig: StoreRig) async throws -> [Int] {
        var counts: [Int] = []
        for table in ["engine_jobs", "engine_events", "engine_batches"] {
            counts.append(try await rig.count("SELECT count(*) FROM \(table)"))
        }
        return counts
    }

    /// Rows as a server has them that was moved to this database.
    private func batchByHand(_ rig: StoreRig) async throws {
        try await rig.write { _, session, _ in
            try session.execute("UPDATE engine_events SET batched = 1 WHERE name IN ('job.started', 'job.completed')")
            try session.execute(
                """
                INSERT INTO engine_batches (tenant, first, last, at, prune_at)
                SELECT tenant, min(number), max(number), at, CASE WHEN name = 'job.completed' THEN at + 2592000000000 END
                FROM engine_events WHERE batched = 1 GROUP BY tenant, at, name
                """)
            try session.execute("UPDATE engine_jobs SET prune_at = NULL")
        }
    }

    @Test("each job's events are found in their order, after any number, and go with it", arguments: EngineDatabase.allCases)
    func found(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        let jobs = try await completed(60, slice: 30, kinds: ["work", "other"], rig)
        // In each transaction 15 of each kind, which are too few.
        #expect(try await counts(rig) == [60, 180, 0])
        let more = try await completed(40, kinds: ["work", "other"], rig)
        #expect(try await counts(rig) == [100, 300, database == .postgres ? 4 : 0])
        for job in jobs + more { #expect(try await rig.eventNames(job) == Self.simple) }
        let job = try #require(more.last)
        for after in [0, 200, 220, 260, 300] as [Int64] {
            let (all, some) = try await rig.database.read { [store = rig.store] session in
                (
                    try store.events.ofJob(session, job.id, after: 0, limit: 9),
                    try store.events.ofJob(session, job.id, after: after, limit: 2)
                )
            }
            #expect(some == Array(all.filter { $0.number > after }.prefix(2)))
        }
        let numbers = try await rig.database.read { [store = rig.store, tenant = job.tenant] session in
            try store.events.ofTenant(session, tenant, after: 0, limit: 1000).map(\.number)
        }
        #expect(numbers == Array(1...300))
        try await rig.write { try $0.delete($1, [job.id], now: $2) }
        #expect(try await rig.eventNames(job).isEmpty)
        #expect(try await rig.eventNames(more[0]) == Self.simple)
        #expect(try await counts(rig) == [99, 297, database == .postgres ? 4 : 0])
    }

    @Test("completed jobs of a batch go when their time has come, slice by slice", arguments: EngineDatabase.allCases)
    func pruned(on database: EngineDatabase) async throws {
        var configuration = EngineConfiguration()
        configuration.retentions["other"] = RetentionPolicy(completed: .seconds(60), artifacts: .seconds(60))
        let rig = try await StoreRig(database, configuration: configuration)
        _ = try await completed(100, kinds: ["work", "other"], rig)
        rig.wait(.seconds(60) - .microseconds(1))
        #expect(try await !rig.write { try $0.hasOverdueRows($1, now: $2) })
        #expect(try await rig.write { try $0.prune($1, now: $2) } == 0)
        rig.wait(.microseconds(1))
        #expect(try await rig.write { try $0.hasOverdueRows($1, now: $2) })
        #expect(try await rig.write { try $0.prune($1, now: $2, limit: 20) } == 20)
        #expect(try await rig.write { try $0.prune($1, now: $2, limit: 20) } == 20)
        #expect(try await rig.write { try $0.hasOverdueRows($1, now: $2) })
        #expect(try await rig.write { try $0.prune($1, now: $2, limit: 20) } == 10)
        #expect(try await !rig.write { try $0.hasOverdueRows($1, now: $2) })
        #expect(try await counts(rig) == [50, 150, database == .postgres ? 2 : 0])
        #expect(try await rig.count("SELECT count(*) FROM engine_jobs WHERE kind = 'other'") == 0)
        rig.wait(.seconds(30 * 86_400))
        #expect(try await rig.write { try $0.prune($1, now: $2) } == 50)
        #expect(try await counts(rig) == [0, 0, 0])
    }

    @Test("a batch tells of a job that has gone in another way, and goes all the same", arguments: EngineDatabase.allCases)
    func missing(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        _ = try await completed(20, rig)
        if database != .postgres { try await batchByHand(rig) }
        try await rig.write { _, session, _ in try session.execute("DELETE FROM engine_jobs") }
        rig.wait(.seconds(40 * 86_400))
        #expect(try await rig.write { try $0.prune($1, now: $2) } == 20)
        #expect(try await !rig.write { try $0.hasOverdueRows($1, now: $2) })
    }

    @Test("batches that were moved to a database that writes none are read there, and go", arguments: EngineDatabase.allCases)
    func moved(to database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        let jobs = try await completed(30, slice: 10, rig)
        try await batchByHand(rig)
        for job in jobs { #expect(try await rig.eventNames(job) == Self.simple) }
        rig.wait(.seconds(31 * 86_400))
        #expect(try await rig.write { try $0.hasOverdueRows($1, now: $2) })
        #expect(try await rig.write { try $0.prune($1, now: $2) } == 30)
        #expect(try await counts(rig) == [0, 0, 0])
    }

    @Test("what a job is told after its first start is found as well", arguments: EngineDatabase.allCases)
    func again(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        for _ in 0..<20 { _ = try await rig.enqueue(maxAttempts: 1) }
        for job in try await rig.claim(20) { try await rig.settle(job, .failed(.unexpected)) }
        rig.wait(.seconds(1))
        let failed = try await rig.database.read { session in
            try session.all("SELECT id FROM engine_jobs WHERE state = 'failed' ORDER BY id") { JobID(trusted: $0.string(0)) }
        }
        #expect(failed.count == 20)
        for id in failed { _ = try await rig.write { try $0.retry($1, id, now: $2) } }
        rig.wait(.seconds(1))
        let claimed = try await rig.claim(20)
        rig.wait(.seconds(1))
        try await complete(claimed, rig)
        let told = ["job.created", "job.started", "job.failed", "job.restarted", "job.started", "job.completed"]
        for job in claimed { #expect(try await rig.eventNames(job) == told) }
        rig.wait(.seconds(31 * 86_400))
        #expect(try await rig.write { try $0.prune($1, now: $2) } == 20)
        #expect(try await counts(rig) == [0, 0, 0])
    }

    @Test(
        "a tenant is erased with its batches, but for those that tell of the job that does it",
        arguments: EngineDatabase.allCases)
    func erased(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        _ = try await completed(20, rig)
        rig.wait(.seconds(1))
        for _ in 0..<20 { _ = try await rig.enqueue() }
        let eraser = try #require(try await rig.claim(20).last)
        while try await !rig.write({ try $0.erase($1, tenant: eraser.tenant, sparing: eraser.id, limit: 7, now: $2) }) {}
        #expect(try await counts(rig) == [1, 2, database == .postgres ? 1 : 0])
        #expect(try await rig.eventNames(eraser) == ["job.created", "job.started"])
        while try await !rig.write({ try $0.erase($1, tenant: eraser.tenant, sparing: nil, limit: 7, now: $2) }) {}
        #expect(try await counts(rig) == [0, 0, 0])
    }
}
