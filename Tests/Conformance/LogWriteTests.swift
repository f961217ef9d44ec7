import Foundation
import Testing
import WaybillDatabases

@testable import WaybillSQLite

/// How SQLite's log is written.
@Suite struct LogWriteTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path + "/test.sqlite" }

    init() throws {
        folder = try TemporaryFolder()
    }

    /// A frame's header: page 3, and the size of the database after the transaction if it is its last one.
    private func header(ends: Bool) -> [UInt8] {
        [0, 0, 0, 3, 0, 0, 0, ends ? 9 : 0] + Array(repeating: 7, count: 16)
    }

    private func note(_ buffer: inout LogWriteBuffer, _ bytes: [UInt8], at offset: Int64) -> LogWriteBuffer.Step {
        bytes.withUnsafeBytes { buffer.note($0, at: offset) }
    }

    @Test("the pages of a transaction wait for its last one")
    func transaction() {
        let page = Array(repeating: UInt8(1), count: 4096)
        var buffer = LogWriteBuffer()
        #expect(note(&buffer, Array(repeating: 0, count: 32), at: 0) == .writeThrough)
        #expect(note(&buffer, header(ends: false), at: 32) == .keep)
        #expect(note(&buffer, page, at: 56) == .keep)
        #expect(note(&buffer, header(ends: true), at: 4152) == .keep)
        #expect(note(&buffer, page, at: 4176) == .keepAndFlush)
        #expect(buffer.start == 32 && buffer.count == 8240)
        buffer.emptied()
        #expect(note(&buffer, header(ends: false), at: 8272) == .keep)
        #expect(buffer.start == 8272 && buffer.count == 24)
    }

    @Test("a write that is not behind the last one goes through, and so does its page")
    func elsewhere() {
        let page = Array(repeating: UInt8(1), count: 4096)
        var buffer = LogWriteBuffer()
        #expect(note(&buffer, header(ends: false), at: 8272) == .writeThrough)
        #expect(note(&buffer, page, at: 8296) == .writeThrough)
        #expect(note(&buffer, header(ends: false), at: 12392) == .keep)
        // A page of the same transaction is written again, then its header.
        #expect(note(&buffer, page, at: 8296) == .writeThrough)
        #expect(note(&buffer, header(ends: true), at: 8272) == .writeThrough)
    }

    @Test("no more is kept than SQLite writes at once", arguments: [512, 4096, 65_536])
    func bound(pageBytes: Int) {
        let page = Array(repeating: UInt8(1), count: pageBytes)
        var (buffer, offset, flushes) = (LogWriteBuffer(), Int64(32), 0)
        _ = note(&buffer, Array(repeating: 0, count: 32), at: 0)
        for _ in 0..<1000 {
            #expect(note(&buffer, header(ends: false), at: offset) == .keep)
            let step = note(&buffer, page, at: offset + 24)
            #expect(buffer.count <= LogWriteBuffer.bytesMax)
            if step == .keepAndFlush {
                flushes += 1
                buffer.emptied()
            }
            offset += Int64(pageBytes + 24)
        }
        #expect(flushes > 0)
    }

    @Test("whoever copies the files after a commit has all of it, and nothing of what was not committed")
    func copies() async throws {
        var settings = SQLiteConfiguration()
        // Transactions outgrow it and write their pages early.
        settings.writerCacheKiB = 64
        let database = try SQLiteDatabase(path: path, configuration: settings)
        try await database.write { _ = try $0.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)") }
        let copy = folder.path + "/copy.sqlite"
        @Sendable func copied() async throws -> Int {
            for end in ["", "-wal"] {
                if FileManager.default.fileExists(atPath: copy + end) { try FileManager.default.removeItem(atPath: copy + end) }
                try FileManager.default.copyItem(atPath: path + end, toPath: copy + end)
            }
            let other = try SQLiteDatabase(path: copy)
            let (count, check) = try await other.read { session in
                (
                    try session.count("SELECT count(*) FROM things"),
                    try session.first("PRAGMA integrity_check") { $0.string(0) }
                )
            }
            #expect(check == "ok")
            try await other.close()
            return count
        }
        for round in 1...5 {
            let sums = try await database.write { session in
                for number in 0..<400 {
                    try session.execute(
                        "INSERT INTO things (name) VALUES ($1)", String(repeating: "\(number % 10)", count: 900))
                }
                try session.execute("SAVEPOINT half")
                try session.execute("UPDATE things SET name = 'changed'")
                try session.execute("INSERT INTO things (name) SELECT name FROM things")
                let half = try session.count("SELECT count(*) FROM things")
                try session.execute("ROLLBACK TO half")
                // Pages that were written early are read, and written again.
                try session.execute("UPDATE things SET name = name || 'x' WHERE id % 3 = 0")
                return (half, try session.count("SELECT count(*) FROM things WHERE name LIKE '%x'"))
            }
            #expect(sums.0 == round * 800 && sums.1 == round * 400 / 3)
            #expect(try await copied() == round * 400)
            await #expect(throws: Refusal.self) {
                try await database.write { session in
                    try session.execute("INSERT INTO things (name) SELECT name || name FROM things")
                    throw Refusal()
                }
            }
            #expect(try await copied() == round * 400)
            #expect(try await database.read { try $0.count("SELECT count(*) FROM things") } == round * 400)
        }
        try await database.close()
    }
}
