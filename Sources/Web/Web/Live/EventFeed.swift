import Logging
import ServiceLifecycle
import Synchronization
import WaybillEngine

/// Reads the event logs of those tenants in whose name somebody listens on this node: once for all who do, however many they
/// are.
///
/// It carries no facts of its own. Whoever listens says up to which number he knows the log, and reads what lies before himself.
public final class EventFeed: Service {
    /// How often it looks without being woken: for what other nodes did, and after an error.
    private static let pollInterval = Duration.seconds(5)
    static let eventsAtOnce = 200
    /// So many logs are looked at one by one; of more, the numbers of all are asked for first.
    private static let singleLooksMax = 4

    typealias Offer = @Sendable ([LivePacket]) -> Void

    private struct Listener {
        var account: String
        /// The number from which on packets are offered; nil until it is known.
        var from: Int64?
        var offer: Offer
    }

    private struct Log {
        /// All up to this number was offered; nil until it is known.
        var last: Int64?
        var listeners: [Int: Listener] = [:]
    }

    private struct State {
        var nextID = 0
        var logs: [TenantID: Log] = [:]
    }

    let source: any LivePackets
    private let engine: JobEngine
    private let time: any TimeSource
    private let logger: Logger
    private let state = Mutex(State())
    private let wakes: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation

    public init(_ source: any LivePackets, engine: JobEngine, time: any TimeSource, logger: Logger) {
        self.source = source
        self.engine = engine
        self.time = time
        self.logger = logger
        (wakes, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: Listening

    /// A listener. It ends when it is let go of.
    final class Listening: Sendable {
        /// Packets of later events are offered.
        let from: Int64
        private let end: @Sendable () -> Void

        fileprivate init(from: Int64, end: @escaping @Sendable () -> Void) {
            self.from = from
            self.end = end
        }

        deinit { end() }
    }

    /// Offers what is told in the name of an account from now on, in order and without a gap.
    /// - Parameter offer: is called from the one task that reads for all, and must not wait.
    func listen(_ tenant: TenantID, _ account: String, _ offer: @escaping Offer) async throws -> Listening {
        let id = state.withLock { state in
            state.nextID += 1
            let last = state.logs[tenant]?.last
            state.logs[tenant, default: Log()].listeners[state.nextID] = Listener(account: account, from: last, offer: offer)
            return state.nextID
        }
        let end: @Sendable () -> Void = { [weak self] in self?.remove(id, of: tenant) }
        do {
            // Read after it is in the list, so that nothing lies between.
            let last = try await lastNumber(of: tenant)
            let from = state.withLock { state in
                if state.logs[tenant]?.last == nil {
                    state.logs[tenant]?.last = last
                    for key in state.logs[tenant, default: Log()].listeners.keys {
                        state.logs[tenant]?.listeners[key]?.from = last
                    }
                }
                return state.logs[tenant]?.listeners[id]?.from ?? last
            }
            waker.yield()
            return Listening(from: from, end: end)
        } catch {
            end()
            throw error
        }
    }

    /// The number of a tenant's last event; 0 if there is none.
    func lastNumber(of tenant: TenantID) async throws -> Int64 { try await engine.lastEvent(of: tenant) }

    private func remove(_ id: Int, of tenant: TenantID) {
        state.withLock { state in
            state.logs[tenant]?.listeners[id] = nil
            if state.logs[tenant]?.listeners.isEmpty == true { state.logs[tenant] = nil }
        }
    }

    // MARK: Reading

    /// Works until the service group shuts down or the task is cancelled.
    public func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            let ticks = engine.listen()
            await withTaskGroup(of: Void.self) { group in
                group.addTask { [waker] in for await _ in ticks { waker.yield() } }
                group.addTask { await self.poll() }
                await work()
                group.cancelAll()
            }
        }
    }

    private func poll() async {
        while !Task.isCancelled {
            waker.yield()
            do {
                try await time.sleep(until: time.now().advanced(by: Self.pollInterval))
            } catch {
                return
            }
        }
    }

    private func work() async {
        for await _ in wakes {
            do {
                try await catchUp()
            } catch is CancellationError {
                return
            } catch {
                logger.error("events could not be read for those who listen; it is tried again", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Offers all that has happened since.
    private func catchUp() async throws {
        let known = state.withLock { state in state.logs.compactMap { tenant, log in log.last.map { (tenant, $0) } } }
        guard known.count > Self.singleLooksMax else {
            for (tenant, last) in known { try await read(tenant, after: last) }
            return
        }
        let numbers = Dictionary(try await engine.eventTenants().map { ($0, $1) }) { $1 }
        for (tenant, last) in known where numbers[tenant, default: 0] > last { try await read(tenant, after: last) }
    }

    private func read(_ tenant: TenantID, after number: Int64) async throws {
        var last = number
        var hasMore = true
        while hasMore {
            let page = try await source.page(of: tenant, after: last, limit: Self.eventsAtOnce)
            hasMore = page.hasMore
            guard page.upTo > last else { return }
            let listeners: [Listener] = state.withLock { state in
                // Whoever let go and came back in between has a place of his own in the log.
                guard let log = state.logs[tenant], log.last == last else { return [] }
                state.logs[tenant]?.last = page.upTo
                return Array(log.listeners.values)
            }
            last = page.upTo
            guard !listeners.isEmpty else { return }
            let packets = Dictionary(grouping: page.packets, by: \.account)
            for listener in listeners {
                if let own = packets[listener.account] { listener.offer(own) }
            }
        }
    }
}
