import Foundation
import GRDB
import Testing
import WaybillDatabases
import WaybillSQLite

@Suite struct SQLiteFileTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path + "/external.sqlite" }

    init() throws {
        folder = try TemporaryFolder()
    }

    private func make(_ sql: String) throws {
        try DatabaseQueue(path: path).write { try $0.execute(sql: sql) }
    }

    @Test("columns, kinds and keys are told")
    func schema() async throws {
        try make(
            """
            CREATE TABLE numbered (id INTEGER PRIMARY KEY, name TEXT NOT NULL, code varchar(3) UNIQUE, twice AS (id * 2));
            CREATE TABLE named (name TEXT, part INT, size REAL, PRIMARY KEY (part, name)) WITHOUT ROWID;
            CREATE TABLE odd (id INTEGER PRIMARY KEY DESC, small INT);
            CREATE TABLE bare (a, b);
            CREATE UNIQUE INDEX some ON bare (a) WHERE b > 0;
            CREATE VIEW seen AS SELECT name, size FROM named;
            """)
        let file = try SQLiteFile(path: path)
        #expect(try await file.tables() == ["bare", "named", "numbered", "odd", "seen"])

        let numbered = try await file.table("NUMBERED")
        #expect(numbered.name == "numbered" && numbered.kind == .table && numbered.hasRowID && numbered.rowIDColumn == "id")
        #expect(numbered.columns.map(\.name) == ["id", "name", "code", "twice"])
        #expect(numbered.columns.map(\.declaredType).prefix(3) == ["INTEGER", "TEXT", "varchar(3)"])
        #expect(numbered.columns.map(\.isNotNull) == [false, true, false, false])
        #expect(numbered.columns.map(\.primaryKeyPosition) == [1, 0, 0, 0])
        #expect(numbered.uniqueKeys == [["id"], ["code"]])

        let named = try await file.table("named")
        #expect(!named.hasRowID && named.rowIDColumn == nil && named.uniqueKeys == [["part", "name"]])
        #expect(named.columns.map(\.primaryKeyPosition) == [2, 1, 0])

        #expect(try await file.table("odd").rowIDColumn == nil)
        #expect(try await file.table("bare").uniqueKeys == [])
        let seen = try await file.table("seen")
        #expect(seen.kind == .view && seen.columns.map(\.name) == ["name", "size"] && !seen.hasRowID)
    }

    @Test("what is missing or no database is told")
    func errors() async throws {
        let missing = #expect(throws: SQLError.self) { try SQLiteFile(path: path) }
        #expect(missing?.code == .unavailable)
        try make("CREATE TABLE a (b)")
        let noTable = await #expect(throws: SQLError.self) { try await SQLiteFile(path: path).table("c") }
        #expect(noTable?.code == .schema)
        try Data("this is no database, but long enough to be looked at as one would be. ".utf8).write(to: URL(filePath: path))
        let damaged = await #expect(throws: SQLError.self) { try await SQLiteFile(path: path).tables() }
        #expect(damaged?.code == .corrupt)
        await #expect(throws: SQLError.self) { try await SQLiteFile(path: path).snapshot(readers: 2) }
    }

    @Test("all readers of a snapshot see one state while the owner goes on writing")
    func snapshot() async throws {
        let owner = try DatabasePool(path: path)
        try await owner.write { try $0.execute(sql: "CREATE TABLE n (i INTEGER); INSERT INTO n VALUES (0)") }
        let written = Signal()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                while !Task.isCancelled {
                    try await owner.write { try $0.execute(sql: "UPDATE n SET i = i + 1; INSERT INTO n VALUES (-1)") }
                    written.send()
                }
            }
            let file = try SQLiteFile(path: path)
            for _ in 0..<20 {
                await written.wait()
                let snapshot = try await file.snapshot(readers: 3)
                #expect(1...3 ~= snapshot.readerCount)
                var states: [[Int]] = []
                for round in 0..<2 {
                    if round == 1 { await written.wait() }
                    for reader in 0..<snapshot.readerCount {
                        states.append(
                            try await snapshot.read(reader: reader) { session in
                                [try session.count("SELECT max(i) FROM n"), try session.count("SELECT count(*) FROM n")]
                            })
                    }
                }
                #expect(Set(states).count == 1)
                await snapshot.close()
            }
            tasks.cancelAll()
            do { try await tasks.waitForAll() } catch is CancellationError {}
        }
    }

    @Test("a query stays open from one use of a connection to the next, beside others, until its end")
    func resumed() async throws {
        try make("CREATE TABLE n (i INTEGER); INSERT INTO n VALUES (1), (2), (3), (4), (5), (6), (7)")
        let snapshot = try await SQLiteFile(path: path).snapshot(readers: 1)
        func take(_ count: Int, of number: Int, from first: Int = 1) async throws -> (taken: [Int], isOpen: Bool) {
            try await snapshot.read(reader: 0) { session in
                let session = try #require(session as? any SQLResumableSession)
                var taken: [Int] = []
                let isOpen = try session.scan(
                    "SELECT i FROM n WHERE i >= $1 ORDER BY i", arguments: [.integer(Int64(first))], resuming: number
                ) {
                    taken.append($0.int(0))
                    return taken.count == count ? .stop : .next
                }
                return (taken, isOpen)
            }
        }
        #expect(try await take(3, of: 1) == ([1, 2, 3], true))
        #expect(try await take(2, of: 2, from: 5) == ([5, 6], true), "the same text, open twice")
        #expect(try await snapshot.read(reader: 0) { try $0.count("SELECT count(*) FROM n") } == 7)
        #expect(try await take(2, of: 1) == ([4, 5], true))
        #expect(try await take(9, of: 1) == ([6, 7], false))
        #expect(try await take(1, of: 1) == ([1], true), "a number that is free begins anew")
        struct Stop: Error {}
        await #expect(throws: Stop.self) {
            try await snapshot.read(reader: 0) { session in
                let session = try #require(session as? any SQLResumableSession)
                _ = try session.scan("", arguments: [], resuming: 2) { _ in throw Stop() }
            }
        }
        try await snapshot.read(reader: 0) { session in (session as? any SQLResumableSession)?.endScan(1) }
        for number in [1, 2] { #expect(try await take(1, of: number) == ([1], true), "an error and an end close it") }
        await snapshot.close()
    }

    @Test("a quiet file is had on as many readers as asked for, in any journal mode, and is not changed")
    func quiet() async throws {
        try make("CREATE TABLE n (i INTEGER); INSERT INTO n VALUES (7)")
        let before = try Data(contentsOf: URL(filePath: path))
        let snapshot = try await SQLiteFile(path: path).snapshot(readers: 4)
        #expect(snapshot.readerCount == 4)
        for reader in 0..<4 {
            #expect(try await snapshot.read(reader: reader) { try $0.count("SELECT i FROM n") } == 7)
            await #expect(throws: SQLError.self) { try await snapshot.read(reader: reader) { try $0.execute("DELETE FROM n") } }
        }
        await #expect(throws: SQLError.self) { try await snapshot.read(reader: 4) { try $0.count("SELECT 1") } }
        await snapshot.close()
        await #expect(throws: SQLError.self) { try await snapshot.read(reader: 0) { try $0.count("SELECT i FROM n") } }
        #expect(try Data(contentsOf: URL(filePath: path)) == before)
        #expect(folder.files() == ["external.sqlite"])
    }
}
