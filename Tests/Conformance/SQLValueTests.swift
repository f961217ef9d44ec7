import Testing
import WaybillDatabases

@Suite struct SQLValueTests {
    @Test("integers, doubles, texts, blobs and nulls come back as they were", arguments: SQLDriver.all)
    func roundTrip(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            try await database.write { session in
                try session.execute(
                    """
                    CREATE TABLE kinds (id BIGINT PRIMARY KEY, i BIGINT, d DOUBLE PRECISION, t \(session.dialect.text), \
                    b \(session.dialect.blob))
                    """)
            }
            let rows: [[SQLValue]] = [
                [.integer(.min), .double(-.greatestFiniteMagnitude), .text(""), .blob([])],
                [.integer(.max), .double(.leastNonzeroMagnitude), .text("žluťoučký 🐎 \"'\\\n"), .blob([0, 255, 0, 1])],
                [.null, .null, .null, .null],
                [
                    .integer(-1), .double(0.1), .text(String(repeating: "x", count: 100_000)),
                    .blob(.init(repeating: 9, count: 70_000)),
                ],
            ]
            try await database.write { session in
                for (id, row) in rows.enumerated() {
                    try session.execute(
                        "INSERT INTO kinds (id, i, d, t, b) VALUES ($1, $2, $3, $4, $5)", arguments: [.integer(Int64(id))] + row)
                }
            }
            let read = try await database.read { session in
                try session.all("SELECT i, d, t, b FROM kinds ORDER BY id") { row in (0..<row.count).map { row[$0].value } }
            }
            #expect(read == rows)
        }
    }

    @Test("large values leave nothing behind in the small ones that the same statement stores next", arguments: SQLDriver.all)
    func largeThenSmall(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            try await database.write { session in
                try session.execute(
                    "CREATE TABLE pairs (id BIGINT PRIMARY KEY, a \(session.dialect.text), b \(session.dialect.text))")
            }
            // More than is kept of the room for bound values, less, and exactly as much.
            let lengths = [300_000, 3, 262_144, 0, 131_072, 1_500_000, 1]
            try await database.write { session in
                for (id, length) in lengths.enumerated() {
                    try session.execute(
                        "INSERT INTO pairs (id, a, b) VALUES ($1, $2, $3)",
                        arguments: [.integer(Int64(id)), .text(String(repeating: "a", count: length)), .text("b\(id)")])
                }
            }
            let read = try await database.read { session in
                try session.all("SELECT a, b FROM pairs ORDER BY id") { ($0.string(0), $0.string(1)) }
            }
            #expect(read.map(\.0.utf8.count) == lengths)
            #expect(read.allSatisfy { pair in pair.0.utf8.allSatisfy { $0 == UInt8(ascii: "a") } })
            #expect(read.map(\.1) == lengths.indices.map { "b\($0)" })
        }
    }

    @Test("a text in the form of a number stays a text", arguments: SQLDriver.all)
    func numericText(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            try await database.write { _ = try $0.execute("INSERT INTO things (id, name) VALUES ($1, $2)", 1, "007") }
            #expect(try await database.names() == ["007"])
        }
    }

    @Test("texts are ordered bytewise", arguments: SQLDriver.all)
    func order(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            let texts = ["b", "a", "B", "ä", "a b", "a-b", "ab", "", "Z", "z", "é", "10", "9", "_"]
            try await database.write { session in
                for (id, text) in texts.enumerated() {
                    try session.execute("INSERT INTO things (id, name) VALUES ($1, $2)", id, text)
                }
            }
            let read = try await database.read { try $0.all("SELECT name FROM things ORDER BY name") { $0.string(0) } }
            #expect(read == texts.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
        }
    }

    @Test("a parameter may be used again, and many may be used", arguments: SQLDriver.all)
    func parameters(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            let count = 1_000
            let rows = (0..<count).map { "($\(2 * $0 + 1), $\(2 * $0 + 2))" }.joined(separator: ", ")
            let arguments = (0..<count).flatMap { [SQLValue.integer(Int64($0)), .text($0 == 7 ? "seven" : "other")] }
            let inserted = try await database.write {
                try $0.execute("INSERT INTO things (id, name) VALUES \(rows)", arguments: arguments)
            }
            #expect(inserted == count)
            let found = try await database.read {
                try $0.count("SELECT count(*) FROM things WHERE (name = $1 AND id <> $2) OR (name <> $1 AND id = $2)", "other", 7)
            }
            #expect(found == count)
        }
    }

    @Test("too few or too many arguments are an error", arguments: SQLDriver.all)
    func argumentCount(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            for arguments in [[SQLValue.integer(1)], [.integer(1), .text("a"), .null]] {
                await #expect(throws: SQLError.self) {
                    try await database.write { session in
                        _ = try session.execute("INSERT INTO things (id, name) VALUES ($1, $2)", arguments: arguments)
                    }
                }
            }
            let names = try await database.names()
            #expect(names == [])
        }
    }
}
