import Logging
import SeededBugs
import ServiceLifecycle
import WaybillDatabases
import WaybillEngine
import Web

/// Tells the one who wanted a job of its end: reads the event logs from a cursor of its own and writes notices.
///
/// Cursor and notices are one transaction, so that each end is told once, however often it is started, and on how many nodes.
/// It only reads what the engine has committed: if it fails, no job notices, and it catches up later.
public struct NotifyService: Service {
    /// How often it looks without being woken: for what other nodes did, and after an error.
    static let pollInterval = Duration.seconds(5)
    static let pruneInterval = Duration.seconds(3600)
    static let eventsAtOnce = 500

    private let database: any SQLDatabase
    private let engine: JobEngine
    private let styles: NoticeStyles
    private let retention: Duration
    private let time: any TimeSource
    private let logger: Logger
    private let store = NotifyStore()

    /// - Parameter retention: after which notices go, read or not; 30 days.
    public init(
        database: any SQLDatabase, engine: JobEngine, styles: NoticeStyles = NoticeStyles(),
        retention: Duration = .seconds(30 * 86_400),
        time: any TimeSource, logger: Logger
    ) {
        self.database = database
        self.engine = engine
        self.styles = styles
        self.retention = retention
        self.time = time
        self.logger = logger
    }

    /// Works until the service group shuts down or the task is cancelled.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            let ticks = engine.listen()
            let (wakes, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
            await withTaskGroup(of: Void.self) { group in
                group.addTask { for await _ in ticks { waker.yield() } }
                group.addTask { await poll(waker) }
                await work(wakes)
                group.cancelAll()
            }
        }
    }

    private func poll(_ waker: AsyncStream<Void>.Continuation) async {
        while !Task.isCancelled {
            waker.yield()
            do {
                try await time.sleep(until: time.now().advanced(by: Self.pollInterval))
            } catch {
                return
            }
        }
    }

    private func work(_ wakes: AsyncStream<Void>) async {
        var prunedAt: Timestamp?
        for await _ in wakes {
            do {
                try await catchUp()
                if prunedAt.map({ time.now().since($0) >= Self.pruneInterval }) ?? true {
                    try await prune()
                    prunedAt = time.now()
                }
            } catch is CancellationError {
                return
            } catch {
                logger.error("notices could not be written; it is tried again", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Tells all ends that have not been told yet.
    /// - Throws: `SQLError`; what has been told until then stays.
    public func catchUp() async throws {
        let cursors = try await database.read { [store] session in try store.cursors(in: session) }
        for (tenant, last) in try await engine.eventTenants() where cursors[tenant, default: 0] < last {
            var cursor = cursors[tenant, default: 0]
            while let next = try await tell(tenant, after: cursor) { cursor = next }
        }
    }

    /// Tells what some further events say.
    /// - Returns: the number of the last one; nil if there are no more, or if another node tells them.
    private func tell(_ tenant: TenantID, after cursor: Int64) async throws -> Int64? {
        let events = try await engine.events(of: tenant, after: cursor, limit: Self.eventsAtOnce)
        guard let last = events.last?.number, let newest = events.map(\.at).max() else { return nil }
        var notices: [Notice] = []
        for event in events {
            // A job that has been deleted since is nobody's concern any more.
            guard let outcome = Notice.outcome(of: event), let job = try await engine.find(event.job, of: tenant),
                let style = styles.style(of: job.kind)
            else { continue }
            if SeededBug.dropsNotice, event.number % 5 == 0 { continue }
            notices.append(Notice(event, outcome, of: job, in: style))
        }
        let isTold = try await database.write(of: tenant) { [store, notices] session in
            do {
                try TenantGate.admit(tenant, since: newest, in: session)
            } catch is Problem {
                // The tenant has been erased since the events were read.
                return false
            }
            return try store.tell(notices, of: tenant, from: cursor, to: last, in: session)
        }
        return isTold ? last : nil
    }

    /// Deletes notices whose time has passed.
    public func prune() async throws {
        let before = time.now().advanced(by: .zero - retention)
        while try await database.write({ [store] session in try store.prune(before: before, in: session) }) > 0 {}
    }
}
