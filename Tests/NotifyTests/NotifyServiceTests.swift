import Testing
import WaybillDatabases
import WaybillEngine

@testable import Notify

@Suite struct NotifyServiceTests {
    @Test("each end is told once to the one who wanted the job, with outcome, text and link")
    func outcomes() async throws {
        let fixture = try await NotifyFixture()
        let (ann, bob) = (try fixture.principal("ann"), try fixture.principal("bob"))
        let cancelled = try await fixture.engine.enqueue(Exporting.self, true, for: ann)
        _ = try await fixture.engine.cancel(cancelled.id)
        let late = try await fixture.engine.enqueue(
            Exporting.self, true, for: ann, dueAt: fixture.time.now().advanced(by: .seconds(900)),
            deadlineAt: fixture.time.now().advanced(by: .seconds(60)))
        let (good, bad, other, silent) = try await fixture.running {
            let good = try await fixture.engine.enqueue(Exporting.self, true, for: ann)
            let bad = try await fixture.engine.enqueue(Exporting.self, false, for: ann)
            let other = try await fixture.engine.enqueue(Other.self, Nothing(), for: bob)
            let silent = try await fixture.engine.enqueue(Silent.self, Nothing(), for: bob)
            for job in [good, bad, other, silent] { _ = try await fixture.ended(job) }
            fixture.time.advance(.seconds(61))
            #expect(try await fixture.ended(late).state == .expired)
            return (good, bad, other, silent)
        }
        for _ in 0..<3 { try await fixture.service().catchUp() }

        let notices = try await fixture.notices(of: "ann")
        let byJob = Dictionary(uniqueKeysWithValues: notices.map { ($0.job, $0) })
        #expect(notices.count == 4)
        #expect(
            byJob[good.id].map { [$0.outcome.rawValue, $0.title, $0.message] } == [
                "completed", "Content export completed", "12 rows exported.",
            ])
        #expect(byJob[good.id]?.link == "/content/export/\(good.id)")
        #expect(
            byJob[bad.id].map { [$0.outcome.rawValue, $0.title, $0.message] } == [
                "failed", "Content export failed", "The disk is full.",
            ])
        #expect(byJob[cancelled.id]?.title == "Content export was cancelled")
        #expect(byJob[late.id]?.outcome == .expired)
        let his = try await fixture.notices(of: "bob")
        #expect(his.map(\.job) == [other.id])
        #expect(his.first?.title == "Job completed")
        #expect(his.first?.link == "/jobs/\(other.id)")
        #expect(his.allSatisfy { $0.job != silent.id })
    }

    @Test(
        "a notifier that dies before or after its commit, again and again, tells each end once",
        arguments: [1, 2, 3, 4, 5, 6, 7, 8])
    func crashes(_ seed: Int) async throws {
        let fixture = try await NotifyFixture()
        let ann = try fixture.principal("ann")
        let jobs = try await fixture.running {
            var jobs: [JobRecord] = []
            for index in 0..<6 { jobs.append(try await fixture.engine.enqueue(Exporting.self, index % 2 == 0, for: ann)) }
            for job in jobs { _ = try await fixture.ended(job) }
            return jobs
        }
        let database = FailingDatabase(fixture.database, (0..<3).map { seed & (1 << $0) != 0 })
        for _ in 0..<3 {
            await #expect(throws: FailingDatabase.Failure.self) {
                try await fixture.service(database).catchUp()
                // Nothing was left to do because an earlier one had committed.
                _ = try await database.write { _ in }
            }
        }
        try await fixture.service(database).catchUp()
        #expect(Set(try await fixture.notices(of: "ann").map(\.job)) == Set(jobs.map(\.id)))
        #expect(try await fixture.notices(of: "ann").count == 6)
    }

    @Test("two notifiers on one database tell each end once")
    func twoNodes() async throws {
        let fixture = try await NotifyFixture()
        let ann = try fixture.principal("ann")
        let count = try await fixture.running {
            for _ in 0..<20 { _ = try await fixture.ended(fixture.engine.enqueue(Exporting.self, true, for: ann)) }
            return 20
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 { group.addTask { try await fixture.service().catchUp() } }
            try await group.waitForAll()
        }
        try await fixture.service().catchUp()
        #expect(try await fixture.notices(of: "ann").count == count)
    }

    @Test("a failing notifier changes no job, and catches up when it can again")
    func failing() async throws {
        let fixture = try await NotifyFixture()
        let ann = try fixture.principal("ann")
        let database = FailingDatabase(fixture.database, [true, true])
        try await fixture.running {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await fixture.service(database).run() }
                let job = try await fixture.ended(fixture.engine.enqueue(Exporting.self, true, for: ann))
                #expect(job.state == .completed)
                var failures = database.failed.stream.makeAsyncIterator()
                _ = await failures.next()
                _ = await failures.next()
                while try await fixture.notices(of: "ann").isEmpty { await Task.yield() }
                #expect(try await fixture.engine.find(job.id) == job)
                group.cancelAll()
            }
        }
        #expect(try await fixture.notices(of: "ann").count == 1)
    }

    @Test("notices go after their time, and a tenant's with the tenant")
    func pruning() async throws {
        let fixture = try await NotifyFixture()
        let (ann, eve) = (try fixture.principal("ann"), try fixture.principal("eve", "umbra"))
        try await fixture.running {
            _ = try await fixture.ended(fixture.engine.enqueue(Exporting.self, true, for: ann))
            fixture.time.advance(.seconds(20 * 86_400))
            _ = try await fixture.ended(fixture.engine.enqueue(Exporting.self, true, for: ann))
            _ = try await fixture.ended(fixture.engine.enqueue(Exporting.self, true, for: eve))
        }
        let service = fixture.service()
        try await service.catchUp()
        #expect(try await fixture.notices(of: "ann").count == 2)
        fixture.time.advance(.seconds(11 * 86_400))
        try await service.prune()
        #expect(try await fixture.notices(of: "ann").count == 1)
        let umbra = try #require(TenantID("umbra"))
        #expect(try await fixture.database.write { session in try NotifyStore().erase(umbra, limit: 1, in: session) })
        #expect(try await fixture.database.write { session in try NotifyStore().erase(umbra, limit: 1, in: session) } == false)
        #expect(try await fixture.notices(of: "eve", "umbra").isEmpty)
        #expect(try await fixture.notices(of: "ann").count == 1)
    }
}
