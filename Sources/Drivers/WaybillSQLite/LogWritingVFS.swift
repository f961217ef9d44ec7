import GRDBSQLite
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// SQLite's way to the file system, with a log that is written in few calls (see `LogWriteBuffer`). All else is its own.
///
/// A connection that is opened by others in the same moment may get it as well, which is as good for it.
enum LogWritingVFS {
    private static let opening = Mutex(())

    /// Has the connections that `body` opens write their log this way.
    static func opening<T>(_ body: () throws -> T) rethrows -> T {
        try opening.withLock { _ in
            guard let plain, let ours = gathering, sqlite3_vfs_register(ours, 1) == SQLITE_OK else { return try body() }
            defer { sqlite3_vfs_register(plain, 1) }
            return try body()
        }
    }

    // Made once, never changed after that, and never freed: files refer to them as long as the process lives.
    nonisolated(unsafe) private static let plain = sqlite3_vfs_find(nil)
    nonisolated(unsafe) private static let gathering = makeVFS()
    nonisolated(unsafe) private static let methods = makeMethods()
    nonisolated(unsafe) private static let name = "waybill".withCString { strdup($0) }

    private static func makeVFS() -> UnsafeMutablePointer<sqlite3_vfs>? {
        guard let plain, let name else { return nil }
        let vfs = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        vfs.initialize(to: plain.pointee)
        vfs.pointee.pNext = nil
        vfs.pointee.zName = UnsafePointer(name)
        vfs.pointee.szOsFile = Int32(truncatingIfNeeded: MemoryLayout<LogFile>.stride) + plain.pointee.szOsFile
        vfs.pointee.xOpen = { _, name, file, flags, outFlags in
            guard let plain = LogWritingVFS.plain, let file else { return SQLITE_MISUSE }
            guard flags & SQLITE_OPEN_WAL != 0 else { return plain.pointee.xOpen(plain, name, file, flags, outFlags) }
            return LogFile.open(file) { plain.pointee.xOpen(plain, name, $0, flags, outFlags) }
        }
        return vfs
    }

    private static func makeMethods() -> UnsafeMutablePointer<sqlite3_io_methods> {
        let methods = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        methods.initialize(to: sqlite3_io_methods())
        methods.pointee.iVersion = 1
        methods.pointee.xClose = { LogFile.close($0) }
        methods.pointee.xRead = { file, bytes, count, offset in
            LogFile.flushed(file) { $0.pointee.pMethods.pointee.xRead($0, bytes, count, offset) }
        }
        methods.pointee.xWrite = { LogFile.write($0, $1, $2, $3) }
        methods.pointee.xTruncate = { file, size in
            LogFile.flushed(file) { $0.pointee.pMethods.pointee.xTruncate($0, size) }
        }
        methods.pointee.xSync = { file, flags in LogFile.flushed(file) { $0.pointee.pMethods.pointee.xSync($0, flags) } }
        methods.pointee.xFileSize = { file, size in
            LogFile.flushed(file) { $0.pointee.pMethods.pointee.xFileSize($0, size) }
        }
        methods.pointee.xLock = { file, level in LogFile.flushed(file) { $0.pointee.pMethods.pointee.xLock($0, level) } }
        methods.pointee.xUnlock = { file, level in LogFile.flushed(file) { $0.pointee.pMethods.pointee.xUnlock($0, level) } }
        methods.pointee.xCheckReservedLock = { file, result in
            LogFile.flushed(file) { $0.pointee.pMethods.pointee.xCheckReservedLock($0, result) }
        }
        methods.pointee.xFileControl = { file, operation, argument in
            LogFile.flushed(file) { $0.pointee.pMethods.pointee.xFileControl($0, operation, argument) }
        }
        methods.pointee.xSectorSize = { file in
            LogFile.plain(file).map { $0.pointee.pMethods.pointee.xSectorSize($0) } ?? 4096
        }
        methods.pointee.xDeviceCharacteristics = { file in
            LogFile.plain(file).map { $0.pointee.pMethods.pointee.xDeviceCharacteristics($0) } ?? 0
        }
        return methods
    }

    /// The log as SQLite holds it: this, and behind it the plain file.
    private struct LogFile {
        // SQLite takes it for one of its files, so this must come first.
        var file: sqlite3_file
        var bytes: UnsafeMutableRawPointer?
        var buffer: LogWriteBuffer

        static func open(
            _ file: UnsafeMutablePointer<sqlite3_file>, _ openPlain: (UnsafeMutablePointer<sqlite3_file>) -> Int32
        ) -> Int32 {
            file.pointee.pMethods = nil
            guard let plain = plain(file) else { return SQLITE_MISUSE }
            plain.pointee.pMethods = nil
            let code = openPlain(plain)
            // One that has methods is closed by SQLite, also if it could not be opened.
            guard plain.pointee.pMethods != nil else { return code }
            UnsafeMutableRawPointer(file).bindMemory(to: LogFile.self, capacity: 1).initialize(
                to: LogFile(file: sqlite3_file(pMethods: UnsafePointer(methods)), bytes: nil, buffer: LogWriteBuffer()))
            return code
        }

        static func close(_ file: UnsafeMutablePointer<sqlite3_file>?) -> Int32 {
            guard let log = log(file), let plain = plain(file) else { return SQLITE_MISUSE }
            // What is still kept belongs to a transaction that has not ended.
            log.pointee.bytes?.deallocate()
            log.deinitialize(count: 1)
            return plain.pointee.pMethods.pointee.xClose(plain)
        }

        static func write(
            _ file: UnsafeMutablePointer<sqlite3_file>?, _ source: UnsafeRawPointer?, _ count: Int32, _ offset: Int64
        ) -> Int32 {
            guard let log = log(file), let plain = plain(file), let source else { return SQLITE_MISUSE }
            let kept = log.pointee.buffer
            let step = log.pointee.buffer.note(UnsafeRawBufferPointer(start: source, count: Int(count)), at: offset)
            if step == .writeThrough {
                let code = flush(log, plain, kept)
                return code == SQLITE_OK ? plain.pointee.pMethods.pointee.xWrite(plain, source, count, offset) : code
            }
            let bytes = log.pointee.bytes ?? .allocate(byteCount: LogWriteBuffer.bytesMax, alignment: 16)
            log.pointee.bytes = bytes
            bytes.advanced(by: kept.count).copyMemory(from: source, byteCount: Int(count))
            return step == .keepAndFlush ? flush(log, plain, log.pointee.buffer) : SQLITE_OK
        }

        /// Does something with the plain file that must find all that was written.
        static func flushed(
            _ file: UnsafeMutablePointer<sqlite3_file>?, _ body: (UnsafeMutablePointer<sqlite3_file>) -> Int32
        ) -> Int32 {
            guard let log = log(file), let plain = plain(file) else { return SQLITE_MISUSE }
            let code = flush(log, plain, log.pointee.buffer)
            return code == SQLITE_OK ? body(plain) : code
        }

        /// If it fails, so does the transaction, which SQLite then takes back: what was kept is not wanted any more.
        private static func flush(
            _ log: UnsafeMutablePointer<LogFile>, _ plain: UnsafeMutablePointer<sqlite3_file>, _ kept: LogWriteBuffer
        ) -> Int32 {
            guard kept.count > 0 else { return SQLITE_OK }
            log.pointee.buffer.emptied()
            return plain.pointee.pMethods.pointee.xWrite(
                plain, log.pointee.bytes, Int32(truncatingIfNeeded: kept.count), kept.start)
        }

        private static func log(_ file: UnsafeMutablePointer<sqlite3_file>?) -> UnsafeMutablePointer<LogFile>? {
            UnsafeMutableRawPointer(file)?.assumingMemoryBound(to: LogFile.self)
        }

        static func plain(_ file: UnsafeMutablePointer<sqlite3_file>?) -> UnsafeMutablePointer<sqlite3_file>? {
            UnsafeMutableRawPointer(file)?.advanced(by: MemoryLayout<LogFile>.stride).assumingMemoryBound(to: sqlite3_file.self)
        }
    }
}
