import Logging
import Synchronization
import WaybillEngine

/// The public keys of an issuer that publishes them at an address (RFC 7517). They are fetched again from time to time, and when
/// a token names a key that nobody knows; while that fails, those that are known stay good.
public final class RemoteKeys: Sendable {
    /// After a fetch that failed the next one comes sooner.
    static let retryDelay = Duration.seconds(15)
    /// Unknown keys cause a fetch this often at most, so that nobody can make us ask for ever.
    static let demandInterval = Duration.seconds(60)

    private struct State {
        var keys = KeySet()
        var isRunning = false
        var isFetching = false
        var demandedAt: Timestamp?
        /// Ends the pause between two fetches.
        var wake: AsyncStream<Void>.Continuation?
        /// Whoever waits for the end of the present or next fetch.
        var waiters: [CheckedContinuation<Bool, Never>] = []
    }

    private let fetch: @Sendable () async throws -> [UInt8]
    private let interval: Duration
    private let time: any TimeSource
    private let logger: Logger
    private let state = Mutex(State())

    /// - Parameters:
    ///   - interval: between two fetches that nobody has asked for.
    ///   - fetch: gets the document. It must end by itself, within seconds.
    public init(
        interval: Duration, time: any TimeSource, logger: Logger, fetch: @escaping @Sendable () async throws -> [UInt8]
    ) {
        self.interval = interval
        self.time = time
        self.logger = logger
        self.fetch = fetch
    }

    /// The keys that are known now.
    var keys: KeySet { state.withLock { $0.keys } }

    /// Fetches, at once and again and again, until the task is cancelled. To be called once.
    public func run() async {
        state.withLock { $0.isRunning = true }
        while !Task.isCancelled {
            let isDone = await fetchOnce()
            await pause(isDone ? interval : RemoteKeys.retryDelay)
        }
        release { $0.isRunning = false }
    }

    /// Waits for a fetch, if one is under way or may be made now.
    /// - Returns: the keys that are known then; nil if it is too early to ask again.
    func refreshed(now: Timestamp) async -> KeySet? {
        let isNews = await withCheckedContinuation { (waiter: CheckedContinuation<Bool, Never>) in
            let waits = state.withLock { state in
                guard state.isRunning else { return false }
                if !state.isFetching, state.waiters.isEmpty {
                    if let last = state.demandedAt, now.since(last) < RemoteKeys.demandInterval { return false }
                    state.demandedAt = now
                    state.wake?.yield()
                }
                state.waiters.append(waiter)
                return true
            }
            if !waits { waiter.resume(returning: false) }
        }
        return isNews ? keys : nil
    }

    /// - Returns: whether keys were found.
    private func fetchOnce() async -> Bool {
        state.withLock { $0.isFetching = true }
        do {
            let keys = try await KeySet(json: String(decoding: try await fetch(), as: UTF8.self))
            guard !keys.isEmpty else { throw NoKeys() }
            release { state in
                state.keys = keys
                state.isFetching = false
            }
            return true
        } catch {
            if !Task.isCancelled {
                logger.warning("the keys of the issuer can't be fetched; those known stay", metadata: ["error": "\(error)"])
            }
            release { $0.isFetching = false }
            return false
        }
    }

    /// Changes the state, and lets those go who waited for it.
    private func release(_ change: (inout State) -> Void) {
        let waiters = state.withLock { state in
            change(&state)
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: true) }
    }

    private func pause(_ duration: Duration) async {
        let (asked, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let isAsked = state.withLock { state in
            state.wake = wake
            return !state.waiters.isEmpty
        }
        if isAsked { wake.yield() }
        let until = time.now().advanced(by: duration)
        await withTaskGroup(of: Void.self) { [time] group in
            group.addTask {
                do { try await time.sleep(until: until) } catch { return }
            }
            group.addTask { for await _ in asked { break } }
            await group.next()
            group.cancelAll()
        }
        state.withLock { $0.wake = nil }
    }

    private struct NoKeys: Error, CustomStringConvertible {
        var description: String { "the document has no RSA key of 2048 bits or more and no P-256 key" }
    }
}
