import Synchronization

/// What `MeasuredBlobs` has counted so far.
public final class BlobMeter: Sendable {
    public enum Call: String, Sendable, CaseIterable {
        case open, append, finish, read, chunk, length, delete, list, sweep
    }

    /// Of one kind of call.
    public struct Figures: Sendable, Hashable {
        public var count = 0
        /// Those that threw, a blob that is not there left out.
        public var failures = 0
        /// All calls together.
        public var took = Duration.zero
        public var longest = Duration.zero
    }

    private struct State {
        var figures: [Call: Figures] = [:]
        var bytesRead: Int64 = 0
        var bytesWritten: Int64 = 0
    }

    private let state = Mutex(State())

    public init() {}

    public func figures(_ call: Call) -> Figures { state.withLock { $0.figures[call] ?? Figures() } }
    public var bytesRead: Int64 { state.withLock { $0.bytesRead } }
    public var bytesWritten: Int64 { state.withLock { $0.bytesWritten } }

    func note(_ call: Call, took: Duration, failed: BlobError?) {
        state.withLock { state in
            var figures = state.figures[call] ?? Figures()
            figures.count += 1
            if let failed, failed.code != .notFound { figures.failures += 1 }
            figures.took += took
            figures.longest = max(figures.longest, took)
            state.figures[call] = figures
        }
    }

    func read(_ count: Int) { state.withLock { $0.bytesRead &+= Int64(count) } }
    func wrote(_ count: Int) { state.withLock { $0.bytesWritten &+= Int64(count) } }
}
