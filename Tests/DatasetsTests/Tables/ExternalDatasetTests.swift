import Testing
import WaybillDatabases
import WaybillEngine
import WaybillSQLite

@testable import Datasets

@Suite struct ExternalDatasetTests {
    private func file(_ statements: String...) async throws -> SampleDatabase {
        let file = try await SampleDatabase()
        try await file.write { session in for statement in statements { try session.execute(statement) } }
        return file
    }

    private func configuration(
        _ table: String = "t", key: String = "k", tenants: DatasetConfiguration.Tenants = .list(["acme"]),
        readers: DatasetConfiguration.Readers = .list(["everyone"]), columns: [String]? = nil
    ) -> DatasetConfiguration {
        DatasetConfiguration(name: "data", table: table, key: key, tenants: tenants, readers: readers, columns: columns)
    }

    @Test("declared types become the kinds of a query, and the key is id")
    func kinds() async throws {
        let file = try await file(
            "CREATE TABLE t (a VARCHAR(20), k INTEGER PRIMARY KEY, b BIGINT, c DOUBLE PRECISION, d BOOLEAN, "
                + "e TIMESTAMP, f \(SampleDatabase.isPostgres ? "BYTEA, g TEXT" : "BLOB, g"), \"h i\" NUMERIC)"
        )
        let dataset = try await ExternalDataset(configuration(), source: try file.source())
        #expect(dataset.columns.map(\.name) == ["id", "a", "b", "c", "d", "e", "f", "g", "h i"])
        #expect(dataset.columns.map(\.kind) == [.integer, .text, .integer, .number, .boolean, .datetime, .json, .text, .number])
        #expect(dataset.schema.field("id")?.kind == .integer)
        #expect(dataset.schema.field("k")?.kind == .integer)
        #expect(dataset.schema.field("language") == nil)
        _ = try dataset.query("k:>3 AND id:<9 AND e:2013-01-01")
        #expect(throws: QueryError.self) { try dataset.query("f:x") }
        #expect(throws: QueryError.self) { try dataset.query("x:1") }
    }

    @Test("a missing table or column is told with the dataset's name")
    func missing() async throws {
        let file = try await file("CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT)")
        let source = try file.source()
        let wrong: [(DatasetConfiguration, DatasetError.Code)] = [
            (configuration("u"), .noTable), (configuration(key: "z"), .noColumn),
            (configuration(tenants: .column("z")), .noColumn),
            (configuration(readers: .column("z")), .noColumn), (configuration(columns: ["a", "z"]), .noColumn),
        ]
        for (configuration, code) in wrong {
            let error = await #expect(throws: DatasetError.self) { try await ExternalDataset(configuration, source: source) }
            #expect(error?.code == code)
            #expect(error?.dataset == "data")
            #expect(error?.description.contains("dataset data") == true)
        }
        withExtendedLifetime(file) {}
    }

    @Test("a column id beside another key must be left out")
    func twoIDs() async throws {
        let file = try await file("CREATE TABLE t (k INTEGER PRIMARY KEY, id TEXT, a TEXT)")
        let source = try file.source()
        let error = await #expect(throws: DatasetError.self) { try await ExternalDataset(configuration(), source: source) }
        #expect(error?.code == .badColumns)
        let dataset = try await ExternalDataset(configuration(columns: ["a"]), source: source)
        #expect(dataset.columns.map(\.name) == ["id", "a"])
        withExtendedLifetime(file) {}
    }

    @Test("names with quotes, spaces and words of SQL are only names")
    func names() async throws {
        let file = try await file(
            "CREATE TABLE \"drop \"\"table\" (\"select\" INTEGER PRIMARY KEY, \"a\"\"; --\" TEXT, "
                + "\"owner'\" TEXT, \"who $1\" TEXT)",
            "INSERT INTO \"drop \"\"table\" VALUES (1, 'x', 'acme', 'everyone'), "
                + "(2, 'y', 'acme', 'user:bob'), (3, 'z', 'b', 'everyone')"
        )
        let dataset = try await ExternalDataset(
            configuration("drop \"table", key: "select", tenants: .column("owner'"), readers: .column("who $1")),
            source: try file.source())
        let principal = Principal(tenant: try #require(TenantID("acme")), user: "ann", roles: [])
        let made = try await ExportRun()(dataset, ExportOptions(format: .ndjson, filename: "out"), as: principal)
        let text = String(decoding: made.files.first?.bytes ?? [], as: UTF8.self)
        #expect(text == "{\"id\":1,\"a\\\"; --\":\"x\",\"owner'\":\"acme\",\"who $1\":\"everyone\"}\n")
    }

    @Test("unknown fields and sort fields of a request are named")
    func requests() async throws {
        let file = try await file("CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT)")
        let source = try file.source()
        let dataset = try await ExternalDataset(configuration(), source: source)
        #expect(try dataset.chosen(["a", "id", "a"]).map(\.name) == ["id", "a"])
        #expect(throws: DatasetError.self) { try dataset.chosen(["k"]) }
        let snapshot = try await source.openSnapshot(readers: 1)
        let principal = Principal(tenant: try #require(TenantID("acme")), user: "ann", roles: [])
        let error = await #expect(throws: DatasetError.self) {
            try await TableSource(dataset, in: snapshot, for: principal, sort: [TableSort(field: "z")])
        }
        #expect(error?.code == .badSort)
        #expect(error?.field == "z")
        await snapshot.close()
        withExtendedLifetime(file) {}
    }

    @Test("a column with too many different readers is refused")
    func tooManyReaders() async throws {
        let file = try await file(
            "CREATE TABLE t (k INTEGER PRIMARY KEY, who TEXT)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= 10000) "
                + "INSERT INTO t SELECT i, 'user:' || i FROM n"
        )
        let dataset = try await ExternalDataset(configuration(readers: .column("who")), source: try file.source())
        let snapshot = try await dataset.source.openSnapshot(readers: 1)
        let tenant = try #require(TenantID("acme"))
        let error = await #expect(throws: DatasetError.self) {
            try await TableSource(dataset, in: snapshot, for: Principal(tenant: tenant, user: "ann", roles: []))
        }
        #expect(error?.code == .tooManyReaders)
        let admin = try await TableSource(dataset, in: snapshot, for: Principal(tenant: tenant, user: "root", roles: ["admin"]))
        #expect(admin.rowsToScan == 10_001)
        await snapshot.close()
    }

    @Test(
        "values of another kind than the column's are absent for a query",
        arguments: [
            ("n:>0", ["1", "4"]), ("n:1", ["1"]), ("NOT n:*", ["2", "3"]), ("flag:true", ["1", "3"]), ("flag:false", ["2"]),
            ("at:2013-01-01", ["1", "2", "3"]), ("at:>\"2013-01-01T05:00:00Z\"", ["2", "3"]), ("g:5", ["1", "3"]),
        ] as [(String, [String])])
    func kindsOfValues(_ query: String, _ ids: [String]) async throws {
        // Where columns hold what they were declared to hold, they hold the like of it.
        let file =
            try await SampleDatabase.isPostgres
            ? file(
                "CREATE TABLE t (k INTEGER PRIMARY KEY, n INTEGER, flag BOOLEAN, at TIMESTAMP, g TEXT)",
                "INSERT INTO t VALUES (1, 1, true, '2013-01-01 05:00:00', '5'), "
                    + "(2, NULL, false, '2013-01-01T06:00:00.500', 'five'), (3, NULL, true, '2013-01-01 07:00:00', '5'), "
                    + "(4, 2, NULL, NULL, NULL)"
            )
            : file(
                "CREATE TABLE t (k INTEGER PRIMARY KEY, n INTEGER, flag BOOLEAN, at DATETIME, g)",
                "INSERT INTO t VALUES (1, 1, 1, '2013-01-01 05:00:00', 5), (2, '', 0, '2013-01-01T06:00:00.500+00:00', 'five'), "
                    + "(3, 'x', 'true', 1357023600, '5'), (4, 2.5, NULL, 'no time', NULL)")
        let dataset = try await ExternalDataset(configuration(), source: try file.source())
        let principal = Principal(tenant: try #require(TenantID("acme")), user: "ann", roles: [])
        let run = ExportRun(fields: [], query: try dataset.query(query))
        let made = try await run(dataset, ExportOptions(format: .csv, filename: "out"), as: principal)
        let lines = String(decoding: made.files.first?.bytes ?? [], as: UTF8.self).split(separator: "\r\n").dropFirst()
        #expect(lines.map(String.init) == ids)
    }
}
