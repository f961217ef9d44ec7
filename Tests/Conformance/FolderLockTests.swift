import Testing
import WaybillDatabases
import WaybillSQLite

@Suite struct FolderLockTests {
    @Test("a second lock on a folder is refused with a clear text, until the first is let go")
    func second() throws {
        let folder = try TemporaryFolder()
        let first = try FolderLock(path: folder.path)
        let refused = #expect(throws: SQLError.self) { try FolderLock(path: folder.path) }
        #expect(refused?.code == .unavailable)
        #expect(refused?.message.contains("in use by process") == true)
        first.release()
        let second = try FolderLock(path: folder.path)
        #expect(throws: SQLError.self) { try FolderLock(path: folder.path) }
        second.release()
        #expect(try folder.permissions("lock") == 0o600)
    }

    @Test("a folder that is missing can't be locked")
    func missing() throws {
        let folder = try TemporaryFolder()
        #expect(throws: SQLError.self) { try FolderLock(path: folder.path + "/none") }
    }
}
