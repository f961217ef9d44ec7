import Foundation
import Logging
import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// Runs no-op jobs through the engine.
struct Bench {
    let place: String
    let principal: Principal

    init(place: String) throws {
        guard let tenant = TenantID("bench") else { throw Failure("no tenant") }
        self.place = place
        principal = Principal(tenant: tenant, user: "bench", roles: [])
    }

    /// Enqueues `queued` jobs, then runs the engine until `count` of them have run, after some to get going.
    /// - Returns: jobs in a second.
    func throughput(workers: Int, queued: Int, count: Int) async throws -> Double {
        let home = try await BenchDatabase(place)
        let began = BeganTimes()
        let engine = engine(home, home.database, began, workers: workers)
        try await enqueue(queued, engine, home.database)
        let running = Task { try await engine.run() }
        let (first, start) = await began.reach(count / 10)
        let (last, end) = await began.reach(count)
        running.cancel()
        _ = await running.result
        let completed = try await home.database.read { session in
            try session.count("SELECT count(*) FROM engine_jobs WHERE state = 'completed'")
        }
        // Those that were running when it was told to stop were begun and not ended.
        guard completed >= count - workers else { throw Failure("\(count) jobs ran, and \(completed) are completed") }
        try await home.end()
        return Double(last - first) / ((end - start) / .seconds(1))
    }

    /// Few in one transaction: each one moves the same lane, and versions of a row are cleared away only when it has ended.
    private func enqueue(_ queued: Int, _ engine: JobEngine, _ database: any SQLDatabase) async throws {
        for start in stride(from: 0, to: queued, by: 100) {
            try await database.write { [principal] session in
                for _ in start..<min(queued, start + 100) {
                    _ = try engine.enqueue(JobRequest(kind: NoOp.kind, principal: principal, input: "{}"), in: session)
                }
            }
        }
    }

    /// Enqueues at a steady rate for some seconds; another node may do the same on the same database.
    /// - Returns: the waits from enqueuing to start of the jobs that began here, sorted, in milliseconds.
    func waits(rate: Double, seconds: Double) async throws -> [Double] {
        let home = try await BenchDatabase(place)
        let began = BeganTimes()
        let engine = engine(home, home.database, began, workers: 64)
        let running = Task { try await engine.run() }
        // The first statements are being prepared.
        try await send(rate: rate, seconds: 0.5, to: engine)
        try await untilIdle(home.database)
        _ = began.take()
        try await send(rate: rate, seconds: seconds, to: engine)
        try await untilIdle(home.database)
        let waits = began.take().sorted()
        running.cancel()
        _ = await running.result
        try await home.end()
        return waits
    }

    private func send(rate: Double, seconds: Double, to engine: JobEngine) async throws {
        let start = ContinuousClock.now
        var sent = 0
        try await withThrowingDiscardingTaskGroup { group in
            while Double(sent) < rate * seconds {
                let due = Int((ContinuousClock.now - start) / .microseconds(1)) * Int(rate) / 1_000_000
                while sent < due {
                    sent += 1
                    group.addTask { [principal] in
                        _ = try await engine.enqueue(JobRequest(kind: NoOp.kind, principal: principal, input: "{}"))
                    }
                }
                try await Task.sleep(for: .milliseconds(1))
            }
        }
    }

    private func untilIdle(_ database: any SQLDatabase) async throws {
        while try await database.read({ try $0.count("SELECT count(*) FROM engine_jobs WHERE standing IN (1, 5)") }) > 0 {
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// The statements of the transaction in which one job is completed and the next one claimed, with their arguments.
    func statements() async throws -> [[String: Any]] {
        let home = try await BenchDatabase(place)
        let recording = RecordingDatabase(home.database)
        let engine = engine(home, recording, BeganTimes(), workers: 1)
        try await enqueue(1000, engine, home.database)
        let running = Task { try await engine.run() }
        while recording.cycle == nil { try await Task.sleep(for: .milliseconds(5)) }
        running.cancel()
        _ = await running.result
        try await home.end()
        return (recording.cycle ?? []).map { ["sql": $0.sql, "arguments": $0.arguments.map(Self.json)] }
    }

    private static func json(_ value: SQLValue) -> Any {
        switch value {
        case .null: NSNull()
        case .integer(let integer): integer
        case .double(let double): double
        case .text(let text): text
        case .blob: "blob"
        }
    }

    private func engine(
        _ home: BenchDatabase, _ database: any SQLDatabase, _ began: BeganTimes, workers: Int
    ) -> JobEngine {
        JobEngine(
            database: database, blobs: MemoryBlobs(), handlers: JobHandlers([NoOp(began: began)]),
            configuration: EngineConfiguration(
                workers: workers, isAlone: !home.isShared, leaseClock: home.isShared ? .database : .node),
            name: "bench-\(ProcessInfo.processInfo.processIdentifier)", time: WallTime(),
            logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() })
    }
}
