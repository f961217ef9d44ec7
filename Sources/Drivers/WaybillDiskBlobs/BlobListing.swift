import WaybillBlobs

/// A walk through the folders in the order of the keys, which is bytewise over the whole key.
struct BlobListing {
    private(set) var entries: [BlobEntry] = []
    private let folders: BlobFolders
    private let after: String?
    private let limit: Int

    init(folders: BlobFolders, after: String?, limit: Int) {
        self.folders = folders
        self.after = after
        self.limit = limit
    }

    /// Takes what is in one folder and below it. Blocks.
    /// - Parameter prefix: empty or a key that ends with a slash.
    mutating func visit(_ prefix: String) throws {
        guard entries.count < limit else { return }
        let names = try FileCalls.names(folders.path(prefix: prefix)).map { prefix + $0 }.filter(mayFollow)
        let found = try names.compactMap { name in
            // Nothing any more if it was deleted meanwhile.
            try FileCalls.status(folders.path(prefix: name)).map { (name: name, status: $0) }
        }
        // A folder sorts as its keys do: with the slash that follows its name.
        let sorted = found.map { (text: $0.status.isFolder ? $0.name + "/" : $0.name, status: $0.status) }
            .sorted { $0.text < $1.text }
        for (text, status) in sorted where entries.count < limit && !isBefore(text, isFolder: status.isFolder) {
            if status.isFolder {
                try visit(text)
            } else if let key = BlobKey(text) {
                entries.append(BlobEntry(key: key, length: status.length, modifiedAt: status.modifiedAt))
            }
        }
    }

    /// Whether a file or folder of that name can have a key after the one to go on from. Spares asking the disk for the others.
    private func mayFollow(_ name: String) -> Bool {
        guard let after else { return true }
        return name > after || after.hasPrefix(name)
    }

    /// Whether the key, or every key in the folder, is not after the one to go on from.
    private func isBefore(_ text: String, isFolder: Bool) -> Bool {
        guard let after else { return false }
        return text <= after && !(isFolder && after.hasPrefix(text))
    }
}
