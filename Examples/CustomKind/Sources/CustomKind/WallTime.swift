import Foundation
import WaybillEngine

/// The clock of the system. Tests use `ManualTime` of `WaybillEngineTesting`.
struct WallTime: TimeSource {
    func now() -> Timestamp {
        Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000))
    }

    func sleep(until deadline: Timestamp) async throws {
        try await Task.sleep(for: max(.zero, deadline.since(now())))
    }
}
