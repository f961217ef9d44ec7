import Synchronization
import WaybillBlobs

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Blobs as files below a folder. A blob is written beside it, synced, and moved to its place: it is there whole or not at all.
///
/// Only one process may use the folder. A key can't also be the first part of another (`a` and `a/b`).
public final class DiskBlobs: BlobStore {
    private static let threadsMax = 16
    private let folders: BlobFolders
    private let temporary: String
    private let service = DiskIOService(threadsMax: threadsMax)
    private let counter = Atomic<UInt64>(0)
    /// Files that are filled in `root/staged` until they become blobs. They are there after a restart.
    public let staging: DiskStaging

    /// Uses `root/blobs`, and `root/tmp` for what is being written, which is emptied. Both are made if they are missing; `root`
    /// must exist. Blocks, as it belongs to the start of a program.
    /// - Throws: `BlobError`.
    public init(root: String) throws {
        temporary = "\(root)/tmp"
        folders = BlobFolders(root: "\(root)/blobs")
        staging = DiskStaging(parent: root, name: "staged", folders: folders, service: service)
        let isNew = [try FileCalls.makeFolder("\(root)/blobs"), try FileCalls.makeFolder(temporary)]
        if isNew.contains(true) { try FileCalls.syncFolder(root) }
        for name in try FileCalls.names(temporary) {
            guard unlink("\(temporary)/\(name)") == 0 || errno == ENOENT else {
                throw FileCalls.error("unlink", "\(temporary)/\(name)", errno)
            }
        }
    }

    public func writer(_ key: BlobKey, _ mode: BlobWriteMode, behind hash: BlobHash) async throws -> any BlobWriter {
        let path = "\(temporary)/\(counter.wrappingAdd(1, ordering: .relaxed).newValue)"
        let descriptor = try await service.run { try FileCalls.open(path, O_WRONLY | O_CREAT | O_EXCL) }
        return DiskBlobWriter(
            key: key, mode: mode, hash: hash, path: path, descriptor: descriptor, folders: folders, service: service)
    }

    public func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks {
        let path = folders.path(key)
        let reader = try await service.run { try DiskBlobReader(path: path, range: range) }
        return BlobChunks { [service] in try await service.run { try reader.next() } }
    }

    public func length(_ key: BlobKey) async throws -> Int64? {
        let path = folders.path(key)
        return try await service.run {
            guard let status = try FileCalls.status(path), !status.isFolder else { return nil }
            return status.length
        }
    }

    /// The name is gone at once; it may come back if the power fails in the next seconds.
    public func delete(_ key: BlobKey) async throws {
        try await service.run { [folders] in
            let path = folders.path(key)
            guard unlink(path) == 0 else {
                // A folder is no blob (Linux says EISDIR, POSIX EPERM).
                if [ENOENT, ENOTDIR, EISDIR].contains(errno) { return }
                throw FileCalls.error("unlink", path, errno)
            }
            folders.removeEmpty(above: key)
        }
    }

    public func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry] {
        guard prefix.isEmpty || (prefix.hasSuffix("/") && BlobKey(String(prefix.dropLast())) != nil) else {
            throw BlobError(.other, "the prefix \(prefix) is not whole parts of a key")
        }
        return try await service.run { [folders] in
            var listing = BlobListing(folders: folders, after: after?.text, limit: limit)
            try listing.visit(prefix)
            return listing.entries
        }
    }
}
