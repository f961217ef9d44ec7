import Foundation
import GRDB
import Synchronization
import Testing
import WaybillDatabases

@testable import WaybillSQLite

@Suite struct SQLiteDatabaseTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path + "/test.sqlite" }

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test("commits are synced and the log is a WAL that is moved into the file from beside")
    func pragmas() async throws {
        let database = try SQLiteDatabase(path: path)
        let writer = try await database.write { session in
            try ["synchronous", "page_size", "wal_autocheckpoint", "secure_delete", "foreign_keys"].map {
                try session.count("PRAGMA \($0)")
            }
        }
        #expect(writer == [2, 4096, 0, 0, 1])
        let mode = try await database.read { try $0.first("PRAGMA journal_mode") { $0.string(0) } }
        #expect(mode == "wal")
        #expect(try folder.permissions("test.sqlite") == 0o600 && folder.permissions("test.sqlite-wal") == 0o600)
        #expect(try await database.read { try $0.count("PRAGMA wal_autocheckpoint") } == 0)
        try await database.close()
    }

    @Test("a delayed write does not wait for its sync, and all others do, also of those before them")
    func delayed() async throws {
        let database = try SQLiteDatabase(path: path)
        try await database.write { _ = try $0.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)") }
        let level: @Sendable (any SQLSession) throws -> Int = { session in
            try session.execute("INSERT INTO things (name) VALUES ($1)", "x")
            return try session.count("PRAGMA synchronous")
        }
        #expect(try await database.write(.delayed, level) == 1)
        #expect(try await database.write(.delayed, tenant: "acme", level) == 1)
        #expect(try await database.write(.concurrent, level) == 2)
        #expect(try await database.write(.delayed, level) == 1)
        #expect(try await database.write(level) == 2)
        // Those that come together wait if one of them does.
        let (blocked, gate) = (Signal(), Gate())
        let levels = try await withThrowingTaskGroup(of: Int.self) { tasks in
            tasks.addTask {
                try await database.write { _ in
                    blocked.send()
                    if !gate.pass() { throw Refusal() }
                    return 2
                }
            }
            await blocked.wait()
            for number in 0..<10 {
                tasks.addTask {
                    if number == 9 { gate.open() }
                    return try await database.write(number == 9 ? .serial : .delayed, level)
                }
            }
            var levels: [Int] = []
            for try await level in tasks { levels.append(level) }
            return levels
        }
        #expect(levels.count == 11)
        #expect(try await database.names().count == 15)
        try await database.close()
        let again = try SQLiteDatabase(path: path)
        #expect(try await again.names().count == 15)
        try await again.close()
    }

    @Test("an embedder's commits are never delayed")
    func embeddedDelayed() async throws {
        let database = try SQLiteDatabase(DatabasePool(path: path))
        #expect(try await database.write(.delayed) { try $0.count("PRAGMA synchronous") } == 2)
    }

    @Test("an embedder's connections are made to sync as well")
    func embedded() async throws {
        let pool = try DatabasePool(path: path)
        #expect(try await pool.writeWithoutTransaction { try Int.fetchOne($0, sql: "PRAGMA synchronous") } == 1)
        let database = try SQLiteDatabase(pool)
        #expect(try await database.write { try $0.count("PRAGMA synchronous") } == 2)
    }

    @Test("a session in an embedder's own transaction is rolled back with it")
    func embeddedTransaction() async throws {
        let pool = try DatabasePool(path: path)
        let database = try SQLiteDatabase(pool)
        try await database.write { _ = try $0.execute("CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT)") }
        for number in 1...2 {
            do {
                try await pool.write { connection in
                    for copy in 1...3 {
                        _ = try SQLiteSession(connection).execute(
                            "INSERT INTO things (id, name) VALUES ($1, $2)", number * 10 + copy, "row \(number)")
                    }
                    if number == 2 { throw Refusal() }
                }
            } catch is Refusal {}
        }
        #expect(try await database.names() == ["row 1", "row 1", "row 1"])
    }

    @Test("writes that come together are committed together")
    func groups() async throws {
        let pool = try DatabasePool(path: path)
        let database = try SQLiteDatabase(pool)
        try await database.write { _ = try $0.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)") }
        let commits = CommitCounter()
        pool.add(transactionObserver: commits, extent: .databaseLifetime)
        let (blocked, gate) = (Signal(), Gate())
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                try await database.write { _ in
                    blocked.send()
                    if !gate.pass() { throw Refusal() }
                }
            }
            await blocked.wait()
            for number in 1...100 {
                tasks.addTask {
                    if number == 100 { gate.open() }
                    try await database.write { _ = try $0.execute("INSERT INTO things (name) VALUES ($1)", "x") }
                }
            }
            try await tasks.waitForAll()
        }
        #expect(try await database.names().count == 100)
        #expect(commits.count < 30)
    }

    @Test("one who writes again and again does not hold those up who were in line before")
    func turns() async throws {
        let pool = try DatabasePool(path: path)
        let commits = CommitCounter()
        pool.add(transactionObserver: commits, extent: .databaseLifetime)
        let group = GroupCommit(pool, sessions: ConnectionSessions(), checkpointer: nil)
        // The write is in line before `then` is called.
        @Sendable func write(
            _ body: @escaping @Sendable (any SQLSession) throws -> Int, then: @Sendable () -> Void = {}
        ) async throws -> Int {
            try await withCheckedThrowingContinuation { caller in
                group.enqueue(TypedWrite(body, caller: caller))
                then()
            }
        }
        _ = try await write { try $0.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)") }
        for _ in 0..<50 {
            let (blocked, gate) = (Signal(), Gate())
            try await withThrowingTaskGroup(of: Int.self) { tasks in
                tasks.addTask {
                    _ = try await write { session in
                        blocked.send()
                        if !gate.pass() { throw Refusal() }
                        return try session.execute("INSERT INTO things (name) VALUES ($1)", "first")
                    }
                    return try await write { session in
                        try session.execute("INSERT INTO things (name) VALUES ($1)", "again")
                        return commits.count
                    }
                }
                await blocked.wait()
                tasks.addTask {
                    try await write(
                        { session in
                            try session.execute("INSERT INTO things (name) VALUES ($1)", "other")
                            return commits.count
                        }, then: { gate.open() })
                }
                var numbers: Set<Int> = []
                for try await number in tasks { numbers.insert(number) }
                #expect(numbers.count == 2, "both were in one transaction")
            }
        }
    }

    @Test("a loop beside the writer writes without a change of threads, and in turn with all others")
    func writingExecutor() async throws {
        let database = try SQLiteDatabase(path: path)
        try await database.write { _ = try $0.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)") }
        @Sendable func insert(_ name: String) async throws -> UInt {
            try await database.write { session in
                try session.execute("INSERT INTO things (name) VALUES ($1)", name)
                return WriterExecutor.currentThread
            }
        }
        let alone = try await Task(executorPreference: database.writingExecutor) {
            [WriterExecutor.currentThread, try await insert("alone")]
        }.value
        #expect(Set(alone).count == 1)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask(executorPreference: database.writingExecutor) {
                for number in 1...200 {
                    _ = try await insert("loop")
                    let loops = try await database.read { try $0.count("SELECT count(*) FROM things WHERE name = 'loop'") }
                    #expect(loops == number, "what was written is not seen")
                    await #expect(throws: Refusal.self) {
                        try await database.write { session in
                            try session.execute("INSERT INTO things (name) VALUES ('refused')")
                            throw Refusal()
                        }
                    }
                }
            }
            for _ in 1...4 {
                tasks.addTask { for _ in 1...100 { _ = try await insert("other") } }
            }
            try await tasks.waitForAll()
        }
        let names = Array(repeating: "loop", count: 200) + Array(repeating: "other", count: 400)
        #expect(try await database.names().sorted() == ["alone"] + names)
        try await database.close()
        let late = try await Task(executorPreference: database.writingExecutor) {
            await #expect(throws: SQLError.self) { try await database.write { _ in } }
        }.value
        #expect(late?.code == .unavailable)
    }

    @Test("a full database fails the write, leaves nothing of it, and heals")
    func full() async throws {
        let database = try SQLiteDatabase(path: path)
        try await database.write { session in
            try session.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)")
            try session.execute("PRAGMA max_page_count = 20")
        }
        let error = await #expect(throws: SQLError.self) {
            try await database.write { session in
                for _ in 0..<10 {
                    try session.execute("INSERT INTO things (name) VALUES ($1)", String(repeating: "x", count: 50_000))
                }
            }
        }
        #expect(error?.code == .full)
        #expect(try await database.names() == [])
        try await database.write { _ = try $0.execute("INSERT INTO things (name) VALUES ($1)", "fits") }
        #expect(try await database.names() == ["fits"])
    }

    @Test("a parameter that is first used out of order is refused")
    func parameterOrder() async throws {
        let database = try SQLiteDatabase.inMemory()
        await #expect(throws: SQLError.self) { try await database.read { try $0.count("SELECT $2 - $1", 1, 2) } }
        await #expect(throws: SQLError.self) { try await database.read { try $0.count("SELECT ? - ?", 1, 2) } }
    }

    @Test("a file that is no database is told as damaged, a folder that is missing as unavailable")
    func opening() throws {
        try Data("this is no database, but long enough to be looked at as one would be. ".utf8).write(to: URL(filePath: path))
        let damaged = #expect(throws: SQLError.self) { try SQLiteDatabase(path: path) }
        #expect(damaged?.code == .corrupt)
        let missing = #expect(throws: SQLError.self) { try SQLiteDatabase(path: folder.path + "/none/test.sqlite") }
        #expect(missing?.code == .unavailable)
    }

    @Test("closing keeps everything, leaves no log behind, and refuses what comes later")
    func close() async throws {
        let database = try SQLiteDatabase(path: path)
        try await database.write { _ = try $0.execute("CREATE TABLE things (id BIGINT, name TEXT)") }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for number in 0..<50 {
                tasks.addTask {
                    try await database.write { _ = try $0.execute("INSERT INTO things VALUES ($1, $2)", number, "x") }
                }
                tasks.addTask { _ = try await database.names() }
            }
            try await tasks.waitForAll()
        }
        try await database.close()
        #expect(folder.files() == ["test.sqlite"])
        let late = await #expect(throws: SQLError.self) { try await database.write { _ in } }
        #expect(late?.code == .unavailable)
        await #expect(throws: SQLError.self) { try await database.names() }
        #expect(try await SQLiteDatabase(path: path).names().count == 50)
    }

    @Test("a read ends when its task is cancelled")
    func cancelledRead() async throws {
        let database = try SQLiteDatabase(path: path)
        let started = Signal()
        await withThrowingTaskGroup(of: Int.self) { tasks in
            tasks.addTask {
                try await database.read { session in
                    started.send()
                    return try session.count(
                        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
                }
            }
            await started.wait()
            tasks.cancelAll()
            await #expect(throws: CancellationError.self) { try await tasks.waitForAll() }
        }
        #expect(try await database.read { try $0.count("SELECT 1") } == 1)
    }

    @Test("a cancel that comes between two statements of a read ends it as well")
    func cancelledBetweenStatements() async throws {
        let database = try SQLiteDatabase(path: path)
        let (started, gate) = (Signal(), Gate())
        await withThrowingTaskGroup(of: Int.self) { tasks in
            tasks.addTask {
                try await database.read { session in
                    started.send()
                    guard gate.pass() else { return 0 }
                    return try session.count(
                        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
                }
            }
            await started.wait()
            tasks.cancelAll()
            gate.open()
            await #expect(throws: CancellationError.self) { try await tasks.waitForAll() }
        }
    }

    @Test("more texts than statements are kept give the right rows")
    func manyStatements() async throws {
        let database = try SQLiteDatabase(path: path)
        let sums = try await database.read { session in
            try (0..<2).map { _ in try (0..<400).reduce(0) { $0 + (try session.count("SELECT \($1) + $1", 1)) } }
        }
        #expect(sums == [400 * 399 / 2 + 400, 400 * 399 / 2 + 400])
    }

    @Test("a column that comes later is seen by a statement from before")
    func newColumn() async throws {
        let database = try SQLiteDatabase.inMemory()
        let widths = try await database.write { session in
            try session.execute("CREATE TABLE wide (a BIGINT)")
            try session.execute("INSERT INTO wide VALUES (1)")
            let before = try session.first("SELECT * FROM wide") { $0.count }
            try session.execute("ALTER TABLE wide ADD COLUMN b BIGINT")
            return [before, try session.first("SELECT * FROM wide") { $0.count }]
        }
        #expect(widths == [1, 2])
    }
}

/// Counts what GRDB sees committed.
private final class CommitCounter: TransactionObserver, Sendable {
    private let commits = Mutex(0)
    var count: Int { commits.withLock { $0 } }

    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { false }
    func databaseDidChange(with event: DatabaseEvent) {}
    func databaseDidCommit(_ db: Database) { commits.withLock { $0 += 1 } }
    func databaseDidRollback(_ db: Database) {}
}
