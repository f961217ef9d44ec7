import Foundation
import Testing
import WaybillDatabases
import WaybillEngine

@testable import Datasets

@Suite struct TableExportTests {
    static let columns = ["id", "a", "b", "c", "d", "owner", "who"]
    static let names = ["k", "a", "b", "c", "d", "owner", "who"]

    static func configuration(
        _ table: SampleTable, tenants: DatasetConfiguration.Tenants = .column("owner"),
        readers: DatasetConfiguration.Readers = .column("who")
    ) -> DatasetConfiguration {
        DatasetConfiguration(name: "sample", table: table.exported, key: "k", tenants: tenants, readers: readers, columns: names)
    }

    static func principal(_ user: String, _ roles: Set<String>) throws -> Principal {
        Principal(tenant: try #require(TenantID("acme")), user: user, roles: roles)
    }

    /// The rows that a user should get, judged row by row.
    static func expected(_ file: SampleDatabase, _ table: SampleTable, for principal: Principal) async throws -> [[SQLValue]] {
        let rows = try await file.rows("SELECT \(names.joined(separator: ", ")) FROM \(table.exported) ORDER BY \(table.order)")
        return rows.filter { row in
            guard row[5] == .text("acme") else { return false }
            if principal.roles.contains("admin") { return true }
            guard case .text(let who) = row[6] else { return false }
            return who.components(separatedBy: CharacterSet(charactersIn: ", ")).contains { entry in
                entry == "everyone" || entry == "user:\(principal.user)"
                    || (entry.hasPrefix("role:") && principal.roles.contains(String(entry.dropFirst(5))))
            }
        }
    }

    static func text(_ format: ExportOptions.Format, _ rows: [[SQLValue]], _ columns: [String] = columns) -> String {
        switch format {
        case .csv, .xlsx: PlainEncoding.csv(columns, rows)
        case .ndjson: PlainEncoding.ndjson(columns, rows)
        case .json: PlainEncoding.json(columns, rows)
        }
    }

    @Test(
        "every kind of table comes out row by row as it is, in its order, in every format", arguments: SampleTable.all, [1, 2, 3])
    func everyTable(_ table: SampleTable, _ seed: Int) async throws {
        let file = try await SampleDatabase()
        try await table.fill(file, seed: seed, count: 137)
        let dataset = try await ExternalDataset(Self.configuration(table), source: try file.source())
        var random = Seed(seed)
        let principal = try Self.principal(seed == 2 ? "bob" : "ann", seed == 3 ? ["admin"] : ["reader", "editor"])
        let rows = try await Self.expected(file, table, for: principal)
        try #require(rows.count > 10)
        for format in [ExportOptions.Format.csv, .ndjson, .json] {
            for compression in ExportOptions.Compression.allCases {
                let run = ExportRun(
                    readers: Int.random(in: 1...2, using: &random), chunkRows: Int.random(in: 1...40, using: &random))
                let made = try await run(
                    dataset, ExportOptions(format: format, compression: compression, onError: .continue, filename: "out"),
                    as: principal)
                #expect(made.job.state == .completed, "\(made.job.failure.map { "\($0)" } ?? "")")
                let only = try #require(made.files.first)
                let bytes = try expanded(only, compression)
                #expect(
                    String(decoding: bytes, as: UTF8.self) == Self.text(format, rows), "\(table.name) \(format) \(compression)")
                #expect(made.result?.exported == Int64(rows.count))
                #expect(made.result?.total == Int64(rows.count))
            }
        }
    }

    @Test("an export that is interrupted after each commit makes the same bytes", arguments: SampleTable.all)
    func interrupted(_ table: SampleTable) async throws {
        let file = try await SampleDatabase(takesAnyBytes: true)
        try await table.fill(file, seed: 7, count: 90, brokenTexts: true)
        let dataset = try await ExternalDataset(Self.configuration(table), source: try file.source())
        let principal = try Self.principal("ann", ["reader", "editor"])
        for (format, compression) in [
            (ExportOptions.Format.csv, ExportOptions.Compression.gzip), (.json, .none), (.ndjson, .zstd),
        ] {
            for partRows in [nil, 9] as [Int64?] {
                let options = ExportOptions(
                    format: format, compression: compression, onError: .continue, filename: "out", partRows: partRows)
                let whole = try await ExportRun()(dataset, options, as: principal)
                let again = try await ExportRun(isInterrupted: true)(dataset, options, as: principal)
                #expect(again.commits > whole.commits)
                #expect(again.job.state == .completed, "\(again.job.failure.map { "\($0)" } ?? "")")
                #expect(again.files.map(\.name) == whole.files.map(\.name))
                #expect(again.files.map(\.bytes) == whole.files.map(\.bytes))
                #expect(again.result == whole.result)
            }
        }
    }

    @Test(
        "parts by rows hold the rows of the whole, each with its own head",
        arguments: [SampleTable.all[0], SampleTable.all[1], SampleTable.all[6]])
    func parts(_ table: SampleTable) async throws {
        let file = try await SampleDatabase()
        try await table.fill(file, seed: 11, count: 120)
        let dataset = try await ExternalDataset(Self.configuration(table), source: try file.source())
        let principal = try Self.principal("root", ["admin"])
        let rows = try await Self.expected(file, table, for: principal)
        for format in [ExportOptions.Format.csv, .ndjson, .json] {
            let made = try await ExportRun()(dataset, ExportOptions(format: format, filename: "out", partRows: 13), as: principal)
            #expect(made.files.count == (rows.count + 12) / 13)
            for (index, part) in made.files.enumerated() {
                let slice = Array(rows[(index * 13)..<min(rows.count, index * 13 + 13)])
                #expect(String(decoding: part.bytes, as: UTF8.self) == Self.text(format, slice))
                #expect(part.facts?.rows == Int64(slice.count))
            }
        }
        let byBytes = try await ExportRun()(
            dataset, ExportOptions(format: .ndjson, filename: "out", partBytes: 1500), as: principal)
        #expect(byBytes.files.count > 3)
        #expect(byBytes.files.flatMap(\.bytes) == Array(Self.text(.ndjson, rows).utf8))
        #expect(byBytes.files.dropLast().allSatisfy { $0.bytes.count >= 1500 && $0.bytes.count < 2200 })
    }

    @Test(
        "a sheet that is full is followed by another one, whether parts were asked for or not",
        arguments: [(nil, 13), (40, 13), (5, 5)] as [(Int64?, Int64)])
    func fullSheets(_ sizes: (partRows: Int64?, expected: Int64)) async throws {
        let table = SampleTable.all[0]
        let file = try await SampleDatabase()
        try await table.fill(file, seed: 11, count: 120)
        let dataset = try await ExternalDataset(Self.configuration(table), source: try file.source())
        let principal = try Self.principal("root", ["admin"])
        let rows = try await Self.expected(file, table, for: principal).count
        let made = try await ExportRun(sheetRows: 13)(
            dataset, ExportOptions(format: .xlsx, filename: "out", partRows: sizes.partRows), as: principal)
        #expect(made.job.state == .completed && made.result?.exported == Int64(rows))
        let size = Int(sizes.expected)
        let full = (rows - 1) / size
        try #require(full >= 2)
        #expect(
            made.files.compactMap { $0.facts?.rows } == Array(repeating: Int64(size), count: full) + [Int64(rows - full * size)])
        // Without parts that were asked for, the name is numbered from the second on.
        let first = sizes.partRows == nil ? "out.xlsx" : "out-00001.xlsx"
        #expect(made.files.prefix(2).map(\.name) == [first, "out-00002.xlsx"])
    }

    @Test("texts that are not UTF-8 are listed and left out, or fail the export")
    func brokenTexts() async throws {
        let table = SampleTable.all[0]
        let file = try await SampleDatabase(takesAnyBytes: true)
        try await table.fill(file, seed: 5, count: 60, brokenTexts: true)
        let dataset = try await ExternalDataset(Self.configuration(table), source: try file.source())
        let principal = try Self.principal("root", ["admin"])
        let all = try await Self.expected(file, table, for: principal)
        let right = all.filter { $0[2] != .blob([0xFF]) }
        let broken = all.count - right.count
        try #require(broken > 0)
        let made = try await ExportRun()(dataset, ExportOptions(format: .csv, onError: .continue, filename: "out"), as: principal)
        #expect(made.file("out.csv").map { String(decoding: $0.bytes, as: UTF8.self) } == PlainEncoding.csv(Self.columns, right))
        #expect(made.result?.failed == Int64(broken))
        #expect(made.result?.errors.first?.code == "INVALID_UTF8")
        #expect(made.files.first { $0.facts?.role == .errors }?.facts?.rows == Int64(broken))
        let stopped = try await ExportRun()(dataset, ExportOptions(format: .csv, onError: .stop, filename: "out"), as: principal)
        #expect(stopped.job.state == .failed)
        #expect(stopped.job.failure?.code == "INVALID_UTF8")
    }

    @Test("keys that are not UTF-8 lose no row, side by side or not", arguments: [true, false])
    func brokenKeys(_ isIndexed: Bool) async throws {
        let file = try await SampleDatabase(takesAnyBytes: true)
        try await file.write { session in
            try session.execute("CREATE TABLE t (k \(SampleDatabase.isPostgres ? "TEXT" : ""), owner TEXT)")
            if isIndexed { try session.execute("CREATE INDEX i ON t (k)") }
            for row in 0..<40 {
                try session.execute(
                    "INSERT INTO t (k, owner) VALUES (\(SampleDatabase.broken("6\(row % 4)")), 'acme'), "
                        + "(\(row), 'acme'), (\(SampleDatabase.isPostgres ? "'a" : "x'6")\(row % 3)', 'acme')"
                )
            }
        }
        let configuration = DatasetConfiguration(
            name: "keys", table: "t", key: "k", tenants: .column("owner"), readers: .list(["everyone"]))
        let dataset = try await ExternalDataset(configuration, source: try file.source())
        let made = try await ExportRun()(
            dataset, ExportOptions(format: .csv, onError: .continue, filename: "out"), as: try Self.principal("ann", []))
        #expect(made.result?.exported == 80)
        #expect(made.result?.failed == 40)
    }

    @Test(
        "rows with one key that are too large for a chunk follow each other",
        arguments: ["CREATE INDEX i ON t (k)", "SELECT 1", "CREATE VIEW v AS SELECT * FROM t"])
    func largeRows(_ statement: String) async throws {
        let file = try await SampleDatabase()
        try await file.write { session in
            try session.execute("CREATE TABLE t (k INTEGER, n INTEGER, b TEXT)")
            try session.execute(statement)
            for row in 0..<9 {
                try session.execute(
                    "INSERT INTO t VALUES (5, \(row), $1)", arguments: [.text(String(repeating: "x\(row)", count: 1_500_000))])
            }
        }
        let table = statement.contains("VIEW") ? "v" : "t"
        let configuration = DatasetConfiguration(
            name: "large", table: table, key: "k", tenants: .list(["acme"]), readers: .list(["role:reader"]), columns: ["n", "b"])
        let dataset = try await ExternalDataset(configuration, source: try file.source())
        let made = try await ExportRun()(
            dataset, ExportOptions(format: .ndjson, filename: "out"), as: try Self.principal("ann", ["reader"]))
        let lines = try #require(made.files.first).bytes.split(separator: UInt8(ascii: "\n"))
        #expect(lines.count == 9)
        #expect(Set(lines.map { Array($0.prefix(14)) }).count == 9)
        #expect(made.result?.exported == 9)
    }

    /// Sources whose rows come in the order that is asked for only once they have been sorted.
    private static let unsorted: [(table: SampleTable, sort: [TableSort])] = [
        (SampleTable.all[2], []), (SampleTable.all[6], []), (SampleTable.all[0], [TableSort(field: "c")]),
        (SampleTable.all[0], [TableSort(field: "id", isDescending: true)]),
    ]

    @Test("what has no index is sorted once for an export, and not for each chunk", arguments: 0..<4)
    func onePass(_ index: Int) async throws {
        let (table, sort) = Self.unsorted[index]
        let file = try await SampleDatabase()
        try await table.fill(file, seed: 21, count: 300)
        let dataset = try await ExternalDataset(Self.configuration(table), source: try file.source())
        let snapshot = WatchedSnapshot(try await dataset.source.openSnapshot(readers: 3))
        let source = try await TableSource(
            dataset, in: snapshot, for: try Self.principal("root", ["admin"]), sort: sort, chunkRows: 10)
        let before = snapshot.counts.sorted
        var cursor: KeysetCursor?
        var rows = 0
        var chunks = 0
        while true {
            let (end, count) = try await source.read(after: cursor, through: nil, reader: 0) { RowCount() }
            rows += count
            guard let last = end.last else { break }
            cursor = last
            chunks += 1
        }
        #expect(rows > 100 && chunks == (rows + 9) / 10)
        #expect(snapshot.counts.sorted == before && snapshot.counts.pieces >= chunks && snapshot.counts.ends == 1)
        // From a place where the query does not stand it is begun once more.
        let (_, rest) = try await source.read(after: KeysetCursor([.integer(20)]), through: nil, reader: 0) { RowCount() }
        #expect(rest == 10 && snapshot.counts.ends == 2)
        await snapshot.close()
    }

    @Test("the key can be sorted by downwards", arguments: SampleTable.all)
    func descending(_ table: SampleTable) async throws {
        let file = try await SampleDatabase()
        try await table.fill(file, seed: 13, count: 150)
        let dataset = try await ExternalDataset(Self.configuration(table), source: try file.source())
        let principal = try Self.principal("root", ["admin"])
        let rows = try await Self.expected(
            file,
            SampleTable(
                name: "", create: [], exported: table.exported, order: table.descendingOrder, makeKey: table.makeKey),
            for: principal)
        for isInterrupted in [false, true] {
            let made = try await ExportRun(sort: [TableSort(field: "id", isDescending: true)], isInterrupted: isInterrupted)(
                dataset, ExportOptions(format: .csv, filename: "out"), as: principal)
            #expect(made.files.first.map { String(decoding: $0.bytes, as: UTF8.self) } == PlainEncoding.csv(Self.columns, rows))
        }
    }

    @Test("nothing is exported to another tenant, or to one whom no row names")
    func strangers() async throws {
        let table = SampleTable.all[0]
        let file = try await SampleDatabase()
        try await table.fill(file, seed: 3, count: 30)
        let source = try file.source()
        let listed = try await ExternalDataset(Self.configuration(table, tenants: .list(["other"])), source: source)
        let named = try await ExternalDataset(Self.configuration(table, readers: .list(["role:boss"])), source: source)
        for dataset in [listed, named] {
            let made = try await ExportRun()(
                dataset, ExportOptions(format: .csv, filename: "out"), as: try Self.principal("ann", ["reader"]))
            #expect(made.job.state == .completed)
            #expect(made.files.first.map { String(decoding: $0.bytes, as: UTF8.self) } == PlainEncoding.csv(Self.columns, []))
            #expect(made.result?.total == 0)
        }
        #expect(!listed.isVisible(to: try #require(TenantID("acme"))))
    }

    @Test("chosen fields, a query and a sort order are taken")
    func chosen() async throws {
        let table = SampleTable.all[1]
        let file = try await SampleDatabase()
        try await table.fill(file, seed: 9, count: 200)
        let dataset = try await ExternalDataset(Self.configuration(table), source: try file.source())
        let principal = try Self.principal("root", ["admin"])
        let run = ExportRun(
            fields: ["c", "a"], query: try dataset.query("a:>0 AND NOT b:plain"),
            sort: [TableSort(field: "a", isDescending: true), TableSort(field: "c")])
        let made = try await run(dataset, ExportOptions(format: .csv, filename: "out"), as: principal)
        let rows = try await file.rows(
            "SELECT k, c, a FROM t WHERE owner = 'acme' AND a > 0 AND b <> 'plain' ORDER BY a DESC, "
                + (SampleDatabase.isPostgres
                    ? "c NULLS FIRST, k NULLS FIRST, b NULLS FIRST, d NULLS FIRST, owner, who NULLS FIRST" : "c, k, rowid"))
        try #require(rows.count > 20)
        #expect(made.files.first.map { String(decoding: $0.bytes, as: UTF8.self) } == PlainEncoding.csv(["id", "c", "a"], rows))
    }
}

private final class RowCount: RowConsumer {
    private var rows = 0

    func table(_ row: SQLRow) -> SQLScan {
        rows += 1
        return .next
    }

    func document(_ document: DocumentRow) -> SQLScan { .stop }
    func failed(id: String, _ error: RowError) -> SQLScan { .stop }
    func finish() throws -> Int { rows }
}
