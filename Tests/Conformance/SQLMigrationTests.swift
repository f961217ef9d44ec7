import Testing
import WaybillDatabases

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
