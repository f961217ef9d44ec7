import Synchronization
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngineTesting

@testable import WaybillEngine

/// Jobs whose worker is a client.
@Suite struct ExternalJobTests {
    private final class Carrying: ExternalJobHandler, JobEndHandler {
        struct Input: Codable, Sendable { var what: String }
        static let kind: JobKind = "carry"
        let ends = Mutex<[JobState]>([])

        typealias Output = Nothing

        func ended(_ job: JobRecord, in session: any SQLSession) throws {
            ends.withLock { $0.append(job.state) }
        }
    }

    private let handler = Carrying()
    private let tester: JobTester

    init() async throws {
        tester = try await JobTester(
            handlers: JobHandlers([handler]), database: try await EngineDatabase.standard.open(), blobs: MemoryBlobs())
    }

    private var engine: JobEngine { tester.engine }
    private var ends: [JobState] { handler.ends.withLock { $0 } }

    private func begin(deadlineIn deadline: Duration = .seconds(60)) async throws -> JobRecord {
        try await engine.enqueue(
            Carrying.self, .init(what: "a"), for: .tester, deadlineAt: tester.time.now().advanced(by: deadline))
    }

    private func advance(_ job: JobRecord, _ progress: Double, deadlineIn deadline: Duration = .seconds(60)) async throws
        -> JobRecord
    {
        let (engine, at) = (engine, tester.time.now().advanced(by: deadline))
        return try await tester.database.write {
            try engine.advance(job.id, progress: progress, counters: ["bytes": 5], deadlineAt: at, in: $0)
        }
    }

    private func state(_ job: JobRecord) async throws -> JobState? { try await engine.find(job.id)?.state }

    @Test("it runs from its beginning, in nobody's hands, is told step by step, and ends where the client's work does")
    func life() async throws {
        let job = try await begin()
        #expect(job.state == .running && job.node == nil && job.startedAt == job.createdAt)
        #expect(try await tester.runNext() == false)
        #expect(try await engine.counts().running == 0, "it takes no worker's place")
        let half = try await advance(job, 50)
        #expect(half.progress == 50 && half.counters == ["bytes": 5])
        #expect(try await advance(job, 20).progress == 50, "it never falls")
        #expect(try await advance(job, .nan).progress == 50)
        let (engine, id) = (engine, job.id)
        let done = try await tester.database.write { try engine.finish(id, output: "{}", in: $0) }
        #expect(done.state == .completed && done.progress == 100 && ends == [.completed])
        let names = try await engine.events(of: id).map(\.name)
        #expect(names == [.created, .started, .progress, .completed])
        await #expect(throws: EngineError.self) { _ = try await advance(job, 70) }
        await #expect(throws: EngineError.self) {
            _ = try await tester.database.write { try engine.fail(id, JobFailure(code: "X", message: "x"), in: $0) }
        }
        #expect(try await state(job) == .completed && ends == [.completed])
    }

    @Test("it fails with the reason that its taker gives")
    func failing() async throws {
        let job = try await begin()
        let engine = engine
        let failed = try await tester.database.write {
            try engine.fail(job.id, JobFailure(code: "BROKEN", message: "It broke."), in: $0)
        }
        #expect(failed.state == .failed && ends == [.failed])
        #expect(try await engine.find(job.id)?.failure?.code == "BROKEN")
    }

    @Test("cancelled, it ends at once; it can be neither paused nor retried")
    func control() async throws {
        let job = try await begin()
        await #expect { _ = try await engine.pause(job.id) } throws: { ($0 as? EngineError)?.code == .workedOutside }
        #expect(try await engine.resume(job.id).state == .running)
        #expect(try await engine.cancel(job.id).state == .cancelled)
        #expect(ends == [.cancelled])
        await #expect { _ = try await engine.retry(job.id) } throws: { ($0 as? EngineError)?.code == .workedOutside }
        await #expect { _ = try await engine.cancel(job.id) } throws: { ($0 as? EngineError)?.code == .alreadyEnded }
    }

    @Test("each step puts its deadline off; when that passes it expires")
    func deadline() async throws {
        let job = try await begin()
        for progress in [10.0, 20.0] {
            tester.time.advance(to: tester.time.now().advanced(by: .seconds(50)))
            try await engine.sweepNext()
            _ = try await advance(job, progress)
        }
        tester.time.advance(to: tester.time.now().advanced(by: .seconds(61)))
        try await engine.sweepNext()
        #expect(try await state(job) == .expired && ends == [.expired])
    }

    @Test("a restart, and a long silence of the nodes, leave it alone: it is in none of their hands")
    func restart() async throws {
        let job = try await begin(deadlineIn: .seconds(100_000))
        try await tester.restart()
        tester.time.advance(to: tester.time.now().advanced(by: .seconds(5000)))
        try await engine.sweepNext()
        let found = try #require(try await engine.find(job.id))
        #expect(found.state == .running && found.deaths == 0 && !found.stalled)
        #expect(try await engine.waitReason(found) == nil)
        #expect(try await advance(found, 5).progress == 5)
    }

    @Test("a unique key holds for it as for any other")
    func uniqueKey() async throws {
        _ = try await engine.enqueue(Carrying.self, .init(what: "a"), for: .tester, uniqueKey: "k")
        await #expect { _ = try await engine.enqueue(Carrying.self, .init(what: "b"), for: .tester, uniqueKey: "k") } throws: {
            ($0 as? EngineError)?.code == .duplicate
        }
    }

    @Test("jobs that nodes work can't be moved on from outside")
    func others() async throws {
        let plain = try await engine.enqueue(JobRequest(kind: "plain", principal: .tester, input: "{}"))
        await #expect { _ = try await advance(plain, 5) } throws: { ($0 as? EngineError)?.code == .notFound }
    }
}
