#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

enum PrivateFile {
    /// Makes a file that is missing with rights for its owner only. An error is told by whoever opens it then.
    static func makeIfMissing(_ path: String) {
        // Only a new one: closing a file that SQLite has open in this process would take its locks away.
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if descriptor >= 0 { close(descriptor) }
    }
}
