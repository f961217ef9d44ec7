import Testing
import WaybillDatabases

@Suite struct SQLRowListTests {
    private static let columns: [SQLRowList.Column] = [.init("id", .integer), .init("name", .text), .init("share", .double)]

    @Test("rows in one parameter come out as they went in", arguments: SQLDriver.all)
    func roundTrip(driver: SQLDriver) async throws {
        let names: [String?] = [
            "plain", "", nil, "NULL", "null", "a \"b\" \\ c", "{x,y}", "[1]", "two\nlines\tand \u{1}", "naïve 日本 🚚", "it's",
            " spaced ",
        ]
        let ids: [Int64] = [0, 1, -1, .max, .min]
        let shares: [Double?] = [0, 100, nil, -0.125, 1.5e10, 0.1]
        let rows = names.enumerated().map { number, name in
            [ids[number % ids.count].sqlValue, name.sqlValue, shares[number % shares.count].sqlValue]
        }
        try await driver.using { database in
            try await database.write { session in
                let text = session.dialect.text
                try session.execute("CREATE TABLE kept (at BIGINT, id BIGINT, name \(text), share DOUBLE PRECISION)")
                var list = SQLRowList(Self.columns)
                for row in rows { try list.append(row) }
                let changed = try session.execute(
                    """
                    INSERT INTO kept (at, id, name, share) SELECT CAST($1 AS BIGINT), id, name, share
                    FROM \(SQLRowList.table(Self.columns, from: 2, session.dialect))
                    """, arguments: [.integer(7)] + list.arguments(session.dialect))
                #expect(changed == rows.count)
            }
            let kept = try await database.read { session in
                try session.all("SELECT id, name, share FROM kept") { row in (0..<3).map { row[$0].value } }
            }
            #expect(Set(kept) == Set(rows))
        }
    }

    @Test("a list of no rows is a table of none", arguments: SQLDriver.all)
    func empty(driver: SQLDriver) async throws {
        try await driver.withThings { database in
            let count = try await database.read { session in
                try session.all(
                    "SELECT id FROM \(SQLRowList.table(Self.columns, from: 1, session.dialect))",
                    arguments: SQLRowList(Self.columns).arguments(session.dialect)
                ) { $0.int(0) }.count
            }
            #expect(count == 0)
        }
    }

    @Test("what no database can store is refused before it is sent")
    func refused() {
        var list = SQLRowList(Self.columns)
        for row: [SQLValue] in [
            [.integer(1), .text("a\u{0}b"), .null], [.integer(1), .null, .double(.nan)], [.integer(1), .blob([1]), .null],
            [.integer(1)],
        ] {
            #expect(throws: SQLError.self) { try list.append(row) }
        }
        #expect(list.arguments(.sqlite) == [.text("[]")])
    }
}
