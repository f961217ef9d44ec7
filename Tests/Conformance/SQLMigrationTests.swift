import PostgresFixture
import Testing
import WaybillDatabases
import WaybillPostgres

@Suite struct SQLMigrationTests {
    private func step(_ number: Int, _ table: String) -> SQLMigration {
        SQLMigration(room: "shop", number: number, title: "make \(table)") {
            ["CREATE TABLE \(table) (id BIGINT, name \($0.text))"]
        }
    }

    @Test("each step is applied once, and later ones are added", arguments: SQLDriver.all)
    func once(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            #expect(try await SQLMigrator([step(1, "shop_a")]).migrate(database, now: 5) == ["shop 1: make shop_a"])
            #expect(try await SQLMigrator([step(1, "shop_a")]).migrate(database, now: 6) == [])
            let both = SQLMigrator([step(1, "shop_a"), step(2, "shop_b")])
            #expect(try await both.migrate(database, now: 7) == ["shop 2: make shop_b"])
            let times = try await database.read {
                try $0.all("SELECT applied_at FROM schema_migrations ORDER BY number") { $0.int(0) }
            }
            #expect(times == [5, 7])
        }
    }

    @Test("a schema that is newer than the program is refused and stays as it is", arguments: SQLDriver.all)
    func newer(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            try await SQLMigrator([step(1, "shop_a"), step(2, "shop_b")]).migrate(database, now: 0)
            let error = await #expect(throws: SQLError.self) {
                try await SQLMigrator([step(1, "shop_a")]).migrate(database, now: 0)
            }
            #expect(error?.code == .schema)
        }
    }

    @Test(
        "a newer program's whole room is refused by one who owns the database, and is nobody's business else",
        arguments: SQLDriver.all)
    func newerRoom(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            let other = SQLMigration(room: "till", number: 1, title: "make till") { _ in ["CREATE TABLE till (id BIGINT)"] }
            try await SQLMigrator([step(1, "shop_a"), other]).migrate(database, now: 0)
            #expect(try await SQLMigrator([step(1, "shop_a")]).migrate(database, now: 0) == [])
            let owner = SQLMigrator([step(1, "shop_a")], ownsDatabase: true)
            let error = await #expect(throws: SQLError.self) { try await owner.migrate(database, now: 0) }
            #expect(error?.code == .schema && error?.message.contains("till/1") == true)
            await #expect(throws: SQLError.self) { try await owner.pending(database) }
            #expect(try await owner.status(database).map(\.isKnown) == [true, false])
        }
    }

    @Test("what is to come can be looked at without anything being changed", arguments: SQLDriver.all)
    func looking(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            let both = SQLMigrator([step(1, "shop_a"), step(2, "shop_b")])
            #expect(try await both.pending(database).map(\.number) == [1, 2])
            #expect(try await both.status(database).map(\.appliedAt) == [nil, nil])
            let tables = try await database.read { try $0.count($0.dialect.tableCount, "schema_migrations") }
            #expect(tables == 0)
            try await SQLMigrator([step(1, "shop_a")]).migrate(database, now: 5)
            #expect(try await both.pending(database).map(\.number) == [2])
            #expect(try await both.status(database).map(\.appliedAt) == [5, nil])
        }
    }

    @Test("of many nodes that start at once on an empty database one makes the schema, and all go on")
    func atOnce() async throws {
        try await PostgresFixture.withDatabase { lease in
            let migrator = SQLMigrator([step(1, "shop_a"), step(2, "shop_b")])
            let applied = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<6 {
                    group.addTask {
                        let database = try PostgresDatabase(url: lease.url, configuration: PostgresFixture.small)
                        do {
                            let applied = try await migrator.migrate(database, now: 0)
                            await database.close()
                            return applied.count
                        } catch {
                            await database.close()
                            throw error
                        }
                    }
                }
                return try await group.reduce(into: [Int]()) { $0.append($1) }
            }
            #expect(applied.sorted() == [0, 0, 0, 0, 0, 2])
        }
    }

    @Test("a step that fails leaves nothing of any", arguments: SQLDriver.all)
    func failing(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            await #expect(throws: SQLError.self) {
                try await SQLMigrator([step(1, "shop_a"), step(2, "things")]).migrate(database, now: 0)
            }
            let applied = try await SQLMigrator([step(1, "shop_a")]).migrate(database, now: 0)
            #expect(applied.count == 1)
        }
    }
}
