import WaybillBlobs

/// What is on its way for writers, behind their backs. It has a number of places: they bound the memory of all writers together.
final class S3TransferService: Sendable {
    private let places: CallPlaces

    init(transfersMax: Int) {
        places = CallPlaces(transfersMax)
    }

    /// Waits for a place and starts a transfer in it. The task belongs to the writer, who waits for it or cancels it.
    func start<Result: Sendable>(
        _ transfer: @escaping @Sendable () async throws -> Result
    ) async throws -> Task<Result, any Error> {
        try await places.take()
        return Task { [places] in
            defer { places.give() }
            return try await transfer()
        }
    }

    /// Runs to its end even if the caller is cancelled.
    func complete(_ work: @escaping @Sendable () async -> Void) async {
        await Task { await work() }.value
    }

    /// Runs it when nobody is left to wait for it.
    func leave(_ work: @escaping @Sendable () async -> Void) {
        Task { await work() }
    }
}
