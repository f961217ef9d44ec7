import Testing
import WaybillDatabases

@Suite struct SQLTransactionTests {
    @Test("a body that throws leaves nothing, and its error comes out", arguments: SQLDriver.all)
    func rollback(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            await #expect(throws: Refusal()) {
                try await database.write { session in
                    try session.execute("INSERT INTO things (id, name) VALUES ($1, $2)", 1, "gone")
                    throw Refusal()
                }
            }
            #expect(try await database.names() == [])
            try await database.write { _ = try $0.execute("INSERT INTO things (id, name) VALUES ($1, $2)", 1, "there") }
            #expect(try await database.names() == ["there"])
        }
    }

    @Test("a body sees what it wrote itself", arguments: SQLDriver.all)
    func ownWrites(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            let count = try await database.write { session in
                try session.execute("INSERT INTO things (id) VALUES ($1), ($2)", 1, 2)
                return try session.count("SELECT count(*) FROM things")
            }
            #expect(count == 2)
        }
    }

    @Test("of concurrent writes each one that returned is there, and each that threw left nothing", arguments: SQLDriver.all)
    func concurrentWrites(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            try await database.write { _ = try $0.execute("CREATE TABLE totals (n BIGINT NOT NULL)") }
            try await database.write { _ = try $0.execute("INSERT INTO totals (n) VALUES ($1)", 0) }
            let (blocked, gate) = (Signal(), Gate())
            let refused = try await withThrowingTaskGroup(of: Bool.self) { tasks in
                // While the first one holds the writer, the others gather.
                tasks.addTask {
                    try await database.write { session in
                        blocked.send()
                        guard gate.pass() else { throw Refusal(number: -1) }
                        return false
                    }
                }
                await blocked.wait()
                for number in 1...400 {
                    tasks.addTask {
                        if number == 200 { gate.open() }
                        do {
                            try await database.write { session in
                                try session.execute("INSERT INTO things (id, name) VALUES ($1, $2)", 2 * number, "a")
                                try session.execute("UPDATE totals SET n = n + 1")
                                if number % 7 == 0 { throw Refusal(number: number) }
                                if number % 11 == 0 { try session.execute("INSERT INTO things (id) VALUES ($1)", 2 * number) }
                                try session.execute("INSERT INTO things (id, name) VALUES ($1, $2)", 2 * number + 1, "b")
                            }
                            return false
                        } catch let refusal as Refusal {
                            #expect(refusal.number == number)
                        } catch let error as SQLError {
                            #expect(error.code == .uniqueViolation && number % 11 == 0)
                        }
                        return true
                    }
                }
                return try await tasks.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            let good = (1...400).filter { $0 % 7 != 0 && $0 % 11 != 0 }
            #expect(refused == 400 - good.count)
            let ids = try await database.read { try $0.all("SELECT id FROM things ORDER BY id") { $0.int(0) } }
            #expect(ids == good.flatMap { [2 * $0, 2 * $0 + 1] })
            #expect(try await database.read { try $0.count("SELECT n FROM totals") } == good.count)
        }
    }

    @Test("writes run one after another: each sees all that came before it", arguments: SQLDriver.all)
    func order(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            let seen = try await withThrowingTaskGroup(of: Int.self) { tasks in
                for number in 0..<200 {
                    tasks.addTask {
                        try await database.write { session in
                            let before = try session.count("SELECT count(*) FROM things")
                            try session.execute("INSERT INTO things (id, name) VALUES ($1, $2)", before, "\(number)")
                            return before
                        }
                    }
                }
                return try await tasks.reduce(into: [Int]()) { $0.append($1) }
            }
            #expect(seen.sorted() == Array(0..<200))
            #expect(try await database.names().compactMap { Int($0) }.sorted() == Array(0..<200))
        }
    }

    @Test("a broken deferred rule fails only the body that broke it", arguments: SQLDriver.all)
    func deferredConstraint(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            try await database.write { session in
                try session.execute(
                    """
                    CREATE TABLE parts (
                        id BIGINT PRIMARY KEY, thing BIGINT REFERENCES things (id) DEFERRABLE INITIALLY DEFERRED)
                    """)
            }
            let failed = await withTaskGroup(of: Int?.self) { tasks in
                for number in 0..<100 {
                    tasks.addTask {
                        do {
                            try await database.write { session in
                                try session.execute("INSERT INTO parts (id, thing) VALUES ($1, $2)", number, number)
                                if number % 10 != 3 { try session.execute("INSERT INTO things (id) VALUES ($1)", number) }
                            }
                            return nil
                        } catch {
                            #expect((error as? SQLError)?.code == .constraint)
                            return number
                        }
                    }
                }
                return await tasks.reduce(into: [Int]()) { failed, number in if let number { failed.append(number) } }
            }
            #expect(failed.sorted() == (0..<100).filter { $0 % 10 == 3 })
            #expect(try await database.read { try $0.count("SELECT count(*) FROM parts") } == 90)
        }
    }

    @Test("a read sees one state while a write comes in between", arguments: SQLDriver.all.filter(\.readsDuringWrites))
    func oneState(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            let (started, gate) = (Signal(), Gate())
            async let counts = database.read { session in
                let before = try session.count("SELECT count(*) FROM things")
                started.send()
                guard gate.pass() else { throw Refusal() }
                return [before, try session.count("SELECT count(*) FROM things")]
            }
            await started.wait()
            try await database.write { _ = try $0.execute("INSERT INTO things (id) VALUES ($1)", 1) }
            gate.open()
            #expect(try await counts == [0, 0])
            #expect(try await database.names().count == 1)
        }
    }

    @Test("a write goes on to its end when its task is cancelled", arguments: SQLDriver.all)
    func cancelledWrite(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            let (started, gate) = (Signal(), Gate())
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    try await database.write { session in
                        started.send()
                        guard gate.pass() else { throw Refusal() }
                        try session.execute("INSERT INTO things (id, name) VALUES ($1, $2)", 1, "kept")
                    }
                }
                await started.wait()
                tasks.cancelAll()
                gate.open()
                try await tasks.waitForAll()
            }
            #expect(try await database.names() == ["kept"])
        }
    }
}
