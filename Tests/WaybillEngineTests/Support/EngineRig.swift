import Logging
import Synchronization
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngineTesting

@testable import WaybillEngine

/// An engine that runs as it does in a server, under a manual clock.
struct EngineRig: Sendable {
    let database: any SQLDatabase
    let blobs: any BlobStore
    let time: ManualTime
    let engine: JobEngine

    init(
        _ handler: any JobHandler, database: (any SQLDatabase)? = nil, blobs: (any BlobStore)? = nil,
        time: ManualTime = ManualTime(),
        name: String = "one", configuration: EngineConfiguration = EngineConfiguration()
    ) async throws {
        if let database { self.database = database } else { self.database = try await EngineDatabase.standard.open() }
        self.blobs = blobs ?? MemoryBlobs()
        self.time = time
        try await SQLMigrator(EngineMigrations.all).migrate(self.database, now: 0)
        engine = JobEngine(
            database: self.database, blobs: self.blobs, handlers: JobHandlers([handler]), configuration: configuration,
            name: name,
            time: time, generator: SeededGenerator(seed: UInt64(name.count)),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @discardableResult
    func enqueue(_ input: Int = 0, maxAttempts: Int = 3, uniqueKey: String? = nil) async throws -> JobRecord {
        try await engine.enqueue(ScriptedJob.self, input, for: .tester, uniqueKey: uniqueKey, maxAttempts: maxAttempts)
    }

    /// Returns once the job is as the test wants it. Woken by the engine's own signal.
    @discardableResult
    func until(_ id: JobID, _ isMet: @Sendable (JobRecord) -> Bool) async throws -> JobRecord {
        let ticks = engine.watch(id)
        if let job = try await engine.find(id), isMet(job) { return job }
        for await _ in ticks {
            if let job = try await engine.find(id), isMet(job) { return job }
        }
        throw CancellationError()
    }

    @discardableResult
    func untilEnded(_ id: JobID) async throws -> JobRecord {
        try await until(id) { $0.state.isFinal }
    }

    /// Runs the engine while `body` does.
    func running<T: Sendable>(_ body: @Sendable () async throws -> T) async throws -> T {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await engine.run() }
            await time.untilAsleep(Self.loops)
            let result = try await body()
            group.cancelAll()
            try await group.waitForAll()
            return result
        }
    }

    /// How many loops of a running engine sleep when there is nothing to do.
    static let loops = 4

    /// Lets time pass once the engine's loops sleep.
    func pass(_ duration: Duration) async {
        await time.untilAsleep(Self.loops)
        time.advance(by: duration)
    }

    func bytes(of id: JobID) async throws -> [String: [UInt8]] {
        var all: [String: [UInt8]] = [:]
        for (artifact, segments) in try await engine.artifacts(of: id) {
            var bytes: [UInt8] = []
            for segment in segments {
                for try await chunk in try await blobs.read(segment.key, range: 0..<segment.length) { bytes += chunk }
            }
            all[artifact.name] = bytes
        }
        return all
    }

    func blobCount() async throws -> Int { try await blobs.list(prefix: "", after: nil, limit: 10_000).count }
}
