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

    /// Waits until so many have begun.
    /// - Returns: how many have, and when that was seen.
    func reach(_ wanted: Int) async throws -> (count: Int, at: ContinuousClock.Instant) {
        while true {
            let (count, now) = (count, ContinuousClock.now)
            if count >= wanted { return (count, now) }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

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

struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

struct Bench {
    let folder: String
    let principal = TenantID("bench").map { Principal(tenant: $0, user: "bench", roles: []) }

    /// Enqueues `queued` jobs, then runs the engine until `count` of them have run, after some to get going.
    /// - Returns: jobs in a second.
    func throughput(workers: Int, queued: Int, count: Int) async throws -> Double {
        let path = "\(folder)/jobs.db"
        let database = try SQLiteDatabase(path: path)
        try await SQLMigrator(EngineMigrations.all).migrate(database, now: 0)
        let began = BeganTimes()
        let engine = engine(database, began, workers: workers)
        guard let principal else { throw Failure("no tenant") }
        for start in stride(from: 0, to: queued, by: 5000) {
            try await database.write { session in
                for _ in start..<min(queued, start + 5000) {
                    _ = try engine.enqueue(JobRequest(kind: NoOp.kind, principal: principal, input: "{}"), in: session)
                }
            }
        }
        let running = Task { try await engine.run() }
        let (first, start) = try await began.reach(count / 10)
        let (last, end) = try await began.reach(count)
        running.cancel()
        _ = await running.result
        let completed = try await database.read { session in
            try session.count("SELECT count(*) FROM engine_jobs WHERE state = 'completed'")
        }
        guard completed >= count else { throw Failure("\(count) jobs ran, and \(completed) are completed") }
        try await database.close()
        try FileManager.default.removeItem(atPath: path)
        return Double(last - first) / ((end - start) / .seconds(1))
    }

    /// Enqueues at a steady rate for some seconds.
    /// - Returns: the waits from enqueuing to start, sorted, in milliseconds.
    func waits(rate: Double, seconds: Double) async throws -> [Double] {
        let path = "\(folder)/waits.db"
        let database = try SQLiteDatabase(path: path)
        try await SQLMigrator(EngineMigrations.all).migrate(database, now: 0)
        let began = BeganTimes()
        let engine = engine(database, began, workers: 64)
        guard let principal else { throw Failure("no tenant") }
        let running = Task { try await engine.run() }
        let start = ContinuousClock.now
        var sent = 0
        await withDiscardingTaskGroup { group in
            while Double(sent) < rate * seconds {
                let due = Int((ContinuousClock.now - start) / .microseconds(1)) * Int(rate) / 1_000_000
                while sent < due {
                    sent += 1
                    group.addTask {
                        do {
                            _ = try await engine.enqueue(JobRequest(kind: NoOp.kind, principal: principal, input: "{}"))
                        } catch {
                            fatalError("a job can't be enqueued: \(error)")
                        }
                    }
                }
                try? await Task.sleep(for: .milliseconds(1))
            }
        }
        while began.count < sent { try await Task.sleep(for: .milliseconds(5)) }
        running.cancel()
        _ = await running.result
        try await database.close()
        try FileManager.default.removeItem(atPath: path)
        return began.take().sorted()
    }

    private func engine(_ database: SQLiteDatabase, _ began: BeganTimes, workers: Int) -> JobEngine {
        JobEngine(
            database: database, blobs: MemoryBlobs(), handlers: JobHandlers([NoOp(began: began)]),
            configuration: EngineConfiguration(workers: workers), name: "bench", time: WallTime(),
            logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() })
    }
}

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count >= 2 else { throw Failure("EngineBench FOLDER batched|single|few|million|waits [RATE]") }
let bench = Bench(folder: arguments[0])
var result: [String: Double] = [:]
switch arguments[1] {
case "batched": result["jobsPerSecond"] = try await bench.throughput(workers: 256, queued: 60_000, count: 55_000)
case "single": result["jobsPerSecond"] = try await bench.throughput(workers: 1, queued: 10_000, count: 9_000)
case "few": result["jobsPerSecond"] = try await bench.throughput(workers: 256, queued: 20_000, count: 18_000)
case "million": result["jobsPerSecond"] = try await bench.throughput(workers: 256, queued: 1_000_000, count: 18_000)
case "waits":
    let waits = try await bench.waits(rate: Double(arguments.dropFirst(2).first ?? "") ?? 2100, seconds: 3)
    result = ["p50": waits[waits.count / 2], "p99": waits[waits.count * 99 / 100]]
default: throw Failure("unknown: \(arguments[1])")
}
print(String(decoding: try JSONSerialization.data(withJSONObject: result, options: [.sortedKeys]), as: UTF8.self))
