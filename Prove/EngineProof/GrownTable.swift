import Foundation
import Synchronization
import WaybillDatabases
import WaybillEngine

/// How fast jobs are claimed and completed from a table that holds many finished and queued ones, beside one that is empty; and
/// at the end of a long time in which somebody has held a snapshot, beside the same time without.
struct GrownTable {
    let stores: Stores
    let finished: Int
    let queued: Int
    /// How long the snapshot is held.
    let heldSeconds: Int

    /// Jobs: enough for some seconds, and no more than a part of the queue, whose end would be a short table again.
    private var measured: Int { min(20_000, queued / 5) }

    func run() async throws -> [String: Double] {
        let empty = try await rate(finished: 0, queued: measured)
        let grown = try await rate(finished: finished, queued: queued)
        // Enough for all that time, and for a machine that has more to give later.
        let many = max(measured, Int(empty * Double(heldSeconds) * 2))
        let free = try await rate(finished: 0, queued: many, seconds: heldSeconds)
        let held = try await rate(finished: 0, queued: many, seconds: heldSeconds, holdsSnapshot: true)
        return [
            "emptyPerSecond": empty, "grownPerSecond": grown, "freePerSecond": free, "heldPerSecond": held,
            "heldSeconds": Double(heldSeconds),
        ]
    }

    /// - Parameter seconds: work for so long first, and measure the last quarter of it; nil: measure the first jobs.
    /// - Returns: jobs from claimed to completed in a second.
    private func rate(finished: Int, queued: Int, seconds: Int? = nil, holdsSnapshot: Bool = false) async throws -> Double {
        let opened = try await stores.openEmpty()
        let began = BeganTimes()
        let engine = makeEngine(opened.database, stores, began, workers: 256)
        try await Rows(stores: stores, database: opened.database, engine: engine)
            .add(finished: finished, queued: queued, of: principal("proof"))
        let snapshot = HeldSnapshot()
        let reader = Task { if holdsSnapshot { try await snapshot.hold(on: opened.database) } }
        if holdsSnapshot { await snapshot.isHeld() }
        let running = Task { try await engine.run() }
        while began.count == 0 { try await Task.sleep(for: .milliseconds(1)) }
        if let seconds { try await Task.sleep(for: .seconds(seconds) * 3 / 4) }
        let (start, before) = (ContinuousClock.now, began.count)
        let end = seconds.map { start.advanced(by: .seconds($0) / 4) }
        while end.map({ ContinuousClock.now < $0 }) ?? (began.count - before < measured - 1000) {
            guard began.count < queued else { throw Stores.Missing(description: "the queue was too short for the time") }
            try await Task.sleep(for: .milliseconds(2))
        }
        let rate = Double(began.count - before) / ((ContinuousClock.now - start) / .seconds(1))
        snapshot.letGo()
        try await reader.value
        running.cancel()
        _ = await running.result
        try await opened.close()
        return rate
    }
}

/// One read transaction that stays open. Its thread is the driver's, which hears of no cancelled task.
private final class HeldSnapshot: Sendable {
    private let isWanted = Mutex(true)
    private let begun = AsyncStream.makeStream(of: Void.self)

    func hold(on database: any SQLDatabase) async throws {
        try await database.read { [self] session in
            _ = try session.count("SELECT count(*) FROM engine_lanes")
            begun.continuation.finish()
            while isWanted.withLock({ $0 }) { Thread.sleep(forTimeInterval: 0.01) }
        }
    }

    func isHeld() async { for await _ in begun.stream {} }

    func letGo() { isWanted.withLock { $0 = false } }
}
