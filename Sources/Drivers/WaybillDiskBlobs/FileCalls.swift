import WaybillBlobs

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The calls of the system that the store makes. They block, go on after an interruption, and throw `BlobError`.
enum FileCalls {
    struct Status {
        var isFolder: Bool
        var length: Int64
        var modifiedAt: Int64
    }

    static func open(_ path: String, _ flags: Int32) throws -> Int32 {
        try retrying("open", path) {
            #if canImport(Glibc)
            Glibc.open(path, flags | O_CLOEXEC, 0o600)
            #else
            Darwin.open(path, flags | O_CLOEXEC, 0o600)
            #endif
        }
    }

    /// - Returns: nil if there is no file of that name.
    static func openExisting(_ path: String, _ flags: Int32) throws -> Int32? {
        do {
            return try open(path, flags)
        } catch let error as BlobError where error.code == .notFound {
            return nil
        }
    }

    /// Writes all bytes at a place, in as many calls as it takes.
    static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int64, _ path: String) throws {
        var done = 0
        while done < bytes.count {
            let left = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let written = pwrite(descriptor, left.baseAddress, left.count, off_t(offset) + off_t(done))
            if written > 0 {
                done += written
            } else if written == 0 || errno != EINTR {
                throw error("write", path, written == 0 ? EIO : errno)
            }
        }
    }

    static func truncate(_ descriptor: Int32, to length: Int64, _ path: String) throws {
        try retrying("truncate", path) { ftruncate(descriptor, off_t(length)) }
    }

    /// Writes all bytes, in as many calls as it takes.
    static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws {
        var left = bytes[...]
        while !left.isEmpty {
            let written = write(descriptor, UnsafeRawBufferPointer(rebasing: left))
            if written > 0 {
                left = left.dropFirst(written)
            } else if written == 0 || errno != EINTR {
                throw error("write", path, written == 0 ? EIO : errno)
            }
        }
    }

    /// Writes whole blocks past the page cache.
    /// - Returns: how many bytes were written before the file system refused to go on that way.
    /// - Throws: what `write` throws.
    static func writeDirect(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws -> Int {
        var done = 0
        while done < bytes.count {
            let written = write(descriptor, UnsafeRawBufferPointer(rebasing: bytes[done...]))
            if written > 0 {
                done += written
            } else if written < 0, errno == EINVAL {
                break
            } else if written == 0 || errno != EINTR {
                throw error("write", path, written == 0 ? EIO : errno)
            }
        }
        return done
    }

    /// Lets writes go past the page cache, or no longer.
    /// - Returns: false if that can't be had.
    static func setDirect(_ isDirect: Bool, _ descriptor: Int32) -> Bool {
        #if canImport(Glibc)
        let flags = fcntl(descriptor, F_GETFL)
        return flags >= 0 && fcntl(descriptor, F_SETFL, isDirect ? flags | directFlag : flags & ~directFlag) == 0
        #else
        return fcntl(descriptor, F_NOCACHE, isDirect ? 1 : 0) == 0
        #endif
    }

    #if canImport(Glibc)
    /// `O_DIRECT` of the kernel's interface, which the C library shows to its own dialect only.
    #if arch(arm64) || arch(arm)
    private static let directFlag: Int32 = 0o200000
    #else
    private static let directFlag: Int32 = 0o40000
    #endif
    #endif

    private static func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Glibc)
        Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        #else
        Darwin.write(descriptor, bytes.baseAddress, bytes.count)
        #endif
    }

    /// Reads up to `count` bytes; fewer only at the end of the file.
    static func read(_ descriptor: Int32, count: Int, at offset: Int64, _ path: String) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let got = pread(descriptor, buffer.baseAddress.map { $0 + filled }, count - filled, off_t(offset) + off_t(filled))
                if got > 0 {
                    filled += got
                } else if got == 0 {
                    return
                } else if errno != EINTR {
                    throw error("read", path, errno)
                }
            }
        }
    }

    static func sync(_ descriptor: Int32, _ path: String) throws {
        try retrying("fsync", path) { fsync(descriptor) }
    }

    /// The bytes, and what it takes to find them.
    static func syncData(_ descriptor: Int32, _ path: String) throws {
        #if canImport(Glibc)
        try retrying("fdatasync", path) { fdatasync(descriptor) }
        #else
        try sync(descriptor, path)
        #endif
    }

    /// Makes the names in a folder durable.
    static func syncFolder(_ path: String) throws {
        let descriptor = try open(path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        try sync(descriptor, path)
    }

    static func rename(_ from: String, _ to: String) throws {
        try retrying("rename", to) {
            #if canImport(Glibc)
            Glibc.rename(from, to)
            #else
            Darwin.rename(from, to)
            #endif
        }
    }

    /// Moves a file to a name that nothing has yet.
    /// - Throws: `BlobError` with code `.exists`.
    static func renameNew(_ from: String, _ to: String) throws {
        // A hard link is refused where a name is taken. Not all file systems know how to rename without replacing.
        try retrying("link", to) { link(from, to) }
        // Both names are the blob's now. If this one can't be removed, the next start empties its folder.
        unlink(from)
    }

    static func close(_ descriptor: Int32) {
        #if canImport(Glibc)
        _ = Glibc.close(descriptor)
        #else
        _ = Darwin.close(descriptor)
        #endif
    }

    /// - Returns: true if it was made now, false if it was there.
    static func makeFolder(_ path: String) throws -> Bool {
        if mkdir(path, 0o700) == 0 { return true }
        guard errno == EEXIST else { throw error("mkdir", path, errno) }
        return false
    }

    /// - Returns: nil if there is nothing of that name.
    static func status(_ path: String) throws -> Status? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw error("stat", path, errno)
        }
        return describe(status)
    }

    static func status(_ descriptor: Int32, _ path: String) throws -> Status {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw error("stat", path, errno) }
        return describe(status)
    }

    private static func describe(_ status: stat) -> Status {
        #if canImport(Glibc)
        let time = status.st_mtim
        #else
        let time = status.st_mtimespec
        #endif
        let microseconds = Int64(time.tv_sec) &* 1_000_000 &+ Int64(time.tv_nsec / 1_000)
        return Status(isFolder: status.st_mode & S_IFMT == S_IFDIR, length: Int64(status.st_size), modifiedAt: microseconds)
    }

    /// The names in a folder, in no order. Empty if there is no such folder.
    static func names(_ path: String) throws -> [String] {
        guard let folder = opendir(path) else {
            if errno == ENOENT || errno == ENOTDIR { return [] }
            throw error("opendir", path, errno)
        }
        defer { closedir(folder) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: $0.pointee)) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw error("readdir", path, errno) }
        return names
    }

    @discardableResult
    private static func retrying(_ call: String, _ path: String, _ body: () -> Int32) throws -> Int32 {
        while true {
            let result = body()
            if result >= 0 { return result }
            guard errno == EINTR else { throw error(call, path, errno) }
        }
    }

    static func error(_ call: String, _ path: String, _ number: Int32) -> BlobError {
        let code: BlobError.Code =
            switch number {
            case ENOENT, ENOTDIR: .notFound
            case EEXIST: .exists
            case ENOSPC, EDQUOT, EFBIG: .full
            case EIO, EMFILE, ENFILE, EROFS, ESTALE: .unavailable
            default: .other
            }
        return BlobError(code, "\(call) \(path): \(String(cString: strerror(number)))")
    }
}
