import Foundation
import Logging
import Synchronization
import WaybillBlobs
import WaybillDatabases
import WaybillEngine

struct WallTime: TimeSource {
    func now() -> Timestamp { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }
    func sleep(until deadline: Timestamp) async throws { try await ContinuousClock().sleep(for: deadline.since(now())) }
}

/// Notes when it began, and does nothing.
struct Step: JobHandler {
    static let kind: JobKind = "proof.step"
    struct Input: Codable, Sendable {}
    let began: BeganTimes

    func run(_ input: Input, from checkpoint: Nothing?, in job: JobContext<Nothing>) async throws -> Nothing {
        began.note(job.principal.tenant, created: job.createdAt)
        return Nothing()
    }
}

/// How long each job of a tenant waited from its enqueuing to its start, in milliseconds.
final class BeganTimes: Sendable {
    private let waits = Mutex<[TenantID: [Double]]>([:])

    func note(_ tenant: TenantID, created: Timestamp) {
        let wait = Double(WallTime().now().microseconds - created.microseconds) / 1000
        waits.withLock { $0[tenant, default: []].append(wait) }
    }

    func waits(of tenant: TenantID) -> [Double] { waits.withLock { $0[tenant] ?? [] } }
    var count: Int { waits.withLock { $0.values.reduce(0) { $0 + $1.count } } }
}

func makeEngine(_ database: any SQLDatabase, _ stores: Stores, _ began: BeganTimes, workers: Int) -> JobEngine {
    JobEngine(
        database: database, blobs: MemoryBlobs(), handlers: JobHandlers([Step(began: began)]),
        configuration: EngineConfiguration(
            workers: workers, isAlone: !stores.isShared, leaseClock: stores.isShared ? .database : .node), name: "proof",
        time: WallTime(), logger: Logger(label: "proof") { _ in SwiftLogNoOpLogHandler() })
}

struct NoTenant: Error {}

func principal(_ tenant: String) throws -> Principal {
    guard let id = TenantID(tenant) else { throw NoTenant() }
    return Principal(tenant: id, user: "proof", roles: [])
}

func percentile(_ values: [Double], _ share: Double) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    return sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
}
