import Logging
import WaybillBlobs

@testable import WaybillEngine

/// The time of a rig.
struct TestTime: TimeSource {
    private let rig: StoreRig

    init(_ rig: StoreRig) {
        self.rig = rig
    }

    func now() -> Timestamp { rig.now }

    func sleep(until deadline: Timestamp) async throws {
        throw CancellationError()
    }
}

enum TestNode {
    /// A node over a rig's store.
    static func make(_ rig: StoreRig) async throws -> EngineNode {
        EngineNode(
            name: "node", database: rig.database, blobs: MemoryBlobs(), store: rig.store, handlers: JobHandlers(),
            configuration: EngineConfiguration(), time: TestTime(rig), ids: JobIDSource(SeededGenerator(seed: 11)),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
}
