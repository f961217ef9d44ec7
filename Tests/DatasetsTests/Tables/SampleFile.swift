import Foundation
import Testing
import WaybillDatabases
import WaybillSQLite

/// A database file of somebody else, in a folder that goes with it.
final class SampleFile: Sendable {
    let folder: String
    var path: String { folder + "/outside.db" }

    init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("tables-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        folder = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func source() throws -> SQLiteFile { try SQLiteFile(path: path) }

    func write(_ body: @escaping @Sendable (any SQLSession) throws -> Void) async throws {
        let database = try SQLiteDatabase(path: path)
        try await database.write(body)
        try await database.close()
    }

    /// Runs one query by itself, not as an export would.
    func rows(_ sql: String) async throws -> [[SQLValue]] {
        let snapshot: SQLiteSnapshot = try await source().snapshot(readers: 1)
        let rows = try await snapshot.read(reader: 0) { session in
            try session.all(sql) { row in
                (0..<row.count).map { column in
                    // A broken text is told by being bytes here.
                    row[column].kind == .text && String(validating: row[column].bytes, as: UTF8.self) == nil
                        ? .blob([0xFF]) : row[column].value
                }
            }
        }
        await snapshot.close()
        return rows
    }
}

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

    private static let others = "a INTEGER, b TEXT, c REAL, d, owner TEXT, who TEXT"

    static let all: [SampleTable] = [
        SampleTable(name: "numbered", create: ["CREATE TABLE t (k INTEGER PRIMARY KEY, \(others))"], order: "k") { seed, row in
            .integer(Int64(row * 3) + Int64.random(in: 0...2, using: &seed) - 100)
        },
        SampleTable(
            name: "indexed, with duplicates and NULLs",
            create: ["CREATE TABLE t (k TEXT, \(others))", "CREATE INDEX i ON t (k)"],
            order: "k, rowid"
        ) { seed, _ in someText(&seed) },
        SampleTable(
            name: "not indexed, with duplicates and NULLs", create: ["CREATE TABLE t (k TEXT, \(others))"], order: "k, rowid"
        ) { seed, _ in
            someText(&seed)
        },
        SampleTable(
            name: "folding case", create: ["CREATE TABLE t (k TEXT COLLATE NOCASE, \(others))", "CREATE INDEX i ON t (k)"],
            order: "k, rowid"
        ) { seed, _ in .text(["a", "A", "b", "B", "ab", "aB"].randomElement(using: &seed) ?? "") },
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

    /// Makes the table with `count` rows.
    func fill(_ file: SampleFile, seed: Int, count: Int, brokenTexts: Bool = false) async throws {
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
                    makeKey(&seed, row), Self.number(&seed), Self.text(&seed), Self.double(&seed), Self.anything(&seed), owner,
                    reader == readers.count ? .null : .text(readers[reader]),
                ]
                try session.execute(
                    "INSERT INTO t (k, a, b, c, d, owner, who\(hasPart ? ", part" : "")) VALUES ($1, $2, "
                        + (broken ? "$3 || CAST(x'ff' AS TEXT)" : "$3") + ", $4, $5, $6, $7\(hasPart ? ", \(row % 5)" : ""))",
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
