import Foundation
import GRDB
import Testing
import WaybillDatabases
import WaybillEngine

@testable import WaybillSQLite

/// Seeds run in blocks, each on a database of its own. `WAYBILL_SEED` runs one; `WAYBILL_SEEDS` says how many (default 400), and
/// `WAYBILL_SEED_FROM` where they begin.
@Suite struct SimulationTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let steps = 60
    private static let blocks = 8

    @Test("no history of crashes, stalls, failures and races breaks a promise", arguments: 0..<blocks)
    func histories(block: Int) throws {
        if let seed = Self.environment["WAYBILL_SEED"].flatMap(UInt64.init) {
            guard block == 0 else { return }
            return try Self.run(seed..<(seed + 1))
        }
        let count = Self.environment["WAYBILL_SEEDS"].flatMap(UInt64.init) ?? 400
        let first = Self.environment["WAYBILL_SEED_FROM"].flatMap(UInt64.init) ?? 1
        let size = (count + UInt64(Self.blocks) - 1) / UInt64(Self.blocks)
        let from = first + UInt64(block) * size
        try Self.run(from..<min(from + size, first + count))
    }

    private static func run(_ seeds: Range<UInt64>) throws {
        let queue = try DatabaseQueue()
        try queue.inDatabase { database in
            let session = FailingSession(database)
            defer { session.clear() }
            for statement in EngineMigrations.all.flatMap({ $0.statements(.sqlite) }) { try session.execute(statement) }
            try session.execute("CREATE TABLE simulated_rows (job_id TEXT, fence INTEGER, number TEXT)")
            let tables = try session.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'") {
                $0.string(0)
            }
            for seed in seeds {
                for table in tables { try session.execute("DELETE FROM \(table)") }
                let options = SimulationOptions(seed: seed, steps: steps)
                let simulation = Simulation(options, on: session)
                do {
                    try simulation.run()
                } catch {
                    session.rollback()
                    Issue.record(
                        """
                        \(error)
                        \(options)
                        \(simulation.tail)
                        replay: WAYBILL_SEED=\(seed) swift test --filter SimulationTests
                        """)
                    return
                }
            }
        }
    }
}
