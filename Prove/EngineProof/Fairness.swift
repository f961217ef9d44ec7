import WaybillDatabases
import WaybillEngine

/// A tenant asks for a job now and then: alone, and while another tenant has many queued.
///
/// The jobs do nothing, so that a wait is the wait for one's turn and not for a worker that is busy with something long.
struct Fairness {
    let stores: Stores
    /// That the other tenant queues.
    let jobs: Int

    private static let asked = 400

    func run() async throws -> [String: Double] {
        let alone = try await waits(beside: 0)
        let beside = try await waits(beside: jobs)
        return [
            "aloneP50": percentile(alone.waits, 0.5), "aloneP99": percentile(alone.waits, 0.99),
            "besideP50": percentile(beside.waits, 0.5), "besideP99": percentile(beside.waits, 0.99), "queued": Double(jobs),
            "asked": Double(Self.asked), "left": Double(beside.left),
        ]
    }

    /// - Returns: how long the small tenant's jobs waited, in milliseconds, and how many of the other one's were left then.
    private func waits(beside jobs: Int) async throws -> (waits: [Double], left: Int) {
        let opened = try await stores.openEmpty()
        let began = BeganTimes()
        let engine = makeEngine(opened.database, stores, began, workers: 4)
        let (small, large) = (try principal("small"), try principal("large"))
        if jobs > 0 {
            try await Rows(stores: stores, database: opened.database, engine: engine).add(finished: 0, queued: jobs, of: large)
        }
        let running = Task { try await engine.run() }
        for _ in 0..<Self.asked {
            _ = try await engine.enqueue(Step.self, .init(), for: small)
            try await Task.sleep(for: .milliseconds(10))
        }
        while began.waits(of: small.tenant).count < Self.asked { try await Task.sleep(for: .milliseconds(10)) }
        let left = jobs - began.waits(of: large.tenant).count
        running.cancel()
        _ = await running.result
        try await opened.close()
        return (began.waits(of: small.tenant), left)
    }
}
