import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import PostgresFixture
import ServiceLifecycle
import Synchronization
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

@testable import Notify

/// An engine with jobs that end in each way, over a database in memory.
struct NotifyFixture: Sendable {
    let database: any SQLDatabase
    let engine: JobEngine
    let time = TurnedClock()
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    static let styles = NoticeStyles(
        [
            "test.export": NoticeStyle(
                noun: "Content export", link: "/content/export/{jobId}",
                counters: [.init("exported", "rows exported"), .init("failed", "rows failed", isToldAtZero: false)])
        ], silent: ["test.silent"])

    init() async throws {
        database = try await TestDatabase.open()
        try await SQLMigrator(EngineMigrations.all + NotifyMigrations.all + WebMigrations.all).migrate(database, now: 0)
        engine = JobEngine(
            database: database, blobs: MemoryBlobs(), handlers: JobHandlers([Exporting(), Other(), Silent()]), name: "test",
            time: time,
            logger: logger)
    }

    func service(_ database: (any SQLDatabase)? = nil) -> NotifyService {
        NotifyService(database: database ?? self.database, engine: engine, styles: Self.styles, time: time, logger: logger)
    }

    func principal(_ user: String, _ tenant: String = "acme") throws -> Principal {
        Principal(tenant: try #require(TenantID(tenant)), user: user, roles: ["reader"])
    }

    /// Runs the engine while `body` does, then shuts it down.
    func running<T: Sendable>(_ body: @Sendable () async throws -> T) async throws -> T {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try? await engine.run() }
            let value = try await body()
            group.cancelAll()
            return value
        }
    }

    func ended(_ job: JobRecord) async throws -> JobRecord {
        let ticks = engine.watch(job.id)
        if let now = try await engine.find(job.id), now.state.isFinal { return now }
        for await _ in ticks {
            if let now = try await engine.find(job.id), now.state.isFinal { return now }
        }
        return job
    }

    func notices(of user: String, _ tenant: String = "acme") async throws -> [Notice] {
        let tenant = try #require(TenantID(tenant))
        return try await database.read { session in
            try NotifyStore().list(tenant: tenant, user: user, isUnreadOnly: false, offset: 0, limit: 1000, in: session).notices
        }
    }
}

struct Exporting: JobHandler {
    static let kind: JobKind = "test.export"
    func run(_ input: Bool, from checkpoint: Nothing?, in job: JobContext<Nothing>) async throws -> Nothing {
        guard input else { throw JobFailure(code: "NO_DISK", message: "The disk is full.") }
        try await job.commit(Nothing(), progress: 50, counters: ["exported": 12, "failed": 0])
        return Nothing()
    }
}

struct Other: JobHandler {
    static let kind: JobKind = "test.other"
    func run(_ input: Nothing, from checkpoint: Nothing?, in job: JobContext<Nothing>) async throws -> Nothing { Nothing() }
}

struct Silent: JobHandler {
    static let kind: JobKind = "test.silent"
    func run(_ input: Nothing, from checkpoint: Nothing?, in job: JobContext<Nothing>) async throws -> Nothing { Nothing() }
}

/// Stands still until it is turned; sleepers are woken at once, so that what polls goes round.
final class TurnedClock: TimeSource {
    private let microseconds = Mutex<Int64>(1_795_305_600_000_000)

    func now() -> Timestamp { Timestamp(microseconds: microseconds.withLock { $0 }) }
    func advance(_ duration: Duration) {
        microseconds.withLock { $0 = Timestamp(microseconds: $0).advanced(by: duration).microseconds }
    }

    func sleep(until deadline: Timestamp) async throws {
        // A short real wait, so that loops do not spin.
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// A database whose writes fail, before or after they are done, as often as it is told.
final class FailingDatabase: SQLDatabase {
    struct Failure: Error {}

    let inner: any SQLDatabase
    let failures: Mutex<[Bool]>
    let failed = AsyncStream.makeStream(of: Void.self)

    /// - Parameter failures: for each write in turn: true fails it before anything is done, false after it was committed.
    init(_ inner: any SQLDatabase, _ failures: [Bool]) {
        self.inner = inner
        self.failures = Mutex(failures)
    }

    var dialect: SQLDialect { inner.dialect }

    func read<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        try await inner.read(body)
    }

    func write<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        let fails = failures.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        guard let fails else { return try await inner.write(body) }
        if !fails { _ = try await inner.write(body) }
        failed.continuation.yield()
        throw Failure()
    }
}
