import SeededBugs
import Synchronization
import WaybillDatabases

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Keeps a data folder for one process. The system lets it go when the process ends, however it ends.
public final class FolderLock: Sendable {
    private let descriptor: Mutex<Int32?>

    /// Locks the file `lock` in the folder, which must exist.
    /// - Throws: `SQLError` with code `.unavailable` if another process holds it or the file can't be made, and `.full`.
    public init(path: String) throws {
        let file = path.hasSuffix("/") ? path + "lock" : path + "/lock"
        let descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let reason = errno
            throw SQLError(
                reason == ENOSPC || reason == EDQUOT ? .full : .unavailable,
                "can't open the lock file \(file): \(String(cString: strerror(reason)))")
        }
        guard SeededBug.sharesFolder || flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let reason = errno
            let holder = FolderLock.processID(descriptor)
            close(descriptor)
            guard reason == EWOULDBLOCK else {
                throw SQLError(.unavailable, "can't lock \(file): \(String(cString: strerror(reason)))")
            }
            let who = holder.isEmpty ? "another process" : "process \(holder)"
            throw SQLError(.unavailable, "the folder \(path) is in use by \(who); only one may run on it at a time")
        }
        FolderLock.write(getpid(), to: descriptor)
        self.descriptor = Mutex(descriptor)
    }

    deinit { release() }

    /// Lets the folder go. The file stays, because removing it would race with the next one who locks it.
    public func release() {
        let held = descriptor.withLock { descriptor in
            defer { descriptor = nil }
            return descriptor
        }
        if let held { close(held) }
    }

    /// The number is only a hint for people, so it does not matter if it can't be written.
    private static func write(_ process: pid_t, to descriptor: Int32) {
        let text = Array("\(process)\n".utf8)
        guard ftruncate(descriptor, 0) == 0 else { return }
        _ = pwrite(descriptor, text, text.count, 0)
    }

    private static func processID(_ descriptor: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 20)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)).prefix { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self)
    }
}
