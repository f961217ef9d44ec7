import Testing
import WaybillBlobs
import WaybillDatabases

@testable import WaybillEngine

@Suite struct RetentionTests {
    private func completed(_ rig: StoreRig) async throws -> JobRecord {
        let job = try await rig.enqueue()
        let attempt = try await rig.claimOne()
        let segment = Segment(key: try #require(BlobKey(job: attempt, serial: 1)), length: 2, sha256: [7])
        let change = ArtifactChange(
            position: 0, name: "a", contentType: "text/plain", segments: [SegmentDraft(number: 0, segment: segment)],
            whole: .init(length: 2, sha256: [7], facts: nil))
        _ = try #require(try await rig.settle(attempt, .completed(output: "{}", made: [change])))
        return job
    }

    private func artifacts(_ job: JobRecord, _ rig: StoreRig) async throws -> [Artifact] {
        try await rig.database.read { [rig] in try rig.store.artifacts.list($0, of: job.id) }
    }

    @Test("artifacts expire before their job does; their bytes are given to the sweep", arguments: EngineDatabase.allCases)
    func artifacts(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        let job = try await completed(rig)
        #expect(try await artifacts(job, rig).map(\.state) == [.ready])
        rig.wait(.seconds(7 * 86_400) - .microseconds(1))
        #expect(try await rig.write { try $0.expireArtifacts($1, now: $2) }.isEmpty)
        rig.wait(.microseconds(1))
        #expect(try await rig.write { try $0.hasOverdueRows($1, now: $2) })
        #expect(try await rig.write { try $0.expireArtifacts($1, now: $2) }.map(\.id) == [job.id])
        #expect(try await artifacts(job, rig).map(\.state) == [.expired])
        #expect(try await rig.state(job) == .completed)
        #expect(try await rig.count("SELECT count(*) FROM engine_segments") == 0)
        #expect(try await rig.count("SELECT count(*) FROM engine_garbage") == 1)
        #expect(try await rig.eventNames(job).last == "artifact.expired")
        #expect(try await !rig.write { try $0.hasOverdueRows($1, now: $2) })
    }

    @Test("each final state has a time of its own")
    func times() {
        let policy = RetentionPolicy(
            completed: .seconds(1), failed: .seconds(2), cancelled: .seconds(3), expired: .seconds(4), artifacts: .seconds(1))
        let end = Timestamp(microseconds: 5_000_000)
        let kept = [JobState.completed, .failed, .cancelled, .expired].map { policy.pruneAt($0, endedAt: end).microseconds }
        #expect(kept == [6_000_000, 7_000_000, 8_000_000, 9_000_000])
    }

    @Test("a job whose deadline has passed goes after its own time")
    func expired() async throws {
        var configuration = EngineConfiguration()
        configuration.retention = RetentionPolicy(failed: .seconds(1), expired: .seconds(60))
        let rig = try await StoreRig(configuration: configuration)
        let job = try await rig.enqueue(deadlineIn: .seconds(5))
        rig.wait(.seconds(6))
        let expired = try await rig.write { store, session, now in
            try store.changing(session, now: now) { try store.expire(session, job.id, now: now, &$0) }
        }
        #expect(expired?.state == .expired)
        rig.wait(.seconds(59))
        #expect(try await rig.write { try $0.prune($1, now: $2) } == 0)
        rig.wait(.seconds(1))
        #expect(try await rig.write { try $0.prune($1, now: $2) } == 1)
    }

    @Test("rows of ended jobs stay as long as their state says, and then go with all that hangs on them")
    func rows() async throws {
        var configuration = EngineConfiguration()
        configuration.retentions["other"] = RetentionPolicy(completed: .seconds(10), artifacts: .seconds(5))
        let rig = try await StoreRig(configuration: configuration)
        let job = try await completed(rig)
        let cancelled = try await rig.enqueue()
        _ = try await rig.cancel(cancelled)
        let short = try await rig.enqueue("other")
        try await rig.complete(try await rig.claimOne())
        var left: [Int] = []
        for wait in [Duration.seconds(9), .seconds(1), .seconds(7 * 86_400), .seconds(30 * 86_400)] {
            rig.wait(wait)
            _ = try await rig.write { try $0.prune($1, now: $2) }
            left.append(try await rig.count("SELECT count(*) FROM engine_jobs"))
        }
        #expect(left == [3, 2, 1, 0])
        for gone in [job, cancelled, short] { #expect(try await rig.eventNames(gone).isEmpty) }
        #expect(try await rig.count("SELECT count(*) FROM engine_artifacts") == 0)
        #expect(try await rig.count("SELECT count(*) FROM engine_garbage") == 1)
    }

    @Test("a row stays at least as long as its artifacts")
    func notBeforeArtifacts() {
        let policy = RetentionPolicy(completed: .seconds(10), artifacts: .seconds(60))
        #expect(policy.pruneAt(.completed, endedAt: Timestamp(microseconds: 0)) == Timestamp(microseconds: 60_000_000))
    }

    @Test(
        "a job that ends in any other way leaves no artifact, unless its kind keeps what was committed of them",
        arguments: ["cancelled", "failed", "expired"], [false, true])
    func noArtifact(end: String, isKept: Bool) async throws {
        let rig = try await StoreRig(keeping: isKept ? ["work"] : [])
        let job = try await rig.enqueue(deadlineIn: .seconds(5))
        let attempt = try await rig.claimOne()
        let segment = Segment(key: try #require(BlobKey(job: attempt, serial: 1)), length: 2, sha256: [7])
        let change = ArtifactChange(
            position: 0, name: "a", contentType: "text/plain", segments: [SegmentDraft(number: 0, segment: segment)], whole: nil)
        try await rig.checkpoint(attempt, artifacts: [change])
        switch end {
        case "cancelled":
            _ = try await rig.cancel(job)
            var last = change
            last.segments[0].segment.key = try #require(BlobKey(job: attempt, serial: 2))
            try await rig.settle(attempt, .completed(output: "{}", made: [last]))
            #expect(try await rig.count("SELECT count(*) FROM engine_garbage") == (isKept ? 1 : 2))
        case "failed": try await rig.settle(attempt, .failed(JobFailure(code: "X", message: "x")))
        default:
            rig.wait(.seconds(5))
            _ = try await rig.write { store, session, now in
                try store.changing(session, now: now) { try store.expire(session, job.id, now: now, &$0) }
            }
        }
        #expect(try await rig.state(job).rawValue == end)
        guard !isKept else {
            let kept = try await artifacts(job, rig)
            #expect(kept.map(\.state) == [.ready] && kept.map(\.sha256) == [[7]] && kept.map(\.length) == [2])
            // It has a time like any other, and what is done anew leaves nothing of it.
            #expect(kept.first?.expiresAt == rig.now.advanced(by: .seconds(7 * 86_400)))
            _ = try await rig.retry(job)
            #expect(try await artifacts(job, rig).isEmpty)
            return
        }
        #expect(try await artifacts(job, rig).isEmpty)
        #expect(try await rig.count("SELECT count(*) FROM engine_segments") == 0)
        #expect(try await rig.count("SELECT count(*) FROM engine_garbage") >= 1)
    }

    @Test("kept artifacts go at their time, and never later than their job")
    func keptArtifactsExpire() async throws {
        var configuration = EngineConfiguration()
        configuration.retention = RetentionPolicy(failed: .seconds(60), artifacts: .seconds(10))
        configuration.retentions["other"] = RetentionPolicy(failed: .seconds(5), artifacts: .seconds(10))
        let rig = try await StoreRig(configuration: configuration, keeping: ["work", "other"])
        var jobs: [JobRecord] = []
        for kind: JobKind in ["work", "other"] {
            jobs.append(try await rig.enqueue(kind))
            let attempt = try await rig.claimOne()
            let change = ArtifactChange(position: 0, name: "empty", contentType: "text/plain", segments: [])
            try await rig.checkpoint(attempt, artifacts: [change])
            try await rig.settle(attempt, .failed(JobFailure(code: "X", message: "x")))
        }
        let kept = [try await artifacts(jobs[0], rig), try await artifacts(jobs[1], rig)].flatMap { $0 }
        #expect(kept.map(\.expiresAt) == [rig.now.advanced(by: .seconds(10)), rig.now.advanced(by: .seconds(5))])
        #expect(kept.allSatisfy { $0.sha256 == BlobHash().sha256 })
        rig.wait(.seconds(10))
        _ = try await rig.write { try $0.prune($1, now: $2) }
        #expect(try await rig.write { try $0.expireArtifacts($1, now: $2) }.map(\.id) == [jobs[0].id])
        #expect(try await artifacts(jobs[0], rig).map(\.state) == [.expired])
        #expect(try await artifacts(jobs[1], rig).isEmpty)
    }

    @Test("erasing a tenant in slices leaves nothing of it, and everything of the others")
    func erasure() async throws {
        let rig = try await StoreRig()
        for tenant in ["gone", "stays"] {
            for number in 0..<7 {
                let job = try await rig.enqueue(tenant: tenant, limitKey: "k")
                if number < 3 { try await rig.complete(try await rig.claimOne()) }
                if number == 3 { _ = try await rig.claimOne() }
                if number == 4 { _ = try await rig.cancel(job) }
            }
            _ = try await rig.write { store, session, now in
                try ScheduleStore().put(
                    session, JobSchedule(name: "s", cron: "* * * * *", kind: "work", principal: .user(of: tenant), input: "{}"),
                    now: now)
            }
        }
        func rows(_ tenant: String) async throws -> [Int] {
            try await rig.database.read { session in
                try ["jobs", "lanes", "tenants", "events", "schedules"].map {
                    try session.count("SELECT count(*) FROM engine_\($0) WHERE tenant = $1", tenant)
                }
            }
        }
        let before = try await rows("stays")
        #expect(before.allSatisfy { $0 > 0 })
        let tenant = try #require(TenantID("gone"))
        var slices = 0
        while try await !rig.write({ try $0.erase($1, tenant: tenant, sparing: nil, limit: 2, now: $2) }) { slices += 1 }
        #expect(slices >= 3)
        #expect(try await rows("gone") == [0, 0, 0, 0, 0])
        #expect(try await rows("stays") == before)
        try await rig.expectLanesMatch()
    }

    @Test("the job that erases its own tenant stays, and its lane is right")
    func erasureByOwnJob() async throws {
        let rig = try await StoreRig()
        for _ in 0..<4 { _ = try await rig.enqueue() }
        let eraser = try await rig.claimOne()
        while try await !rig.write({ try $0.erase($1, tenant: eraser.tenant, sparing: eraser.id, limit: 2, now: $2) }) {}
        #expect(try await rig.count("SELECT count(*) FROM engine_jobs") == 1)
        try await rig.expectLanesMatch()
        try await rig.complete(eraser)
    }
}
