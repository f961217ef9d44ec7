import WaybillBlobs
import WaybillEngine
import Web

/// Asks the stores whether they can be reached, at most once a second however many ask.
struct StoreHealth: Sendable {
    /// One that takes longer to answer counts as away.
    private static let patience = Duration.seconds(2)

    private struct Away: Error {}

    private let board: HealthBoard

    init(_ stores: BlobStores, time: any TimeSource) {
        board = HealthBoard(
            time: time,
            checks: stores.names.map { name in
                HealthBoard.Check(name) { try await Self.ask(name, of: stores, time) }
            })
    }

    private static func ask(_ name: String, of stores: BlobStores, _ time: any TimeSource) async throws {
        guard let key = BlobKey("health"), let blob = BlobKey(BlobRoute.prefix(of: name) + key.text) else { return }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                _ = try await stores.staging(of: name).length(key)
                _ = try await stores.blobs.length(blob)
            }
            group.addTask {
                try await time.sleep(until: time.now().advanced(by: patience))
                throw Away()
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// The names of those that can't be reached.
    func away() async -> Set<String> { Set(await board.failing()) }
}
