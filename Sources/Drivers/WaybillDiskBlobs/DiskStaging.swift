import Synchronization
import WaybillBlobs

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Files that are filled in a folder beside the blobs, in the same file system: to publish one is to rename it.
public final class DiskStaging: BlobStaging {
    private let folder: String
    private let parent: String
    private let folders: BlobFolders
    private let service: DiskIOService
    private let line: SyncLine
    private let isMade = Mutex(false)
    private let scratches = Atomic<Int>(0)

    init(parent: String, name: String, folders: BlobFolders, service: DiskIOService) {
        self.parent = parent
        folder = "\(parent)/\(name)"
        self.folders = folders
        self.service = service
        line = SyncLine(service: service)
    }

    /// For files that become blobs elsewhere: below `folder`, which must exist.
    public convenience init(spool folder: String) {
        self.init(
            parent: folder, name: "spool", folders: BlobFolders(root: "\(folder)/spool/blobs"),
            service: DiskIOService(threadsMax: 16))
    }

    /// How often a file was synced, for tests.
    package var syncs: Int { line.count }

    public func open(_ name: BlobKey) async throws -> any StagedBlob {
        let path = try path(name)
        let file = try await service.run { [self] in
            try makeFolder()
            if let descriptor = try FileCalls.openExisting(path, O_RDWR) { return DiskStagedFile(descriptor, path) }
            let descriptor = try FileCalls.open(path, O_RDWR | O_CREAT)
            try FileCalls.syncFolder(folder)
            return DiskStagedFile(descriptor, path)
        }
        return DiskStagedBlob(file: file, service: service, line: line)
    }

    /// A file without a name. One that a crash leaves between its name and the loss of it is empty, and goes as any stray.
    public func scratch() async throws -> any StagedBlob {
        let file = try await service.run { [self] in
            try makeFolder()
            while true {
                let path = "\(folder)/scratch-\(scratches.add(1, ordering: .relaxed).newValue)"
                do {
                    let descriptor = try FileCalls.open(path, O_RDWR | O_CREAT | O_EXCL)
                    unlink(path)
                    return DiskStagedFile(descriptor, path)
                } catch let error as BlobError where error.code == .exists {}
            }
        }
        return DiskScratch(file: file, service: service)
    }

    public func length(_ name: BlobKey) async throws -> Int64? {
        let path = try path(name)
        return try await service.run { try FileCalls.status(path)?.length }
    }

    public func publish(_ name: BlobKey, length: Int64, as key: BlobKey) async throws {
        let path = try path(name)
        try await service.run { [folders] in
            guard let staged = try FileCalls.status(path) else {
                guard try FileCalls.status(folders.path(key))?.length == length else {
                    throw FileCalls.error("rename", path, ENOENT)
                }
                return
            }
            guard staged.length >= length else { throw BlobError(.damaged, "\(path) is shorter than \(length)") }
            let descriptor = try FileCalls.open(path, O_RDWR)
            do {
                // What somebody has begun to write behind the end is not the blob's.
                if staged.length > length { try FileCalls.truncate(descriptor, to: length, path) }
                try FileCalls.sync(descriptor, path)
            } catch {
                FileCalls.close(descriptor)
                throw error
            }
            FileCalls.close(descriptor)
            try folders.place(path, at: key, .replace)
        }
    }

    public func drop(_ name: BlobKey) async throws {
        let path = try path(name)
        try await service.run {
            guard unlink(path) != 0, errno != ENOENT, errno != ENOTDIR else { return }
            throw FileCalls.error("unlink", path, errno)
        }
    }

    public func list(after: BlobKey?, limit: Int) async throws -> [BlobEntry] {
        try await service.run { [folder] in
            let keys = try FileCalls.names(folder).compactMap { BlobKey($0) }
                .filter { key in after.map { $0 < key } ?? true }.sorted().prefix(max(0, limit))
            return try keys.compactMap { key in
                try FileCalls.status("\(folder)/\(key.text)").flatMap {
                    $0.isFolder ? nil : BlobEntry(key: key, length: $0.length, modifiedAt: $0.modifiedAt)
                }
            }
        }
    }

    private func path(_ name: BlobKey) throws -> String {
        guard !name.text.contains("/") else { throw BlobError(.other, "the name of a staged file has one part, not \(name)") }
        return "\(folder)/\(name.text)"
    }

    /// Made when the first file needs it. Blocks.
    private func makeFolder() throws {
        guard !isMade.withLock({ $0 }) else { return }
        if try FileCalls.makeFolder(folder) { try FileCalls.syncFolder(parent) }
        isMade.withLock { $0 = true }
    }
}

/// An open file. It is closed once nobody has it any more.
final class DiskStagedFile: Sendable {
    let descriptor: Int32
    let path: String

    init(_ descriptor: Int32, _ path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { FileCalls.close(descriptor) }

    /// Blocks.
    func syncNow() throws { try FileCalls.syncData(descriptor, path) }
}

private struct DiskStagedBlob: StagedBlob {
    let file: DiskStagedFile
    let service: DiskIOService
    let line: SyncLine

    func write(_ bytes: [UInt8], at offset: Int64) async throws {
        guard offset >= 0 else { throw BlobError(.other, "no place \(offset) in \(file.path)") }
        try await service.run { [file] in
            try bytes.withUnsafeBytes { try FileCalls.write($0, to: file.descriptor, at: offset, file.path) }
        }
    }

    func write(_ piece: BytePiece, at offset: Int64) async throws {
        guard offset >= 0 else { throw BlobError(.other, "no place \(offset) in \(file.path)") }
        try await service.run { [file] in
            try piece.withUnsafeBytes { try FileCalls.write($0, to: file.descriptor, at: offset, file.path) }
        }
    }

    func flush() async throws { try await line.sync(file) }

    func read(_ range: Range<Int64>) async throws -> BlobChunks {
        let reader = try await service.run { [file] in try DiskBlobReader(path: file.path, range: range) }
        return BlobChunks { [service] in try await service.run { try reader.next() } }
    }

    func close() async {}
}

private struct DiskScratch: StagedBlob {
    let file: DiskStagedFile
    let service: DiskIOService

    func write(_ bytes: [UInt8], at offset: Int64) async throws {
        try await service.run { [file] in
            try bytes.withUnsafeBytes { try FileCalls.write($0, to: file.descriptor, at: offset, file.path) }
        }
    }

    func write(_ piece: BytePiece, at offset: Int64) async throws {
        try await service.run { [file] in
            try piece.withUnsafeBytes { try FileCalls.write($0, to: file.descriptor, at: offset, file.path) }
        }
    }

    /// It is not to be there after a crash.
    func flush() async throws {}

    func read(_ range: Range<Int64>) async throws -> BlobChunks {
        let reader = ScratchReader(file, range)
        return BlobChunks { [service] in try await service.run { try reader.next() } }
    }

    func close() async {}
}

/// Reads a scratch file, which has no name to be opened by, from one place to another.
private final class ScratchReader: Sendable {
    private static let chunkBytes: Int64 = 1 << 20
    private let file: DiskStagedFile
    private let left: Mutex<Range<Int64>>

    init(_ file: DiskStagedFile, _ range: Range<Int64>) {
        self.file = file
        left = Mutex(range)
    }

    /// Blocks.
    func next() throws -> [UInt8]? {
        try left.withLock { left in
            let count = Int(min(Self.chunkBytes, left.upperBound - left.lowerBound))
            guard count > 0 else { return nil }
            let chunk = try FileCalls.read(file.descriptor, count: count, at: left.lowerBound, file.path)
            guard !chunk.isEmpty else { return nil }
            left = (left.lowerBound + Int64(chunk.count))..<max(left.upperBound, left.lowerBound + Int64(chunk.count))
            return chunk
        }
    }
}
