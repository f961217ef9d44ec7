import Foundation
import WaybillDatabases
import WaybillEngine
import WaybillSQLite

/// How fast jobs are claimed and completed from a table that holds many finished and queued ones, beside one that is empty.
struct GrownTable {
    let folder: String
    let finished: Int
    let queued: Int

    private static let measured = 20_000

    func run() async throws -> [String: Double] {
        let empty = try await rate(finished: 0, queued: Self.measured, "empty")
        let grown = try await rate(finished: finished, queued: queued, "grown")
        let held = try await rate(finished: 0, queued: Self.measured, "held", holdsSnapshot: true)
        return ["emptyPerSecond": empty, "grownPerSecond": grown, "heldPerSecond": held]
    }

    /// - Returns: jobs from claimed to completed in a second.
    private func rate(finished: Int, queued: Int, _ name: String, holdsSnapshot: Bool = false) async throws -> Double {
        let path = "\(folder)/\(name).db"
        let database = try await openDatabase(path)
        let began = BeganTimes()
        let engine = makeEngine(database, began, workers: 256)
        let principal = try principal("proof")
        try await enqueue(1, of: principal, milliseconds: 0, engine, in: database)
        try await fill(finished, in: database)
        try await enqueue(max(queued, Self.measured), of: principal, milliseconds: 0, engine, in: database)
        let reader = holdsSnapshot ? Task { try await hold(database) } : nil
        let running = Task { try await engine.run() }
        while began.count == 0 { try await Task.sleep(for: .milliseconds(1)) }
        let (start, before) = (ContinuousClock.now, began.count)
        while began.count - before < Self.measured - 1000 { try await Task.sleep(for: .milliseconds(2)) }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let done = began.count - before
        reader?.cancel()
        _ = await reader?.result
        running.cancel()
        _ = await running.result
        try await database.close()
        for suffix in ["", "-wal", "-shm"] where FileManager.default.fileExists(atPath: path + suffix) {
            try FileManager.default.removeItem(atPath: path + suffix)
        }
        return Double(done) / seconds
    }

    /// Copies of one ended job, as the engine leaves them.
    private func fill(_ count: Int, in database: SQLiteDatabase) async throws {
        let columns = try await database.read { session in
            try session.all(
                "SELECT name FROM pragma_table_info('engine_jobs') WHERE name NOT IN ('id', 'state', 'standing',"
                    + " 'ended_at', 'prune_at', 'fence', 'progress', 'attempts')"
            ) { $0.string(0) }
        }.joined(separator: ", ")
        for start in stride(from: 0, to: count, by: 100_000) {
            let end = min(count, start + 100_000)
            try await database.write { session in
                try session.execute(
                    """
                    WITH RECURSIVE numbers (n) AS (SELECT \(start) UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < \(end))
                    INSERT INTO engine_jobs (id, state, standing, ended_at, prune_at, fence, progress, attempts, \(columns))
                    SELECT printf('01900000-0000-7000-8000-%012x', n), 'completed', 6, created_at, created_at + 2592000000000, 1,
                        100, 0, \(columns)
                    FROM numbers, (SELECT * FROM engine_jobs WHERE standing = 1 LIMIT 1)
                    """)
            }
        }
    }

    /// Keeps one read transaction open.
    private func hold(_ database: SQLiteDatabase) async throws {
        try await database.read { session in
            _ = try session.count("SELECT count(*) FROM engine_jobs")
            while !Task.isCancelled { Thread.sleep(forTimeInterval: 0.01) }
        }
    }
}
