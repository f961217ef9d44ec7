import Testing
import WaybillDatabases

@Suite struct SQLSessionTests {
    private func fill(_ database: any SQLDatabase, _ count: Int) async throws {
        try await database.write { session in
            for id in 0..<count { try session.execute("INSERT INTO things (id, name) VALUES ($1, $2)", id, "thing \(id)") }
        }
    }

    @Test("a scan ends where it is told to, and the same text can be scanned again", arguments: SQLDriver.all)
    func stop(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            try await fill(database, 10)
            let seen = try await database.read { session in
                var seen: [[Int]] = []
                for last in [3, 5] {
                    var ids: [Int] = []
                    try session.scan("SELECT id FROM things ORDER BY id", arguments: []) { row in
                        ids.append(row.int(0))
                        return row.int(0) == last ? .stop : .next
                    }
                    seen.append(ids)
                }
                return seen
            }
            #expect(seen == [[0, 1, 2, 3], [0, 1, 2, 3, 4, 5]])
        }
    }

    @Test("what a scan's closure throws comes out, and the session goes on", arguments: SQLDriver.all)
    func scanThrows(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            try await fill(database, 3)
            let count = try await database.read { session in
                #expect(throws: Refusal(number: 1)) {
                    try session.scan("SELECT id FROM things ORDER BY id", arguments: []) { row in
                        if row.int(0) == 1 { throw Refusal(number: 1) }
                        return .next
                    }
                }
                return try session.all("SELECT id FROM things ORDER BY id") { $0.int(0) }.count
            }
            #expect(count == 3)
        }
    }

    @Test("scans of the same text can be nested", arguments: SQLDriver.all)
    func nested(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            try await fill(database, 4)
            let pairs = try await database.read { session in
                var pairs: [String] = []
                let sql = "SELECT id, name FROM things WHERE id >= $1 ORDER BY id"
                try session.scan(sql, arguments: [.integer(0)]) { outer in
                    let id = outer.int(0)
                    try session.scan(sql, arguments: [.integer(Int64(id))]) { inner in
                        pairs.append("\(outer.string(1)) / \(inner.string(1))")
                        return .next
                    }
                    return .next
                }
                return pairs
            }
            #expect(pairs == (0..<4).flatMap { outer in (outer..<4).map { "thing \(outer) / thing \($0)" } })
        }
    }

    @Test("the number of changed rows is told, also if it is none", arguments: SQLDriver.all)
    func changes(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            try await fill(database, 5)
            let counts = try await database.write { session in
                [
                    try session.execute("UPDATE things SET name = $1 WHERE id < $2", "new", 3),
                    try session.execute("UPDATE things SET name = $1 WHERE id > $2", "new", 100),
                    try session.execute("CREATE TABLE others (id BIGINT)"),
                    try session.execute("INSERT INTO things (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING", 1, "x"),
                    try session.execute("DELETE FROM things"),
                ]
            }
            #expect(counts == [3, 0, 0, 0, 5])
        }
    }

    @Test("RETURNING hands out the changed rows", arguments: SQLDriver.all)
    func returning(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            try await fill(database, 3)
            let renamed = try await database.write { session in
                try session.all("UPDATE things SET name = name || $1 WHERE id > $2 RETURNING id, name", "!", 0) { $0.string(1) }
                    .sorted()
            }
            #expect(renamed == ["thing 1!", "thing 2!"])
        }
    }

    @Test("a change is finished even if its rows are not wanted", arguments: SQLDriver.all)
    func returningStopped(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            try await fill(database, 5)
            let first = try await database.write { session in
                try session.first("UPDATE things SET name = $1 RETURNING id", "new") { $0.int(0) }
            }
            #expect(first != nil)
            #expect(try await database.names() == Array(repeating: "new", count: 5))
        }
    }

    @Test("a second row with the same key is a unique violation, another broken rule a constraint", arguments: SQLDriver.all)
    func violations(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            try await fill(database, 1)
            try await database.write {
                try $0.execute("CREATE TABLE strict (id BIGINT NOT NULL, n BIGINT CHECK (n > 0), UNIQUE (n))")
            }
            let codes = try await database.write { session in
                // One savepoint a try: PostgreSQL ends the transaction at the first error otherwise.
                try [
                    "INSERT INTO things (id) VALUES (0)", "INSERT INTO strict (id, n) VALUES (NULL, 1)",
                    "INSERT INTO strict (id, n) VALUES (1, -1)",
                    "INSERT INTO strict (id, n) VALUES (1, 1), (2, 1)", "INSERT INTO nowhere (id) VALUES (1)",
                ]
                .map { sql in
                    try session.execute("SAVEPOINT attempt")
                    do {
                        try session.execute(sql)
                        return SQLError.Code.corrupt
                    } catch let error as SQLError {
                        try session.execute("ROLLBACK TO SAVEPOINT attempt")
                        return error.code
                    }
                }
            }
            #expect(codes == [.uniqueViolation, .constraint, .constraint, .uniqueViolation, .other])
        }
    }

    @Test("a statement that nobody waits for has run before the next one, and before the commit", arguments: SQLDriver.all)
    func sent(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            let seen = try await database.write { session in
                for id in 0..<300 { try session.send("INSERT INTO things (id, name) VALUES ($1, $2)", id, "sent") }
                let count = try session.count("SELECT count(*) FROM things WHERE name = $1", "sent")
                try session.send("UPDATE things SET name = $1 WHERE id < $2", "first", 10)
                let renamed = try session.all("UPDATE things SET name = name || '!' WHERE id < $1 RETURNING name", 3) {
                    $0.string(0)
                }
                try session.send("DELETE FROM things WHERE id >= $1", 3)
                return (count, renamed)
            }
            #expect(seen == (300, ["first!", "first!", "first!"]))
            #expect(try await database.names() == ["first!", "first!", "first!"])
        }
    }

    @Test("a statement that nobody waits for and that fails fails its body, and no other", arguments: SQLDriver.all)
    func sentInVain(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            try await withThrowingTaskGroup(of: SQLError.Code?.self) { tasks in
                for number in 0..<40 {
                    tasks.addTask {
                        do {
                            try await database.write { session in
                                // The tenth ones take a key that is there: at their end, or with something behind it.
                                try session.send("INSERT INTO things (id, name) VALUES ($1, 'x')", number)
                                if number % 10 == 9 { try session.send("INSERT INTO things (id) VALUES ($1)", number) }
                                if number % 20 == 9 { try session.send("UPDATE things SET name = 'y' WHERE id = $1", number) }
                            }
                            return nil
                        } catch let error as SQLError {
                            return error.code
                        }
                    }
                }
                let codes = try await tasks.reduce(into: [SQLError.Code]()) { if let code = $1 { $0.append(code) } }
                #expect(codes == Array(repeating: .uniqueViolation, count: 4))
            }
            let ids = try await database.read { try $0.all("SELECT id FROM things ORDER BY id") { $0.int(0) } }
            #expect(ids == (0..<40).filter { $0 % 10 != 9 })
        }
    }

    @Test("a read can't write", arguments: SQLDriver.all)
    func readOnly(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            await #expect(throws: SQLError.self) {
                try await database.read { _ = try $0.execute("INSERT INTO things (id) VALUES ($1)", 1) }
            }
            let names = try await database.names()
            #expect(names == [])
        }
    }
}
