import PostgresFixture
import Testing
import WaybillDatabases
import WaybillPostgres

/// A PostgreSQL that is reached by TLS. The suites of any database run there as well.
@Suite struct PostgresTLSTests {
    /// What asks a server for TLS: the length of the message, and a number that stands for it.
    private static let sslRequest: [UInt8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F]

    @Test("everything goes by TLS: reads, writes of each order, words, snapshots, and what cancels a read")
    func everyConnection() async throws {
        try await PostgresFixture.withDatabase(usesTLS: true) { lease in
            let port = try #require(lease.url.firstMatch(of: /localhost:(\d+)\//).flatMap { UInt16($0.1) })
            let proxy = try LossyProxy(to: .port(port))
            let url = lease.url.replacing("localhost:\(port)/", with: "localhost:\(proxy.port)/")
            let database = try PostgresDatabase(url: url, configuration: PostgresFixture.small)
            try await database.write { _ = try $0.execute("CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT)") }
            for (id, order) in [SQLWriteOrder.serial, .concurrent, .urgent].enumerated() {
                try await database.write(order) { _ = try $0.execute("INSERT INTO things (id, name) VALUES ($1, 'x')", id) }
            }
            #expect(try await database.names() == ["x", "x", "x"])
            let signals = try #require(database.signals)
            for await word in signals.words() {
                guard word.isEmpty else { break }
                // It says that somebody listens now.
                signals.say(["hello"])
            }
            let snapshot = try await PostgresSource(url: url).openSnapshot(readers: 2)
            #expect(try await snapshot.read(reader: 1) { try $0.count("SELECT count(*) FROM things") } == 3)
            await snapshot.close()
            let before = proxy.greetings.count
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
            let greetings = proxy.greetings
            #expect(greetings.count > before, "nothing was sent to cancel the read")
            #expect(greetings.allSatisfy { $0 == Self.sslRequest }, "\(greetings)")
            let connections = try await lease.database.read { session in
                try session.all(
                    """
                    SELECT ssl::int FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                    WHERE datname = current_database() AND client_addr IS NOT NULL
                    """
                ) { $0.int(0) }
            }
            #expect(connections.count >= 4 && connections.allSatisfy { $0 == 1 }, "\(connections)")
            await database.close()
            proxy.close()
        }
    }

    @Test("a server that is not the one, or can't speak TLS, is refused in words that say so and quote no secret")
    func refused() async throws {
        let secure = try await PostgresFixture.makeDatabase(usesTLS: true)
            .replacing("waybill@", with: "waybill:the-secret@")
        let plain = try await PostgresFixture.makeDatabase()
        let place = try #require(plain.firstMatch(of: /\/\/\/(\w+)\?host=([^&]+)/), "the server has no socket to go to")
        let proxy = try LossyProxy(to: .socket("\(place.2)/.s.PGSQL.5432"))
        let bare = "postgres://waybill:the-secret@127.0.0.1:\(proxy.port)/\(place.1)?sslmode="
        for (url, words) in [
            (secure.replacing("ca.pem", with: "other.pem"), "certificate verify failed"),
            (secure.replacing("ca.pem", with: "none.pem"), "none.pem\" does not exist"),
            (secure.replacing("@localhost", with: "@127.0.0.1"), "does not match host name \"127.0.0.1\""),
            (secure.replacing("verify-full", with: "disable"), "no encryption"),
            (bare + "require", "server does not support SSL, but SSL was required"),
        ] {
            var configuration = PostgresFixture.small
            configuration.waitSeconds = 0.2
            let database = try PostgresDatabase(url: url, configuration: configuration)
            let error = await #expect(throws: SQLError.self) { try await database.read { try $0.count("SELECT 1") } }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
            #expect(error?.message.contains("the-secret") == false)
            await database.close()
        }
        let database = try PostgresDatabase(url: bare + "prefer", configuration: PostgresFixture.small)
        #expect(try await database.read { try $0.count("SELECT 1") } == 1, "the same server is good where TLS is not required")
        await database.close()
        proxy.close()
    }
}
