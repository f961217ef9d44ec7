import Crypto
import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A file that is still arriving: `PATH.partial`, and beside it `PATH.partial.etag`, which says what it is a part of.
struct PartialFile {
    let path: String
    private(set) var bytes: Int64 = 0
    private(set) var etag: String?
    /// Until it is published or removed.
    private(set) var isOpen = true
    private var hash = SHA256()
    private let handle: FileHandle

    private var partialPath: String { path + ".partial" }
    private var tagPath: String { path + ".partial.etag" }

    /// Takes up the part that is there, or starts an empty one.
    init(path: String) throws {
        self.path = path
        let partial = path + ".partial"
        let tag = FileManager.default.contents(atPath: path + ".partial.etag").flatMap { String(bytes: $0, encoding: .utf8) }
        if !FileManager.default.fileExists(atPath: partial) {
            guard FileManager.default.createFile(atPath: partial, contents: nil) else {
                throw WaybillClientError(.file, "\(partial) can't be written")
            }
        }
        guard let handle = FileHandle(forUpdatingAtPath: partial) else {
            throw WaybillClientError(.file, "\(partial) can't be written")
        }
        self.handle = handle
        guard let tag, !tag.isEmpty else {
            try restart(etag: nil)
            return
        }
        etag = tag
        do {
            while let data = try handle.read(upToCount: 1 << 20), !data.isEmpty {
                hash.update(data: data)
                bytes += Int64(data.count)
            }
        } catch {
            throw WaybillClientError(.file, "\(partial) can't be read: \(error)")
        }
    }

    /// SHA-256 of what is here.
    var digest: [UInt8] { [UInt8](hash.finalize()) }

    mutating func append(_ chunk: [UInt8]) throws {
        try PartialFile.doing(path) { try handle.write(contentsOf: Data(chunk)) }
        hash.update(data: chunk)
        bytes += Int64(chunk.count)
    }

    /// Drops what is here. Without a tag, a later call starts over too.
    mutating func restart(etag: String?) throws {
        try PartialFile.doing(path) {
            try handle.truncate(atOffset: 0)
            if let etag {
                try Data(etag.utf8).write(to: URL(fileURLWithPath: tagPath))
            } else if FileManager.default.fileExists(atPath: tagPath) {
                try FileManager.default.removeItem(atPath: tagPath)
            }
        }
        (bytes, hash, self.etag) = (0, SHA256(), etag)
    }

    /// Makes it durable and gives it its name, in the place of a file that has it.
    mutating func publish() throws {
        isOpen = false
        try PartialFile.doing(path) {
            try handle.synchronize()
            try handle.close()
        }
        guard rename(partialPath, path) == 0 else { throw WaybillClientError(.file, "\(path) can't be written") }
        try removeTag()
    }

    mutating func remove() throws {
        isOpen = false
        try PartialFile.doing(path) {
            try handle.close()
            try FileManager.default.removeItem(atPath: partialPath)
        }
        try removeTag()
    }

    private func removeTag() throws {
        guard FileManager.default.fileExists(atPath: tagPath) else { return }
        try PartialFile.doing(path) { try FileManager.default.removeItem(atPath: tagPath) }
    }

    private static func doing(_ path: String, _ action: () throws -> Void) throws {
        do {
            try action()
        } catch {
            throw WaybillClientError(.file, "\(path) can't be written: \(error)")
        }
    }
}
