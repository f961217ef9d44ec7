/// Lets what makes batches run ahead of what writes them: while one is being written, the next ones are read and encoded.
public enum WriteAhead {
    /// Batches that are asked for before they can be written. With few of them, each side waits whenever the other one takes
    /// longer for once, as it does for a sync or a move of the log.
    private static let batches = 4

    /// Makes batches and writes them until all are made.
    /// - Parameters:
    ///   - first: how much the first batches may be.
    ///   - make: gives a batch each time that one is asked for, and returns when there are no more.
    ///   - write: writes one, and says how much a later one may be.
    /// - Throws: what either of them throws.
    public static func run<Limit: Sendable, Batch: Sendable>(
        first: Limit, make: sending @escaping (WriteDemand<Limit, Batch>) async throws -> Void,
        write: (Batch) async throws -> Limit
    ) async throws {
        let (asked, asking) = AsyncStream.makeStream(of: Limit.self)
        let (given, giving) = AsyncThrowingStream.makeStream(of: Batch.self)
        async let making: Void = drive(make, WriteDemand(asked, giving))
        for _ in 0..<batches { asking.yield(first) }
        defer { asking.finish() }
        var limit = first
        for try await batch in given {
            asking.yield(limit)
            limit = try await write(batch)
        }
        await making
        // A cancelled task's streams just end.
        try Task.checkCancellation()
    }

    private static func drive<Limit, Batch>(
        _ make: sending (WriteDemand<Limit, Batch>) async throws -> Void, _ demand: sending WriteDemand<Limit, Batch>
    ) async {
        let giving = demand.giving
        do {
            try await make(demand)
            giving.finish()
        } catch {
            giving.finish(throwing: error)
        }
    }
}

/// What who makes batches is asked for. It has one owner.
public final class WriteDemand<Limit: Sendable, Batch: Sendable> {
    private var asked: AsyncStream<Limit>.AsyncIterator
    fileprivate let giving: AsyncThrowingStream<Batch, any Error>.Continuation

    fileprivate init(_ asked: AsyncStream<Limit>, _ giving: AsyncThrowingStream<Batch, any Error>.Continuation) {
        self.asked = asked.makeAsyncIterator()
        self.giving = giving
    }

    /// Waits until a batch is asked for.
    /// - Returns: how much it may be; nil if none is wanted any more.
    public func next() async -> Limit? { await asked.next(isolation: nil) }

    /// Gives the batch that was asked for.
    public func give(_ batch: Batch) { giving.yield(batch) }
}
