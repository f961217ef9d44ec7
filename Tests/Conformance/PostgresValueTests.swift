import PostgresFixture
import Testing
import WaybillDatabases
import WaybillPostgres

@Suite struct PostgresValueTests {
    @Test("values of the server's other types are read, decimals without loss from somebody else's tables")
    func types() async throws {
        try await PostgresFixture.withDatabase { lease in
            let sql = """
                SELECT true, 7::int2, -7::int4, 1.5::float4, 0.1::float4, 12345678901234567890.0123::numeric, 42::numeric,
                    -0.00012::numeric, 'NaN'::numeric, 10000::numeric, 100000001.5::numeric, '2024-02-29'::date,
                    '1969-12-31 23:59:59.000001+00'::timestamptz, '2024-01-02 03:04:05'::timestamp,
                    '0191d6a4-0000-7000-8000-00000000abcd'::uuid, '{"a": 1}'::jsonb, '{"b":2}'::json, 'x'::varchar(3), NULL::int
                """
            let snapshot = try await PostgresSource(url: lease.url).openSnapshot(readers: 1)
            let exact = try await snapshot.read(reader: 0) { session in
                try session.first(sql) { row in (0..<row.count).map { row[$0].value } }
            }
            await snapshot.close()
            #expect(
                exact == [
                    .integer(1), .integer(7), .integer(-7), .double(1.5), .double(0.1), .text("12345678901234567890.0123"),
                    .integer(42), .text("-0.00012"), .text("NaN"), .integer(10_000), .text("100000001.5"), .text("2024-02-29"),
                    .text("1969-12-31T23:59:59.000001Z"), .text("2024-01-02T03:04:05"),
                    .text("0191d6a4-0000-7000-8000-00000000abcd"), .text(#"{"a": 1}"#), .text(#"{"b":2}"#), .text("x"), .null,
                ])
            let own = try await lease.database.read { session in
                try session.first("SELECT 0.5::numeric, sum(n) FROM (VALUES (1::bigint), (2)) AS v (n)") { row in
                    (0..<row.count).map { row[$0].value }
                }
            }
            #expect(own == [.double(0.5), .integer(3)])
        }
    }

    @Test("values fit themselves to their parameters, and what does not fit is refused")
    func parameters() async throws {
        try await PostgresFixture.withDatabase { lease in
            try await lease.database.write { session in
                try session.execute(
                    """
                    CREATE TABLE k (small SMALLINT, four INTEGER, eight BIGINT, real REAL, double DOUBLE PRECISION, yes BOOLEAN,
                        at TIMESTAMPTZ, id UUID, doc JSONB, sum NUMERIC)
                    """)
                let values: [SQLValue] = [
                    .integer(1), .integer(2), .integer(3), .double(4.5), .integer(5), .integer(1), .text("2024-01-01T00:00:00Z"),
                    .text("0191d6a4-0000-7000-8000-00000000abcd"), .text(#"{"a":1}"#), .double(1.25),
                ]
                try session.execute("INSERT INTO k VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", arguments: values)
                try session.execute(
                    "INSERT INTO k VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                    arguments: Array(repeating: .null, count: 10))
                #expect(try session.count("SELECT count(*) FROM k WHERE four = $1 AND eight = $2 OR eight = $1", 2, 3) == 1)
            }
            await #expect(throws: SQLError.self) {
                try await lease.database.write { _ = try $0.execute("INSERT INTO k (four) VALUES ($1)", 5_000_000_000) }
            }
            let bytes = await #expect(throws: SQLError.self) {
                try await lease.database.write { _ = try $0.execute("INSERT INTO k (eight) VALUES ($1)", [1, 2] as [UInt8]) }
            }
            #expect(bytes?.code == .other)
        }
    }

    @Test("a text with U+0000 is refused, and the transaction of others goes on")
    func nul() async throws {
        try await PostgresFixture.withDatabase { lease in
            try await lease.database.write { _ = try $0.execute("CREATE TABLE things (id BIGINT, name TEXT)") }
            let error = await #expect(throws: SQLError.self) {
                try await lease.database.write { _ = try $0.execute("INSERT INTO things VALUES (1, $1)", "a\u{0}b") }
            }
            #expect(error?.code == .constraint)
        }
    }

    @Test("a large result is read row by row, also while other statements run in between")
    func large() async throws {
        try await PostgresFixture.withDatabase { lease in
            let sums = try await lease.database.read { session in
                var (outer, inner) = (0, 0)
                try session.scan("SELECT n FROM generate_series(1, 200000) AS s (n)", arguments: []) { row in
                    outer += row.int(0)
                    if row.int(0) % 50_000 == 0 { inner += try session.count("SELECT $1::bigint", row.int(0)) }
                    return .next
                }
                return [outer, inner]
            }
            #expect(sums == [20_000_100_000, 500_000])
        }
    }

    @Test("plans from before a change of the schema are made anew")
    func newColumn() async throws {
        try await PostgresFixture.withDatabase { lease in
            let database = lease.database
            try await database.write { _ = try $0.execute("CREATE TABLE wide (a BIGINT)") }
            try await database.write { _ = try $0.execute("INSERT INTO wide VALUES (1)") }
            let before = try await database.write(.concurrent) { try $0.first("SELECT * FROM wide") { $0.count } }
            try await database.write { _ = try $0.execute("ALTER TABLE wide ADD COLUMN b BIGINT") }
            let after = try await database.write(.concurrent) { try $0.first("SELECT * FROM wide") { $0.count } }
            #expect([before, after] == [1, 2])
        }
    }
}
