import Foundation
import PostgresFixture
import Testing
import WaybillDatabases
import WaybillPostgres

/// A PostgreSQL that crashes in the midst of a commit.
@Suite struct PostgresCrashTests {
    /// Nothing reaches the disk but what is committed, so that the number of a transaction that is not is given again.
    private static let options = "-c autovacuum=off -c wal_level=minimal -c max_wal_senders=0 -c bgwriter_lru_maxpages=0"
    /// Is held by who has come to his commit.
    private static let commitLock = 4711

    @Test("a commit that a crash has taken is not held to be done because another transaction got its number")
    func numberOfBefore() async throws {
        let server = try PostgresProcess(options: Self.options)
        let folder = try TemporaryFolder(in: "/tmp")
        let way = folder.path + "/way"
        let socket = try #require(server.url.firstMatch(of: /host=([^&]+)/)).1
        try FileManager.default.createSymbolicLink(atPath: way, withDestinationPath: String(socket))
        var configuration = PostgresFixture.small
        configuration.waitSeconds = 60
        let database = try PostgresDatabase(url: server.url.replacing(socket, with: way), configuration: configuration)
        try await prepare(database)

        let runs = RunCount()
        let (error, given) = try await withThrowingTaskGroup(of: (any Error)?.self) { tasks in
            tasks.addTask {
                do {
                    try await database.write { session in
                        _ = runs.next()
                        try session.execute("INSERT INTO things (id, name) VALUES (1, 'lost')")
                    }
                    return nil
                } catch {
                    return error
                }
            }
            try await PostgresFixture.run(Self.waitForCommit, on: server.url)
            let lost = try await openNumber(at: server.url)
            // It is to find its way back only once its number is another's.
            try FileManager.default.removeItem(atPath: way)
            try server.crash()
            try server.start()
            let given = try await give(lost, at: server.url)
            try FileManager.default.createSymbolicLink(atPath: way, withDestinationPath: String(socket))
            return (try await tasks.next() ?? nil, given == lost)
        }
        try #require(given, "the number was not given again, so that nothing was tried")
        #expect((error as? SQLError)?.code == .unavailable, "\(String(describing: error))")
        #expect((error as? SQLError)?.message.contains("not known") == true, "\(String(describing: error))")
        #expect(runs.count == 1)
        #expect(try await database.names() == ["other"])
        await database.close()
    }

    /// A table whose commits stand still at first, and a log that begins a page of its own: one that was begun before may be
    /// written when it is full.
    private func prepare(_ database: PostgresDatabase) async throws {
        try await database.write { session in
            try session.execute("CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT)")
            try session.execute(
                """
                CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN PERFORM pg_advisory_xact_lock(\(Self.commitLock)); PERFORM pg_sleep(600); RETURN NULL; END'
                """)
            try session.execute(
                """
                CREATE CONSTRAINT TRIGGER stand_still AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW WHEN (NEW.name = 'lost') EXECUTE FUNCTION stand_still()
                """)
        }
        _ = try await database.read { try $0.count("SELECT count(pg_switch_wal())") }
    }

    private static let waitForCommit = """
        DO 'BEGIN
            WHILE NOT EXISTS (SELECT FROM pg_locks WHERE locktype = ''advisory'' AND objid = \(commitLock) AND granted) LOOP
                PERFORM pg_sleep(0.005);
            END LOOP;
        END'
        """

    /// The number of the one transaction that is open.
    private func openNumber(at url: String) async throws -> Int {
        let database = try PostgresDatabase(url: url, configuration: PostgresFixture.small)
        let number = try await database.read { session in
            try session.count("SELECT backend_xid::text::bigint FROM pg_stat_activity WHERE backend_xid IS NOT NULL")
        }
        await database.close()
        return number
    }

    /// Commits transactions until one of them has a number.
    /// - Returns: the number of the last one.
    private func give(_ number: Int, at url: String) async throws -> Int {
        let database = try PostgresDatabase(url: url, configuration: PostgresFixture.small)
        var last = 0
        while last < number {
            last = try await database.write(.concurrent) { session in
                let own = try session.count("SELECT pg_current_xact_id()::text::bigint")
                if own == number { try session.execute("INSERT INTO things (id, name) VALUES (2, 'other')") }
                return own
            }
        }
        let fate = try await database.read { session in
            try session.first("SELECT pg_xact_status($1::text::xid8)", "\(number)") { $0.string(0) }
        }
        #expect(fate == "committed" || last != number, "\(fate ?? "nothing") of \(number)")
        await database.close()
        return last
    }
}
