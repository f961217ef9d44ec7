import Foundation
import Logging
import Synchronization
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillSQLite

// Measures the engine on a SQLite file with synchronous=FULL: no-op jobs from claim to completed. Prints one JSON object.

/// Does nothing, and notes when it began.
struct NoOp: JobHandler {
    static let kind: JobKind = "bench.noop"
    let began: BeganTimes

    func run(_ input: Nothing, from checkpoint: Nothing?, in job: JobContext<Nothing>) async throws -> Nothing {
        began.note(job.createdAt)
        return Nothing()
    }
}

/// How long each job waited from its enqueuing to its start, in milliseconds.
final class BeganTimes: Sendable {
    private let waits = Mutex<[Double]>([])

    func note(_ created: Timestamp) {
        let wait = Double(WallTime().now().microseconds - created.microseconds) / 1000
        waits.withLock { $0.append(wait) }
    }

    var count: Int { waits.withLock { $0.count } }
    func take() -> [Double] {
        waits.withLock { waits in
            defer { waits = [] }
            return waits
        }
    }
}

struct WallTime: TimeSource {
    func now() -> Timestamp { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }
    func sleep(until deadline: Timestamp) async throws { try await ContinuousClock().sleep(for: deadline.since(now())) }
}

struct Bench {
    let folder: String
    let principal = TenantID("bench").map { Principal(tenant: $0, user: "bench", roles: []) }

    /// Enqueues `queued` jobs, then runs the engine until `count` of them have completed.
    /// - Returns: jobs completed in a second.
    func throughput(workers: Int, queued: Int, count: Int) async throws -> Double {
        let path = "\(folder)/\(workers)-\(queued).db"
        let database = try SQLiteDatabase(path: path)
        try await SQLMigrator(EngineMigrations.all).migrate(database, now: 0)
        let began = BeganTimes()
        let engine = engine(database, began, workers: workers)
        guard let principal else { return 0 }
        for start in stride(from: 0, to: queued, by: 5000) {
            try await database.write { session in
                for _ in start..<min(queued, start + 5000) {
                    _ = try engine.enqueue(JobRequest(kind: NoOp.kind, principal: principal, input: "{}"), in: session)
                }
            }
        }
        let start = ContinuousClock.now
        let running = Task { try await engine.run() }
        var elapsed = Duration.zero
        while true {
            let done = began.count
            elapsed = ContinuousClock.now - start
            if done >= count { break }
            try await Task.sleep(for: .milliseconds(2))
        }
        let done = began.count
        running.cancel()
        _ = await running.result
        try await database.close()
        try FileManager.default.removeItem(atPath: path)
        return Double(done) / (Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18)
    }

    /// Enqueues at a steady rate for some seconds.
    /// - Returns: the waits from enqueuing to start, sorted, in milliseconds.
    func waits(rate: Double, seconds: Double) async throws -> [Double] {
        let path = "\(folder)/waits.db"
        let database = try SQLiteDatabase(path: path)
        try await SQLMigrator(EngineMigrations.all).migrate(database, now: 0)
        let began = BeganTimes()
        let engine = engine(database, began, workers: 64)
        guard let principal else { return [] }
        let running = Task { try await engine.run() }
        let start = ContinuousClock.now
        var sent = 0
        await withDiscardingTaskGroup { group in
            while Double(sent) < rate * seconds {
                let due = Int((ContinuousClock.now - start) / .microseconds(1)) * Int(rate) / 1_000_000
                while sent < due {
                    sent += 1
                    group.addTask {
                        _ = try? await engine.enqueue(JobRequest(kind: NoOp.kind, principal: principal, input: "{}"))
                    }
                }
                try? await Task.sleep(for: .milliseconds(1))
            }
        }
        while began.count < sent { try await Task.sleep(for: .milliseconds(5)) }
        running.cancel()
        _ = await running.result
        try await database.close()
        return began.take().sorted()
    }

    private func engine(_ database: SQLiteDatabase, _ began: BeganTimes, workers: Int) -> JobEngine {
        JobEngine(
            database: database, blobs: MemoryBlobs(), handlers: JobHandlers([NoOp(began: began)]),
            configuration: EngineConfiguration(workers: workers), name: "bench", time: WallTime(),
            logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() })
    }
}

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

let rounds = Int(CommandLine.arguments.dropFirst(2).first ?? "") ?? 5
let bench = Bench(folder: CommandLine.arguments.dropFirst().first ?? "/tmp")
var batched: [Double] = []
var single: [Double] = []
for _ in 0..<rounds {
    batched.append(try await bench.throughput(workers: 256, queued: 60_000, count: 60_000))
    single.append(try await bench.throughput(workers: 1, queued: 10_000, count: 10_000))
}
var small: [Double] = []
var large: [Double] = []
for _ in 0..<min(3, rounds) {
    small.append(try await bench.throughput(workers: 256, queued: 1_000 * 20, count: 20_000))
    large.append(try await bench.throughput(workers: 256, queued: 1_000_000, count: 20_000))
}
let waits = try await bench.waits(rate: 0.7 * 3000, seconds: 5)
let result: [String: Double] = [
    "batchedJobsPerSecond": median(batched), "singleJobsPerSecond": median(single), "rateWithFewQueued": median(small),
    "rateWithMillionQueued": median(large), "waitP50Milliseconds": waits[waits.count / 2],
    "waitP99Milliseconds": waits[waits.count * 99 / 100],
]
print(String(decoding: try JSONSerialization.data(withJSONObject: result, options: [.sortedKeys]), as: UTF8.self))
