import PostgresFixture
import Synchronization
import Testing
import WaybillDatabases
import WaybillPostgres

@Suite struct PostgresSourceTests {
    @Test("columns, keys and indices of a table are told, by plain names and by names with a schema")
    func describe() async throws {
        try await PostgresFixture.withDatabase { lease in
            for statement in [
                "CREATE SCHEMA shop",
                "CREATE TABLE shop.\"Orders\" (id INT8 PRIMARY KEY, code VARCHAR(3) UNIQUE, x INT, size NUMERIC(8,2) NOT NULL)",
                "ALTER TABLE shop.\"Orders\" DROP COLUMN x",
                "CREATE INDEX by_size ON shop.\"Orders\" (size, lower(code))",
                "CREATE UNIQUE INDEX few ON shop.\"Orders\" (size) WHERE size > 0",
                "CREATE TABLE plain (b TEXT, a INT, PRIMARY KEY (a, b))",
                "CREATE VIEW seen AS SELECT b FROM plain",
            ] {
                try await lease.database.write { _ = try $0.execute(statement) }
            }
            let source = try PostgresSource(url: lease.url)
            let orders = try await source.describe("shop.\"Orders\"")
            #expect(orders.name == "Orders" && !orders.isView)
            #expect(orders.columns.map(\.name) == ["id", "code", "size"])
            #expect(orders.columns.map(\.declaredType) == ["bigint", "character varying(3)", "numeric(8,2)"])
            #expect(orders.columns.map(\.isNotNull) == [true, false, true])
            #expect(orders.uniqueKeys == [["id"], ["code"]])
            #expect(orders.indices == [["id"], ["code"], ["size"]])
            #expect(try await source.describe("plain").uniqueKeys == [["a", "b"]])
            #expect(try await source.describe("seen").isView)
            let error = await #expect(throws: SQLError.self) { try await source.describe("orders") }
            #expect(error?.code == .schema)
        }
    }

    @Test("all readers of a snapshot see one state while the owner goes on writing, and can't write")
    func snapshot() async throws {
        try await PostgresFixture.withDatabase { lease in
            try await lease.database.write { _ = try $0.execute("CREATE TABLE n (i BIGINT)") }
            try await lease.database.write { _ = try $0.execute("INSERT INTO n VALUES (1)") }
            let snapshot = try await PostgresSource(url: lease.url).openSnapshot(readers: 3)
            #expect(snapshot.readerCount == 3)
            try await lease.database.write { _ = try $0.execute("INSERT INTO n VALUES (2)") }
            for reader in 0..<3 {
                #expect(try await snapshot.read(reader: reader) { try $0.count("SELECT count(*) FROM n") } == 1)
            }
            await #expect(throws: SQLError.self) { try await snapshot.read(reader: 0) { try $0.execute("DELETE FROM n") } }
            await #expect(throws: SQLError.self) { try await snapshot.read(reader: 0) { try $0.count("SELECT 1") } }
            #expect(try await snapshot.read(reader: 1) { try $0.count("SELECT count(*) FROM n") } == 1)
            await #expect(throws: SQLError.self) { try await snapshot.read(reader: 3) { try $0.count("SELECT 1") } }
            await snapshot.close()
            await #expect(throws: SQLError.self) { try await snapshot.read(reader: 2) { try $0.count("SELECT 1") } }
        }
    }

    @Test("a query that is broken off leaves the state as it was, and one that is left open goes on where it stood")
    func brokenOff() async throws {
        try await PostgresFixture.withDatabase { lease in
            try await lease.database.write { _ = try $0.execute("CREATE TABLE n (i BIGINT, t TEXT)") }
            try await lease.database.write { session in
                _ = try session.execute("INSERT INTO n SELECT s, repeat('x', 1000) FROM generate_series(1, 20000) AS s")
            }
            let snapshot = try await PostgresSource(url: lease.url).openSnapshot(readers: 1)
            try await lease.database.write { _ = try $0.execute("DELETE FROM n") }
            for _ in 0..<3 {
                let firsts = try await snapshot.read(reader: 0) { session in
                    try session.first("SELECT i, t FROM n WHERE i > $1 ORDER BY i", 7) { $0.int(0) }
                }
                #expect(firsts == 8)
            }
            #expect(try await snapshot.read(reader: 0) { try $0.count("SELECT count(*) FROM n") } == 20_000)
            let seen = Mutex<[Int64]>([])
            for piece in 1...4 {
                let isOpen = try await snapshot.read(reader: 0) { session in
                    let session = try #require(session as? any SQLResumableSession)
                    return try session.scan(
                        "SELECT i, t FROM n WHERE i <= $1 ORDER BY i", arguments: [.integer(3000)], resuming: 1
                    ) {
                        row in
                        seen.withLock { seen in
                            seen.append(row.int64(0))
                            return seen.count % 1000 == 0 ? .stop : .next
                        }
                    }
                }
                #expect(isOpen == (piece < 4))
                if piece == 2 {
                    // One connection gives the rows of one query at a time.
                    await #expect(throws: SQLError.self) { try await snapshot.read(reader: 0) { try $0.count("SELECT 1") } }
                }
            }
            #expect(seen.withLock { $0 } == Array(1...3000))
            await #expect(throws: Refusal.self) {
                try await snapshot.read(reader: 0) { try $0.scan("SELECT i, t FROM n", arguments: []) { _ in throw Refusal() } }
            }
            #expect(try await snapshot.read(reader: 0) { try $0.count("SELECT count(*) FROM n") } == 20_000)
            await snapshot.close()
        }
    }

    @Test("values stand in a statement as they are, and types that are not known come as the server prints them")
    func values() async throws {
        try await PostgresFixture.withDatabase { lease in
            let snapshot = try await PostgresSource(url: lease.url).openSnapshot(readers: 1)
            let texts = ["", "it's", "\\", "\\'; DROP TABLE n; --", "$1", "größe", "\"$2\""]
            let found = try await snapshot.read(reader: 0) { session in
                try texts.map { text in
                    try session.first(
                        """
                        SELECT $1::text, $2::bigint, $3::float8, $4::bytea, $5::text IS NULL, '$1', "a$1"
                        FROM (SELECT 1 AS "a$1") AS t
                        """,
                        arguments: [.text(text), .integer(-5), .double(2.5), .blob([0, 39, 255]), .null]
                    ) { row in (0..<row.count).map { row[$0].value } }
                }
            }
            for (text, row) in zip(texts, found) {
                #expect(
                    row == [
                        .text(text), .integer(-5), .double(2.5), .blob([0, 39, 255]), .integer(1), .text("$1"), .integer(1),
                    ])
            }
            let odd = try await snapshot.read(reader: 0) { session in
                try session.first(
                    """
                    SELECT ARRAY[1, NULL, 3], '1 day'::interval, '10.0.0.1'::inet, 7, '2013-02-03 04:05:06.7'::timestamptz,
                        '2013-02-03'::date, 'infinity'::timestamp, 12345.678900::numeric, NULL::point,
                        '00000000-0000-4000-8000-00000000002a'::uuid, '123-04-05'::date
                    """
                ) { row in (0..<row.count).map { row[$0].value } }
            }
            #expect(
                odd == [
                    .text("{1,NULL,3}"), .text("1 day"), .text("10.0.0.1/32"), .integer(7), .text("2013-02-03T04:05:06.7Z"),
                    .text("2013-02-03"), .text("infinity"), .text("12345.6789"), .null,
                    .text("00000000-0000-4000-8000-00000000002a"), .text("0123-04-05"),
                ])
            let nul = await #expect(throws: SQLError.self) {
                try await snapshot.read(reader: 0) { try $0.first("SELECT $1::text", "a\u{0}") { $0.string(0) } }
            }
            #expect(nul?.code == .constraint)
            await snapshot.close()
        }
    }

    @Test("COPY goes out and in as a stream, and comes back as it was")
    func copy() async throws {
        try await PostgresFixture.withDatabase { lease in
            try await lease.database.write { _ = try $0.execute("CREATE TABLE a (n BIGINT PRIMARY KEY, t TEXT)") }
            try await lease.database.write { session in
                _ = try session.execute("INSERT INTO a SELECT n, repeat('x', 50) || n FROM generate_series(1, 30000) AS s (n)")
            }
            try await lease.database.write { _ = try $0.execute("CREATE TABLE b (LIKE a INCLUDING ALL)") }
            let copy = try PostgresCopy(url: lease.url)
            var chunks: [[UInt8]] = []
            try await copy.out("COPY a TO STDOUT (FORMAT binary)") { chunks.append($0) }
            #expect(chunks.count > 3)
            let stream = AsyncStream { continuation in
                chunks.forEach { continuation.yield($0) }
                continuation.finish()
            }
            #expect(try await copy.into("COPY b FROM STDIN (FORMAT binary)", stream) == 30_000)
            let differing = try await lease.database.read { try $0.count("SELECT count(*) FROM (TABLE a EXCEPT TABLE b) AS d") }
            #expect(differing == 0)
        }
    }

    @Test("a COPY that is broken off by either side leaves no rows and tells why")
    func brokenCopy() async throws {
        try await PostgresFixture.withDatabase { lease in
            try await lease.database.write { _ = try $0.execute("CREATE TABLE a (n BIGINT PRIMARY KEY)") }
            let copy = try PostgresCopy(url: lease.url)
            let failing = AsyncThrowingStream<[UInt8], any Error> { continuation in
                continuation.yield(Array("1\n2\n".utf8))
                continuation.finish(throwing: Refusal())
            }
            await #expect(throws: Refusal.self) { try await copy.into("COPY a FROM STDIN", failing) }
            let doubled = AsyncStream { continuation in
                continuation.yield(Array("1\n1\n".utf8))
                continuation.finish()
            }
            let error = await #expect(throws: SQLError.self) { try await copy.into("COPY a FROM STDIN", doubled) }
            #expect(error?.code == .uniqueViolation)
            await #expect(throws: SQLError.self) { try await copy.out("SELECT 1") { _ in } }
            #expect(try await lease.database.read { try $0.count("SELECT count(*) FROM a") } == 0)
            await #expect(throws: Refusal.self) {
                try await copy.out("COPY (SELECT generate_series(1, 1000000)) TO STDOUT") { _ in throw Refusal() }
            }
        }
    }

    @Test("words are heard by the nodes that share the database, in the order in which one of them says them")
    func signals() async throws {
        try await PostgresFixture.withDatabase { lease in
            let other = try PostgresDatabase(url: lease.url, configuration: PostgresFixture.small)
            let (mouth, ear) = (try #require(lease.database.signals), try #require(other.signals))
            var heard: [String] = []
            let words = (1...500).map { "word \($0)" }
            for await word in ear.words() {
                // The first word says that it listens now.
                if word.isEmpty { mouth.say(words) } else { heard.append(word) }
                if heard.count == words.count { break }
            }
            #expect(heard == words)
            await other.close()
        }
    }
}
