import GRDB
import Logging
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillSQLite

@testable import WaybillEngine

/// An embedder enqueues inside his own GRDB transaction.
@Suite struct OwnTransactionTests {
    struct Refused: Error {}

    @Test("a job that is enqueued in a caller's own transaction is there if and only if that commits")
    func ownTransaction() async throws {
        let queue = try DatabaseQueue()
        let database = try SQLiteDatabase(queue)
        try await SQLMigrator(EngineMigrations.all).migrate(database, now: 0)
        try await queue.write { try $0.execute(sql: "CREATE TABLE albums (name TEXT PRIMARY KEY)") }
        let rig = try await StoreRig()
        let engine = JobEngine(
            database: database, blobs: MemoryBlobs(), handlers: JobHandlers(), name: "one", time: TestTime(rig),
            generator: SeededGenerator(seed: 5), logger: Logger(label: "test"))
        let request = JobRequest(kind: "work", principal: try .user(of: "acme"), input: "{}")

        let committed = try await queue.write { database in
            try database.execute(sql: "INSERT INTO albums VALUES ('kept')")
            return try engine.enqueue(request, in: SQLiteSession(database))
        }
        engine.announce([committed])
        #expect(try await engine.find(committed.id)?.state == .pending)

        await #expect(throws: Refused.self) {
            try await queue.write { database in
                try database.execute(sql: "INSERT INTO albums VALUES ('dropped')")
                _ = try engine.enqueue(request, in: SQLiteSession(database))
                throw Refused()
            }
        }
        let tenant = request.principal.tenant
        #expect(try await engine.list(JobFilter(tenant: tenant), offset: 0, limit: 10).total == 1)
        #expect(try await engine.events(of: tenant, after: 0).map(\.number) == [1])
        #expect(try await engine.counts().ready == 1)
        #expect(try await queue.read { try String.fetchAll($0, sql: "SELECT name FROM albums") } == ["kept"])
    }
}
