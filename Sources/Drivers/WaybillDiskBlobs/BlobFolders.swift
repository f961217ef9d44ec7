import SeededBugs
import Synchronization
import WaybillBlobs

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The folders below the root, made when a blob needs them and removed when the last one has gone.
final class BlobFolders: Sendable {
    private static let rememberedMax = 10_000
    private let root: String
    /// Folders whose own name is known to be durable.
    private let durable = Mutex<Set<String>>([])

    init(root: String) {
        self.root = root
    }

    func path(_ key: BlobKey) -> String {
        "\(root)/\(key.text)"
    }

    /// - Parameter prefix: empty or a key that ends with a slash.
    func path(prefix: String) -> String {
        "\(root)/\(prefix)"
    }

    /// Moves a finished file to its place and makes the name durable. Blocks.
    func place(_ temporary: String, at key: BlobKey, _ mode: BlobWriteMode) throws {
        let parents = folders(above: key)
        // Whoever deletes the last blob of a folder removes the folder, maybe just before the file comes.
        for attempt in 1...32 {
            do {
                try makeDurable(parents)
                switch mode {
                case .replace: try FileCalls.rename(temporary, path(key))
                case .create: try FileCalls.renameNew(temporary, path(key))
                }
                break
            } catch let error as BlobError where error.code == .notFound && attempt < 32 {
                durable.withLock { $0.subtract(parents) }
            }
        }
        if SeededBug.dropsFolderSync { return }
        do {
            try FileCalls.syncFolder(parents.last ?? root)
        } catch let error as BlobError where error.code == .notFound {
            // Somebody has deleted the blob already, and its folder with it.
        }
    }

    /// Removes the folders of a blob that has gone, as far as they are empty. Blocks.
    func removeEmpty(above key: BlobKey) {
        for folder in folders(above: key).reversed() {
            durable.withLock { _ = $0.remove(folder) }
            guard rmdir(folder) == 0 else { return }
        }
    }

    private func makeDurable(_ folders: [String]) throws {
        var parent = root
        for folder in folders {
            let isNew = try FileCalls.makeFolder(folder)
            if isNew || !durable.withLock({ $0.contains(folder) }) {
                try FileCalls.syncFolder(parent)
                durable.withLock { durable in
                    if durable.count >= Self.rememberedMax { durable.removeAll() }
                    durable.insert(folder)
                }
            }
            parent = folder
        }
    }

    /// From the outermost to the one that holds the blob.
    private func folders(above key: BlobKey) -> [String] {
        var path = root
        return key.text.split(separator: "/").dropLast().map { part in
            path += "/" + part
            return path
        }
    }
}
