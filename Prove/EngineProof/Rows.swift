import WaybillDatabases
import WaybillEngine

/// Very many jobs at once, as the engine leaves them: copies of one that it has enqueued.
struct Rows {
    let stores: Stores
    let database: any SQLDatabase
    let engine: JobEngine

    private static let slice = 100_000
    /// Columns that differ from job to job, or with the state.
    private static let own = ["id", "state", "standing", "ended_at", "prune_at", "fence", "progress", "attempts"]

    /// - Parameters:
    ///   - finished: jobs that have ended.
    ///   - queued: jobs that are ready, one of them being the one that the others are copies of.
    func add(finished: Int, queued: Int, of principal: Principal) async throws {
        let template = try await engine.enqueue(Step.self, .init(), for: principal).id
        let columns = try await database.read { session in
            let names =
                session.dialect == .sqlite
                ? "SELECT name FROM pragma_table_info('engine_jobs')"
                : "SELECT column_name::text FROM information_schema.columns WHERE table_name = 'engine_jobs'"
            return try session.all(names) { $0.string(0) }
        }.filter { !Self.own.contains($0) }.joined(separator: ", ")
        let ended = "'completed', 6, created_at, created_at + 2592000000000, 1, 100, 0"
        try await copy(template, 0..<finished, values: ended, columns)
        try await copy(
            template, finished..<finished + max(0, queued - 1), values: "state, standing, NULL, NULL, 0, 0, 0", columns)
        try await database.write { session in
            try session.execute(
                "UPDATE engine_lanes SET ready = $1, waits = 1, mark_id = NULL WHERE tenant = $2",
                arguments: [.integer(Int64(queued)), .text(principal.tenant.text)])
        }
        try await stores.settle()
    }

    private func copy(_ template: JobID, _ numbers: Range<Int>, values: String, _ columns: String) async throws {
        for start in stride(from: numbers.lowerBound, to: numbers.upperBound, by: Self.slice) {
            let end = min(numbers.upperBound, start + Self.slice)
            try await database.write { session in
                let isSQLite = session.dialect == .sqlite
                // Of each tenant's own, so that several can have them.
                let mark = "substr('\(template.text)', 1, 23)"
                let id = isSQLite ? "\(mark) || printf('-%012x', n)" : "\(mark) || '-' || lpad(to_hex(n), 12, '0')"
                let series =
                    isSQLite
                    ? """
                    WITH RECURSIVE numbers (n) AS (SELECT \(start) UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < \(end))
                    """ : "WITH numbers (n) AS (SELECT generate_series(\(start), \(end - 1)))"
                try session.execute(
                    """
                    \(series)
                    INSERT INTO engine_jobs (\(Self.own.joined(separator: ", ")), \(columns))
                    SELECT \(id), \(values), \(columns)
                    FROM numbers, (SELECT * FROM engine_jobs WHERE id = '\(template.text)') AS template
                    """)
            }
        }
    }
}
