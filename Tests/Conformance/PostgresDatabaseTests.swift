import PostgresFixture
import Synchronization
import Testing
import WaybillDatabases
import WaybillPostgres

@Suite struct PostgresDatabaseTests {
    private func makeThings(_ database: any SQLDatabase) async throws {
        try await database.write { session in
            try session.execute("CREATE TABLE things (id BIGINT PRIMARY KEY, name \(session.dialect.text))")
        }
    }

    @Test("serial writes of several nodes run one after another")
    func nodes() async throws {
        try await PostgresFixture.withDatabase { lease in
            try await makeThings(lease.database)
            let others = try (0..<2).map { _ in try PostgresDatabase(url: lease.url, configuration: PostgresFixture.small) }
            let nodes = [lease.database] + others
            let seen = try await withThrowingTaskGroup(of: Int.self) { tasks in
                for number in 0..<300 {
                    tasks.addTask {
                        try await nodes[number % 3].write { session in
                            let before = try session.count("SELECT count(*) FROM things")
                            try session.execute("INSERT INTO things (id, name) VALUES ($1, $2)", before, "\(number)")
                            return before
                        }
                    }
                }
                return try await tasks.reduce(into: [Int]()) { $0.append($1) }
            }
            #expect(seen.sorted() == Array(0..<300))
            for other in others { await other.close() }
        }
    }

    @Test("tables that have grown are looked at again before long queries, and others are not")
    func statistics() async throws {
        try await PostgresFixture.withDatabase { lease in
            let database = lease.database
            try await makeThings(database)
            func known() async throws -> Int {
                try await database.read { try $0.count("SELECT reltuples::bigint FROM pg_class WHERE relname = 'things'") }
            }
            try await database.refreshStatistics(of: ["things", "nothing_of_that_name"])
            #expect(try await known() == -1, "an empty table has nothing to look at")
            for rows in [1...20_000, 20_001...20_010, 20_011...40_000] {
                try await database.write { session in
                    try session.execute(
                        "INSERT INTO things (id, name) SELECT n, n::text FROM generate_series($1::bigint, $2::bigint) AS n",
                        rows.lowerBound, rows.upperBound)
                }
                try await database.refreshStatistics(of: ["things"])
                #expect(try await known() == (rows.upperBound == 20_010 ? 20_000 : rows.upperBound))
            }
        }
    }

    @Test("concurrent writes run side by side, and wait only for a row that another one holds")
    func concurrent() async throws {
        try await PostgresFixture.withDatabase { lease in
            let database = lease.database
            try await makeThings(database)
            try await database.write { _ = try $0.execute("INSERT INTO things (id, name) VALUES (1, ''), (2, '')") }
            let (held, gate) = (Signal(), Gate())
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    try await database.write(.concurrent) { session in
                        try session.execute("UPDATE things SET name = name || 'a' WHERE id = 1")
                        held.send()
                        guard gate.pass() else { throw Refusal() }
                    }
                }
                await held.wait()
                // Neither of these is stopped by it.
                try await database.write(.concurrent) { _ = try $0.execute("UPDATE things SET name = 'b' WHERE id = 2") }
                try await database.write(.urgent) { _ = try $0.execute("INSERT INTO things (id, name) VALUES (3, 'c')") }
                try await database.write { _ = try $0.execute("INSERT INTO things (id, name) VALUES (4, 'd')") }
                tasks.addTask {
                    try await database.write(.concurrent) {
                        _ = try $0.execute("UPDATE things SET name = name || 'z' WHERE id = 1")
                    }
                }
                gate.open()
                try await tasks.waitForAll()
            }
            #expect(try await database.names() == ["az", "b", "c", "d"])
        }
    }

    @Test("writes that come together are committed together")
    func groups() async throws {
        try await PostgresFixture.withDatabase { lease in
            let database = lease.database
            try await database.write { _ = try $0.execute("CREATE TABLE things (id BIGINT, name TEXT, tx BIGINT)") }
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
                        try await database.write {
                            _ = try $0.execute("INSERT INTO things VALUES ($1, 'x', txid_current())", number)
                        }
                    }
                }
                try await tasks.waitForAll()
            }
            let (rows, commits) = try await database.read {
                (try $0.count("SELECT count(*) FROM things"), try $0.count("SELECT count(DISTINCT tx) FROM things"))
            }
            #expect(rows == 100)
            #expect(commits < 30)
        }
    }

    @Test("transactions that wait for each other are run again, and both are done")
    func deadlock() async throws {
        try await PostgresFixture.withDatabase { lease in
            let database = lease.database
            try await makeThings(database)
            try await database.write { _ = try $0.execute("INSERT INTO things (id, name) VALUES (1, ''), (2, '')") }
            let both = Barrier(count: 2)
            let runs = RunCount()
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for (first, second) in [(1, 2), (2, 1)] {
                    tasks.addTask {
                        try await database.write(.concurrent) { session in
                            try session.execute("UPDATE things SET name = name || 'x' WHERE id = $1", first)
                            // Only the first time round: the one that is run again finds nobody to meet.
                            if runs.next() <= 2 {
                                both.meet()
                            }
                            try session.execute("UPDATE things SET name = name || 'y' WHERE id = $1", second)
                        }
                    }
                }
                try await tasks.waitForAll()
            }
            // The one that is run again may be quicker than the one that was woken, and meet it once more.
            #expect(runs.count >= 3)
            let names = try await database.names()
            #expect(names.map { $0.sorted() } == [["x", "y"], ["x", "y"]])
        }
    }

    @Test("a connection that is ended between or inside of transactions is opened again, and nothing is done twice")
    func lostConnections() async throws {
        try await PostgresFixture.withDatabase { lease in
            let database = lease.database
            try await makeThings(database)
            let killAll =
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
                + "AND pid <> pg_backend_pid()"
            let runs = RunCount()
            for order in [SQLWriteOrder.serial, .concurrent, .urgent] {
                runs.reset()
                try await database.write(order) { session in
                    try session.execute("INSERT INTO things (id, name) VALUES ((SELECT count(*) FROM things), 'once')")
                    // Inside of the first run, its own session is ended.
                    guard runs.next() == 1 else { return }
                    _ = try session.count("SELECT pg_terminate_backend(pg_backend_pid())::int")
                }
                #expect(runs.count == 2)
                _ = try await database.read { try $0.count("SELECT 1") }
                try await PostgresDatabase.run(killAll, on: lease.url)
                #expect(try await database.read { try $0.count("SELECT count(*) FROM things") } > 0)
            }
            #expect(try await database.names() == ["once", "once", "once"])
        }
    }

    @Test("a commit whose answer is lost is looked up, not repeated")
    func doubtfulCommit() async throws {
        try await PostgresFixture.withDatabase { lease in
            let database = lease.database
            try await makeThings(database)
            // A deferred trigger ends the session in the middle of its commit: before it took place, or the other way round a
            // session is ended by itself once it has committed. The first can be made to happen.
            try await database.write { session in
                try session.execute("CREATE TABLE tries (n BIGINT)")
                try session.execute("CREATE SEQUENCE count_tries")
                try session.execute(
                    """
                    CREATE FUNCTION die_once() RETURNS trigger LANGUAGE plpgsql AS
                    'BEGIN IF nextval(''count_tries'') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
                    RETURN NULL; END'
                    """)
                try session.execute(
                    """
                    CREATE CONSTRAINT TRIGGER die AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED
                    FOR EACH ROW EXECUTE FUNCTION die_once()
                    """)
            }
            let runs = RunCount()
            try await database.write { session in
                _ = runs.next()
                try session.execute("INSERT INTO things (id, name) VALUES (1, 'once')")
            }
            #expect(runs.count == 2)
            #expect(try await database.names() == ["once"])
        }
    }

    @Test(
        "a commit that took place though its answer was lost is not repeated, and what was left out of it is run",
        arguments: [false, true])
    func lostAnswers(isSentWithTheCommit: Bool) async throws {
        try await PostgresFixture.withDatabase { lease in
            try await makeThings(lease.database)
            let place = try #require(lease.url.firstMatch(of: /\/\/\/(\w+)\?host=([^&]+)/), "the server has no socket to go to")
            let proxy = try LossyProxy(to: .socket("\(place.2)/.s.PGSQL.5432"), losing: [2, 3, 5])
            let database = try PostgresDatabase(
                url: "postgres://waybill@127.0.0.1:\(proxy.port)/\(place.1)", configuration: PostgresFixture.small)
            let runs = RunCount()
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for number in 0..<12 {
                    tasks.addTask {
                        try await database.write { session in
                            _ = runs.next()
                            // So long that those who wait with it come into another transaction.
                            let insert = "INSERT INTO things (id, name) SELECT $1::bigint, 'once' FROM pg_sleep(0.03)"
                            if isSentWithTheCommit {
                                try session.send(insert, number)
                            } else {
                                try session.execute(insert, number)
                            }
                        }
                    }
                    // Those that wait for nothing would all come into one transaction.
                    if isSentWithTheCommit { try await tasks.next() }
                }
                try await tasks.waitForAll()
            }
            await database.close()
            proxy.close()
            #expect(proxy.lost == 3)
            #expect(runs.count == 12)
            #expect(try await lease.database.names().count == 12)
        }
    }

    @Test(
        "a database that can't be reached is told as unavailable within five seconds",
        arguments: [SQLWriteOrder.serial, .concurrent])
    func unreachable(order: SQLWriteOrder) async throws {
        let database = try PostgresDatabase(url: "postgres://nobody@127.0.0.1:1/none")
        let write = await #expect(throws: SQLError.self) { try await database.write(order) { _ in } }
        #expect(write?.code == .unavailable)
        // One attempt may begin at the end of the wait, and is given up by libpq after two seconds. A clock would tell more of
        // the machine that runs all tests at once.
        #expect(PostgresConfiguration().waitSeconds + 2 <= 5)
        let read = await #expect(throws: SQLError.self) { try await database.read { try $0.count("SELECT 1") } }
        #expect(read?.code == .unavailable)
        await database.close()
    }

    @Test("a URL that can't be read is refused, and its password is not told")
    func badURL() {
        for url in ["postgres://a:secret@[bad", "postgres://a:secret@host/db?nonsense=1", "postgres:///a?prepare=maybe"] {
            let error = #expect(throws: SQLError.self) { try PostgresDatabase(url: url) }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("secret") == false)
        }
    }

    @Test("a read ends when its task is cancelled, and its connection is not the next one's")
    func cancelledRead() async throws {
        try await PostgresFixture.withDatabase { lease in
            let database = lease.database
            let started = Signal()
            await withThrowingTaskGroup(of: Int.self) { tasks in
                tasks.addTask {
                    try await database.read { session in
                        started.send()
                        return try session.count("SELECT count(pg_sleep(60))")
                    }
                }
                await started.wait()
                tasks.cancelAll()
                await #expect(throws: CancellationError.self) { try await tasks.waitForAll() }
            }
            for _ in 0..<20 {
                let one = try await database.read { try $0.count("SELECT 1") }
                #expect(one == 1)
            }
        }
    }

    @Test("who finds no free connection waits for so long and no longer")
    func boundedWait() async throws {
        var configuration = PostgresFixture.small
        (configuration.connections, configuration.waitSeconds) = (1, 1)
        try await PostgresFixture.withDatabase(configuration) { lease in
            let database = lease.database
            let (held, gate) = (Signal(), Gate())
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    // Also if it finds no server.
                    defer { held.send() }
                    try await database.read { session in
                        held.send()
                        guard gate.pass() else { throw Refusal() }
                    }
                }
                await held.wait()
                let error = await #expect(throws: SQLError.self) { try await database.read { _ in } }
                #expect(error?.code == .unavailable)
                gate.open()
                try await tasks.waitForAll()
            }
            try await database.read { _ in }
        }
    }

    @Test("a body that goes on after a refused statement is not committed, and hears why")
    func swallowed() async throws {
        try await PostgresFixture.withDatabase { lease in
            try await makeThings(lease.database)
            let error = await #expect(throws: SQLError.self) {
                try await lease.database.write { session in
                    try session.execute("INSERT INTO things (id) VALUES (1)")
                    do { try session.execute("INSERT INTO things (id) VALUES (1)") } catch is SQLError {}
                }
            }
            #expect(error?.code == .uniqueViolation)
            #expect(try await lease.database.names() == [])
        }
    }

    @Test("of several hosts only one that can be written to is taken, unless the URL says otherwise")
    func severalHosts() async throws {
        try await PostgresFixture.withDatabase { lease in
            try await makeThings(lease.database)
            let name = try await lease.database.read { try $0.first("SELECT current_database()") { $0.string(0) } }
            try await PostgresFixture.run(
                "ALTER DATABASE \(try #require(name)) SET default_transaction_read_only = on", on: lease.url)
            let host = try #require(lease.url.split(separator: "host=").last?.prefix { $0 != "&" })
            let two = lease.url.replacing("host=\(host)", with: "host=\(host),\(host)")
            for (url, isTaken) in [(lease.url, true), (two, false), (two + "&target_session_attrs=any", true)] {
                var configuration = PostgresFixture.small
                configuration.waitSeconds = 0.3
                let database = try PostgresDatabase(url: url, configuration: configuration)
                do {
                    #expect(try await database.names() == [] && isTaken)
                } catch let error as SQLError {
                    #expect(error.code == .unavailable && !isTaken, "\(error)")
                }
                await database.close()
            }
        }
    }

    @Test("a node that stands still in a transaction holds up the others for no longer than is set, and its write is done once")
    func standingStill() async throws {
        try await PostgresFixture.withDatabase { lease in
            try await makeThings(lease.database)
            var configuration = PostgresFixture.small
            configuration.idleInSerialTransactionSeconds = 1
            let still = try PostgresDatabase(url: lease.url, configuration: configuration)
            let (blocked, gate) = (Signal(), Gate())
            let runs = Runs()
            @Sendable func stand() async throws {
                try await still.write { session in
                    try session.execute("INSERT INTO things (id, name) VALUES (1, 'still')")
                    guard runs.next() == 1 else { return }
                    blocked.send()
                    if !gate.pass() { throw Refusal() }
                }
            }
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await stand() }
                await blocked.wait()
                // Its turn comes once the server has ended the other one's transaction.
                try await lease.database.write { _ = try $0.execute("INSERT INTO things (id, name) VALUES (2, 'other')") }
                #expect(try await lease.database.names() == ["other"])
                gate.open()
                try await tasks.waitForAll()
            }
            #expect(try await lease.database.names() == ["still", "other"])
            #expect(runs.next() == 3)
            await still.close()
        }
    }

    @Test("commits are durable before they are answered, and idle transactions are ended")
    func settings() async throws {
        try await PostgresFixture.withDatabase { lease in
            let settings = try await lease.database.write { session in
                try ["synchronous_commit", "idle_in_transaction_session_timeout", "TimeZone"].map { name in
                    try session.first("SELECT current_setting($1)", name) { $0.string(0) }
                }
            }
            #expect(settings == ["on", "5s", "UTC"])
            let concurrent = try await lease.database.write(.concurrent) { session in
                try session.first("SELECT current_setting('idle_in_transaction_session_timeout')") { $0.string(0) }
            }
            #expect(concurrent == "10s")
        }
    }
}

/// Counts how often a body runs.
private final class Runs: Sendable {
    private let count = Mutex(0)

    func next() -> Int {
        count.withLock { count in
            count += 1
            return count
        }
    }
}
