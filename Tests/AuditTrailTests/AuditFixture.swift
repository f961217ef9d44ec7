import PostgresFixture
import Synchronization
import Testing
import WaybillDatabases
import WaybillEngine

@testable import AuditTrail

/// A database with the tables of the audit log, and a clock that a test turns.
struct AuditFixture: Sendable {
    let database: any SQLDatabase
    let store = AuditStore(isEnabled: true)
    let time = StandingClock()
    let tenant: TenantID

    init() async throws {
        database = try await TestDatabase.open()
        try await SQLMigrator(AuditMigrations.all).migrate(database, now: 0)
        tenant = try #require(TenantID("acme"))
    }

    var sealer: AuditSealer { AuditSealer(database: database, time: time) }
    var verifier: AuditVerifier { AuditVerifier(database: database) }

    /// Appends events of other programs, one transaction each time.
    func append(_ events: [AuditEvent], of tenant: TenantID? = nil) async throws {
        let owner = tenant ?? self.tenant
        try await database.write(of: owner) { [store] session in _ = try store.append(events, of: owner, in: session) }
    }

    func append(_ count: Int, from first: Int = 1) async throws {
        try await append((first..<first + count).map { event("e\($0)", at: Int64($0)) })
    }

    func event(_ id: String?, at: Int64 = 1, user: String? = "ann", action: String = "PAGE_VIEW", target: String? = nil)
        -> AuditEvent
    {
        AuditEvent(
            id: id, at: Timestamp(microseconds: at * 1_000_000), user: user, action: AuditAction(rawValue: action), target: target
        )
    }

    func texts(_ filter: AuditFilter = AuditFilter()) async throws -> [String] {
        try await database.read(of: tenant) { [store, tenant] session in
            var texts: [String] = []
            try store.read(filter, of: tenant, after: 0, through: .max, in: session) { row in
                texts.append("\(row.int64(0)) \(row.string(1))")
                return .next
            }
            return texts
        }
    }

    func numbers(_ filter: AuditFilter = AuditFilter()) async throws -> [Int64] {
        try await texts(filter).compactMap { Int64($0.prefix { $0 != " " }) }
    }

    func execute(_ sql: String) async throws {
        try await database.write { session in _ = try session.execute(sql) }
    }

    func prune(before: Timestamp) async throws {
        while try await database.write({ [store, tenant] in
            try store.pruneSlice(of: tenant, sealedBefore: before, limit: 3, in: $0)
        }) {}
    }
}

/// Stands still until it is turned.
final class StandingClock: TimeSource {
    private let microseconds = Mutex<Int64>(1_000_000)
    func now() -> Timestamp { Timestamp(microseconds: microseconds.withLock { $0 }) }
    func turn(to seconds: Int64) { microseconds.withLock { $0 = seconds * 1_000_000 } }
    func sleep(until deadline: Timestamp) async throws { throw CancellationError() }
}
