import Foundation

/// What lies on the disk of a server.
struct BlobFolder {
    private let root: String

    init(_ server: ServerFixture) {
        root = server.data + "/blobs"
    }

    /// Relative paths and lengths of all files.
    func files(below prefix: String = "") throws -> [String: Int] {
        let folder = prefix.isEmpty ? root : root + "/" + prefix
        var files: [String: Int] = [:]
        guard let names = FileManager.default.enumerator(atPath: folder) else { return [:] }
        for case let name as String in names {
            let attributes = try FileManager.default.attributesOfItem(atPath: folder + "/" + name)
            guard attributes[.type] as? FileAttributeType == .typeRegular else { continue }
            // What ties the store to its database belongs to no job.
            if name == "installation/store" { continue }
            files[name] = (attributes[.size] as? NSNumber)?.intValue ?? 0
        }
        return files
    }

    /// Puts a file there that no row knows of, into a folder that is there.
    func add(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: root + "/" + name))
    }

    /// Makes every file look as if it had been written long ago.
    func age(by seconds: Double) throws {
        for name in try files().keys {
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -seconds)], ofItemAtPath: root + "/" + name)
        }
    }
}
