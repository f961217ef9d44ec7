import Foundation
import Testing
import WaybillDatabases

@testable import WaybillSQLite

@Suite struct CheckpointPlanTests {
    @Test("a move begins when the log is long enough, and no other before it has ended")
    func beginning() {
        var plan = CheckpointPlan(pagesMax: 100)
        func begins(_ pages: Int) -> Bool { plan.committed(pages: pages) }
        #expect(!begins(99))
        #expect(begins(100))
        #expect(!begins(250))
        plan.ended(moved: 250, began: 0, now: 0)
        #expect(!begins(3))
        #expect(begins(120))
    }

    @Test("what a reader holds back is tried again when the log has grown by a part of itself, or has begun anew")
    func heldBack() {
        var plan = CheckpointPlan(pagesMax: 100)
        func begins(_ pages: Int) -> Bool { plan.committed(pages: pages) }
        #expect(begins(110))
        plan.ended(moved: 40, began: 0, now: 0)
        #expect(!begins(209))
        #expect(begins(210))
        plan.ended(moved: 40, began: 0, now: 0)
        #expect(!begins(20))
        #expect(begins(100))
        _ = begins(4000)
        plan.ended(moved: 40, began: 0, now: 0)
        #expect(!begins(4999))
        #expect(begins(5000))
    }

    @Test("what a reader held back is tried again when a read has ended, and not much more often than it takes")
    func readEnded() {
        var plan = CheckpointPlan(pagesMax: 100)
        func begins(_ pages: Int) -> Bool { plan.committed(pages: pages) }
        func beginsAfterRead(_ now: UInt64) -> Bool { plan.readEnded(now: now) }
        // Nothing is held back; then a move is under way.
        #expect(!beginsAfterRead(10))
        #expect(begins(110))
        #expect(!beginsAfterRead(10))
        plan.ended(moved: 40, began: 100, now: 150)
        #expect(!beginsAfterRead(349))
        #expect(beginsAfterRead(350))
        #expect(!beginsAfterRead(400))
        #expect(!begins(5000))
        plan.ended(moved: 5000, began: 400, now: 500)
        #expect(!beginsAfterRead(10_000))
        #expect(begins(5100))
        plan.ended(moved: 40, began: 20_000, now: 20_010)
        // It begins anew.
        #expect(!begins(3))
        #expect(!beginsAfterRead(30_000))
    }

    @Test("the part beside the writer goes on while much is left, a few rounds at most, and not behind a log that began anew")
    func rounds() {
        var plan = CheckpointPlan(pagesMax: 100)
        func begins(_ pages: Int) -> Bool { plan.committed(pages: pages) }
        #expect(begins(2000))
        #expect(plan.goesOn(moved: 1000, round: 1))
        #expect(!plan.goesOn(moved: 1600, round: 1))
        #expect(!plan.goesOn(moved: 1000, round: CheckpointPlan.roundsMax))
        #expect(!begins(10))
        #expect(!plan.goesOn(moved: 2000, round: 1))
        #expect(!plan.goesOn(moved: .max, round: 1))
    }
}

@Suite(.timeLimit(.minutes(2))) struct CheckpointTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path + "/test.sqlite" }

    init() throws {
        folder = try TemporaryFolder()
    }

    /// How often the log has begun anew, as its header says.
    private func beginnings() throws -> UInt32 {
        let file = try FileHandle(forReadingFrom: URL(filePath: path + "-wal"))
        defer { file.closeFile() }
        try file.seek(toOffset: 12)
        return try #require(try file.read(upToCount: 4)).reduce(0) { $0 << 8 | UInt32($1) }
    }

    private func insert(_ database: SQLiteDatabase, _ number: Int) async throws {
        try await database.write { session in
            try session.execute(
                "INSERT INTO things (id, text) VALUES ($1, $2)", number * 7919 % 1_000_003, String(repeating: "x", count: 3000))
        }
    }

    @Test("the log begins anew again and again while writers and readers go on, and nothing is lost")
    func beside() async throws {
        var configuration = SQLiteConfiguration()
        configuration.checkpointPages = 40
        let database = try SQLiteDatabase(path: path, configuration: configuration)
        try await database.write { _ = try $0.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, text TEXT)") }
        let first = try beginnings()
        var written = 0
        while try beginnings() < first + 20, written < 200_000 {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for number in written..<(written + 20) { tasks.addTask { try await insert(database, number) } }
                for _ in 0..<3 {
                    tasks.addTask { _ = try await database.read { try $0.count("SELECT sum(length(text)) FROM things") } }
                }
                try await tasks.waitForAll()
            }
            written += 20
        }
        #expect(try beginnings() >= first + 20)
        try await database.close()
        #expect(folder.files() == ["test.sqlite"])

        let again = try SQLiteDatabase(path: path)
        #expect(try await again.read { try $0.count("SELECT count(*) FROM things") } == written)
        #expect(try await again.read { try $0.first("PRAGMA integrity_check") { $0.string(0) } } == "ok")
        try await again.close()
    }

    @Test("what is only in the log when the process ends is there at the next start")
    func copied() async throws {
        let database = try SQLiteDatabase(path: path)
        try await database.write { _ = try $0.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, text TEXT)") }
        for number in 0..<50 { try await insert(database, number) }
        let other = try TemporaryFolder()
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: path + suffix, toPath: "\(other.path)/test.sqlite\(suffix)")
        }
        try await database.close()
        let copy = try SQLiteDatabase(path: other.path + "/test.sqlite")
        #expect(try await copy.read { try $0.count("SELECT count(*) FROM things") } == 50)
        try await copy.close()
    }
}
