import Foundation
import GRDB
import Testing
import WaybillDatabases

@testable import WaybillSQLite

@Suite struct LogSyncTests {
    /// The state as the tests drive it.
    private final class Log {
        private var state = LogSyncState()

        var isInDoubt: Bool { state.isInDoubt }

        func changes(isDelayed: Bool) -> Bool { state.changes(isDelayed: isDelayed) }
        func begins(isDelayed: Bool) { state.begins(isDelayed: isDelayed) }

        /// A transaction that is committed.
        /// - Returns: whether somebody must begin to sync.
        func commit(isDelayed: Bool) -> Bool {
            state.begins(isDelayed: isDelayed)
            return state.committed()
        }

        /// A transaction that waits and fails.
        func fail() {
            state.begins(isDelayed: false)
            state.failed()
        }

        func next() -> UInt64? { state.next() }
        func synced(_ covered: UInt64, isDone: Bool) { state.synced(covered, isDone: isDone) }
        func emptied() { state.emptied() }
    }

    @Test("the connection is told when commits wait no longer, and when they do again, until it has heard")
    func levels() {
        let log = Log()
        #expect(!log.changes(isDelayed: false))
        #expect(log.changes(isDelayed: true))
        log.begins(isDelayed: true)
        #expect(!log.changes(isDelayed: true))
        // Telling it fails: it is told again before anything is committed that waits.
        for _ in 0..<2 { #expect(log.changes(isDelayed: false)) }
        log.begins(isDelayed: false)
        #expect(!log.changes(isDelayed: false))
    }

    @Test("one sync at a time covers what was committed when it began, and the next one the rest")
    func syncs() {
        let log = Log()
        #expect(log.commit(isDelayed: true))
        #expect(!log.commit(isDelayed: true))
        #expect(log.next() == 2)
        #expect(!log.commit(isDelayed: true))
        log.synced(2, isDone: true)
        #expect(log.next() == 3)
        log.synced(3, isDone: true)
        #expect(log.next() == nil)
        #expect(log.commit(isDelayed: true))
    }

    @Test("a commit that waits has synced those before it")
    func waited() {
        let log = Log()
        #expect(log.commit(isDelayed: true))
        #expect(!log.commit(isDelayed: false))
        #expect(log.next() == nil)
        #expect(log.commit(isDelayed: true))
        #expect(log.next() == 2)
    }

    @Test("after a sync that failed nothing is durable before the log was moved")
    func failedSync() {
        let log = Log()
        _ = log.commit(isDelayed: true)
        log.synced(1, isDone: false)
        #expect(log.isInDoubt && log.next() == nil)
        // A sync that tells of success afterwards says nothing of what was lost before.
        _ = log.commit(isDelayed: false)
        log.synced(1, isDone: true)
        #expect(log.isInDoubt)
        log.emptied()
        #expect(!log.isInDoubt && log.next() == nil)
        #expect(log.commit(isDelayed: true))
        #expect(log.next() == 2)
    }

    @Test("a commit that failed casts doubt on those before it that had not been synced, and else on none")
    func failedCommit() {
        let log = Log()
        log.fail()
        #expect(!log.isInDoubt)
        _ = log.commit(isDelayed: true)
        log.fail()
        #expect(log.isInDoubt)
    }

    @Test("a log in doubt is moved into the file before anything else is committed, and nothing is while a reader keeps it")
    func emptying() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/test.sqlite"
        let pool = try DatabasePool(path: path)
        let checkpointer = LogCheckpointer(path: path, writer: pool, pagesMax: 1000)
        let syncer = LogSyncer(checkpointer)
        try await pool.write { try $0.execute(sql: "CREATE TABLE things (name TEXT); INSERT INTO things VALUES ('x')") }
        try await pool.writeWithoutTransaction { database in
            try syncer.begins(database, isDelayed: true)
            syncer.committed()
            syncer.failed(SQLError(.unavailable, "the disk failed"))
        }
        #expect(try logBytes(folder) > 0)
        let reader = try pool.makeSnapshot()
        _ = try await pool.writeWithoutTransaction { database in
            #expect(throws: SQLError.self) { try syncer.begins(database, isDelayed: false) }
        }
        try reader.close()
        try await pool.writeWithoutTransaction { try syncer.begins($0, isDelayed: false) }
        #expect(try logBytes(folder) == 0)
        syncer.close()
        checkpointer.close()
    }

    private func logBytes(_ folder: TemporaryFolder) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.path + "/test.sqlite-wal")
        return (attributes[.size] as? NSNumber)?.intValue ?? -1
    }
}
