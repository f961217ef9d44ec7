import Testing
import WaybillDatabases

/// One kind of table that is exported.
struct SampleTable: Sendable, CustomTestStringConvertible {
    var name: String
    var create: [String]
    /// The table or view to export, and the order that is expected.
    var exported = "t"
    var order: String
    var key = "k"
    /// Makes the key of a row.
    var makeKey: @Sendable (inout Seed, Int) -> SQLValue

    var testDescription: String { name }

    /// As many of each database, so that those with the same number are alike.
    static let all = SampleDatabase.isPostgres ? onPostgres : onSQLite

    private static let others =
        "a INTEGER, b TEXT, c DOUBLE PRECISION, d\(SampleDatabase.isPostgres ? " TEXT" : ""), owner TEXT, who TEXT"

    private static let onSQLite: [SampleTable] = [
        SampleTable(name: "numbered", create: ["CREATE TABLE t (k INTEGER PRIMARY KEY, \(others))"], order: "k", makeKey: rising),
        SampleTable(
            name: "indexed, with duplicates and NULLs",
            create: ["CREATE TABLE t (k TEXT, \(others))", "CREATE INDEX i ON t (k)"], order: "k, rowid"
        ) { seed, _ in someText(&seed) },
        SampleTable(
            name: "not indexed, with duplicates and NULLs", create: ["CREATE TABLE t (k TEXT, \(others))"], order: "k, rowid"
        ) { seed, _ in
            someText(&seed)
        },
        SampleTable(
            name: "folding case", create: ["CREATE TABLE t (k TEXT COLLATE NOCASE, \(others))", "CREATE INDEX i ON t (k)"],
            order: "k, rowid", makeKey: oneOfFew),
        SampleTable(
            name: "without row numbers",
            create: ["CREATE TABLE t (k INTEGER, part INTEGER, \(others), PRIMARY KEY (k, part)) WITHOUT ROWID"],
            order: "k, part"
        ) { _, row in .integer(Int64(row / 5)) },
        SampleTable(
            name: "of any type", create: ["CREATE TABLE t (k, \(others))", "CREATE INDEX i ON t (k, a)"], order: "k, rowid"
        ) { seed, _ in
            anything(&seed)
        },
        SampleTable(
            name: "a view",
            create: ["CREATE TABLE t (k, \(others))", "CREATE VIEW v AS SELECT k, a, b, c, d, owner, who FROM t"],
            exported: "v", order: "k COLLATE BINARY, a, b COLLATE BINARY, c, d, owner, who"
        ) { seed, _ in anything(&seed) },
    ]

    /// Nothing else tells rows of one key apart.
    private static let allColumns = ["k", "a", "b", "c", "d", "owner", "who"].map { "\($0) NULLS FIRST" }.joined(separator: ", ")

    private static let onPostgres: [SampleTable] = [
        SampleTable(name: "numbered", create: ["CREATE TABLE t (k BIGINT PRIMARY KEY, \(others))"], order: "k", makeKey: rising),
        SampleTable(
            name: "indexed, with duplicates and NULLs",
            create: ["CREATE TABLE t (k TEXT, \(others))", "CREATE INDEX i ON t (k)"], order: allColumns
        ) { seed, _ in someText(&seed) },
        SampleTable(
            name: "not indexed, with duplicates and NULLs", create: ["CREATE TABLE t (k TEXT, \(others))"], order: allColumns
        ) { seed, _ in someText(&seed) },
        SampleTable(
            name: "padded, with a unique key of two columns",
            create: [
                "CREATE TABLE t (k CHAR(3), number SERIAL NOT NULL, \(others))", "CREATE UNIQUE INDEX i ON t (number)",
                "CREATE INDEX j ON t (k)",
            ],
            order: "k NULLS FIRST, number", makeKey: oneOfFew),
        SampleTable(
            name: "with a key of two columns",
            create: ["CREATE TABLE t (k INTEGER, part INTEGER, \(others), PRIMARY KEY (k, part))"], order: "k, part"
        ) { _, row in .integer(Int64(row / 5)) },
        SampleTable(
            name: "with decimals", create: ["CREATE TABLE t (k NUMERIC(6, 2) UNIQUE, \(others))"], order: allColumns
        ) { _, row in row % 20 == 7 ? .null : .double(Double(row) / 4 - 5) },
        SampleTable(
            name: "a view",
            create: ["CREATE TABLE t (k DATE, \(others))", "CREATE VIEW v AS SELECT k, a, b, c, d, owner, who FROM t"],
            exported: "v", order: allColumns
        ) { seed, _ in
            Int.random(in: 0..<8, using: &seed) == 0 ? .null : .text("2013-02-\(Int.random(in: 10...28, using: &seed))")
        },
    ]

    @Sendable private static func rising(_ seed: inout Seed, _ row: Int) -> SQLValue {
        .integer(Int64(row * 3) + Int64.random(in: 0...2, using: &seed) - 100)
    }

    @Sendable private static func oneOfFew(_ seed: inout Seed, _ row: Int) -> SQLValue {
        .text(["a", "A", "b", "B", "ab", "aB"].randomElement(using: &seed) ?? "")
    }

    /// The order when the key is sorted by downwards.
    var descendingOrder: String {
        let first = SampleDatabase.isPostgres ? "k NULLS FIRST" : exported == "v" ? "k COLLATE BINARY" : "k"
        let downwards = ["k NULLS FIRST": "k DESC NULLS LAST", "k COLLATE BINARY": "k COLLATE BINARY DESC", "k": "k DESC"]
        guard order.hasPrefix(first) else { return order.replacing("k", with: "k DESC", maxReplacements: 1) }
        return (downwards[first] ?? "") + order.dropFirst(first.count)
    }

    static func someText(_ seed: inout Seed) -> SQLValue {
        Int.random(in: 0..<8, using: &seed) == 0 ? .null : .text("k\(Int.random(in: 0..<25, using: &seed))")
    }

    static func anything(_ seed: inout Seed) -> SQLValue {
        switch Int.random(in: 0..<6, using: &seed) {
        case 0: .null
        case 1: .integer(.random(in: -3...3, using: &seed))
        case 2: .double(Double(Int.random(in: -3...3, using: &seed)) + 0.5)
        case 3: .blob([1, 2, UInt8.random(in: 0...3, using: &seed)])
        default: .text(["", "x", "ä\"b", "a,b", "line\r\nend", "5"].randomElement(using: &seed) ?? "")
        }
    }

    /// Of any kind, where a column may hold any.
    private static func loose(_ seed: inout Seed) -> SQLValue {
        let value = anything(&seed)
        guard SampleDatabase.isPostgres, case .blob(let bytes) = value else { return value }
        return .text("\(bytes)")
    }

    /// Makes the table with `count` rows.
    func fill(_ file: SampleDatabase, seed: Int, count: Int, brokenTexts: Bool = false) async throws {
        try await file.write { session in
            for statement in create { try session.execute(statement) }
            var seed = Seed(seed)
            let hasPart = create[0].contains("part INTEGER")
            for row in 0..<count {
                let broken = brokenTexts && row % 11 == 3
                let owner: SQLValue = [.text("acme"), .text("acme"), .text("acme"), .text("other"), .null][
                    Int.random(in: 0..<5, using: &seed)]
                let readers = ["everyone", "role:editor", "user:bob", "user:ann, role:x", "role:x everyone", "", "nobody"]
                let reader = Int.random(in: 0...readers.count, using: &seed)
                let values: [SQLValue] = [
                    makeKey(&seed, row), Self.number(&seed), Self.text(&seed), Self.double(&seed), Self.loose(&seed), owner,
                    reader == readers.count ? .null : .text(readers[reader]),
                ]
                try session.execute(
                    "INSERT INTO t (k, a, b, c, d, owner, who\(hasPart ? ", part" : "")) VALUES ($1, $2, "
                        + (broken ? "$3 || \(SampleDatabase.broken())" : "$3")
                        + ", $4, $5, $6, $7\(hasPart ? ", \(row % 5)" : ""))",
                    arguments: values)
            }
        }
    }

    private static func number(_ seed: inout Seed) -> SQLValue {
        Int.random(in: 0..<5, using: &seed) == 0 ? .null : .integer(.random(in: -1000...1000, using: &seed))
    }

    private static func text(_ seed: inout Seed) -> SQLValue {
        .text(["", "plain", "with \"quotes\"", "comma, here", "größe", "two\nlines"].randomElement(using: &seed) ?? "")
    }

    private static func double(_ seed: inout Seed) -> SQLValue {
        Int.random(in: 0..<5, using: &seed) == 0 ? .null : .double(Double(Int.random(in: -50...50, using: &seed)) + 0.25)
    }
}
