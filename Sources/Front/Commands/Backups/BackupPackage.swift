import Formats
import Foundation
import TenantData

/// A backup on this machine: a ZIP as it was loaded down, or a folder with its files.
struct BackupPackage: Sendable {
    private enum Place: Sendable {
        case folder(String)
        case zip(String, [String: ZipDirectory.Entry])
    }

    private static let chunkBytes = 256 << 10
    private let place: Place
    /// In no order.
    let names: [String]

    /// - Throws: `CommandFailure`.
    init(_ path: String) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw CommandFailure(.notFound, "there is no file or folder \(path)")
        }
        if isFolder.boolValue {
            place = .folder(path)
            names = try Self.names(in: path)
            return
        }
        let handle = try Self.open(path)
        let length = Int64(try handle.seekToEnd())
        let tail = try Self.read(handle, max(0, length - Int64(ZipDirectory.tailBytes)), ZipDirectory.tailBytes)
        guard let found = ZipDirectory.place(tail: tail, length: length), let count = Int(exactly: found.length),
            let entries = ZipDirectory.entries(try Self.read(handle, found.offset, count))
        else { throw CommandFailure(.failed, "\(path) is no ZIP, or is damaged") }
        try handle.close()
        place = .zip(path, Dictionary(entries.map { ($0.name, $0) }) { _, last in last })
        names = entries.map(\.name)
    }

    private static func names(in folder: String) throws -> [String] {
        let blobs = String(BackupBlobs.prefix.dropLast())
        var names = try FileManager.default.contentsOfDirectory(atPath: folder)
        guard let place = names.firstIndex(of: blobs) else { return names }
        names.remove(at: place)
        return try names + FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(blobs)").map { BackupBlobs.prefix + $0 }
    }

    /// The manifest, checked.
    /// - Throws: `CommandFailure`.
    func manifest() throws -> BackupManifest { try link().manifest }

    /// The same with its digest.
    /// - Throws: `CommandFailure`.
    func link() throws -> BackupChain.Link {
        guard names.contains(BackupManifest.fileName) else { throw CommandFailure(.failed, "there is no manifest.json") }
        do {
            return try BackupChain.Link(try bytes(of: BackupManifest.fileName))
        } catch let error as BackupManifest.Refusal {
            throw CommandFailure(.failed, error.description)
        }
    }

    private func bytes(of name: String) throws -> [UInt8] {
        var all: [UInt8] = []
        let next = try pieces(of: name)
        while let piece = try next() { all += piece }
        return all
    }

    /// Gives the bytes of a file piece by piece, nil at the end.
    func pieces(of name: String) throws -> () throws -> [UInt8]? {
        switch place {
        case .folder(let path):
            let handle = try Self.open("\(path)/\(name)")
            return {
                let data = try handle.read(upToCount: Self.chunkBytes) ?? Data()
                return data.isEmpty ? nil : [UInt8](data)
            }
        case .zip(let path, let entries):
            guard let entry = entries[name] else { throw CommandFailure(.failed, "\(path) has no \(name)") }
            let handle = try Self.open(path)
            let header = try Self.read(handle, entry.headerOffset, ZipDirectory.headerBytes)
            guard let skip = ZipDirectory.dataOffset(header: header), entry.headerOffset <= .max - skip else {
                throw CommandFailure(.failed, "\(path) is damaged at \(name)")
            }
            try handle.seek(toOffset: UInt64(entry.headerOffset + skip))
            return Self.unpacked(handle, entry)
        }
    }

    /// How long a file is, if that is known without reading it.
    func length(of name: String) -> Int64? {
        switch place {
        case .folder(let path):
            let attributes = try? FileManager.default.attributesOfItem(atPath: "\(path)/\(name)")
            return (attributes?[.size] as? NSNumber)?.int64Value
        case .zip(_, let entries): return entries[name]?.length
        }
    }

    private static func unpacked(_ handle: FileHandle, _ entry: ZipDirectory.Entry) -> () throws -> [UInt8]? {
        let inflater = entry.method == .deflated ? Inflater() : nil
        var left = entry.compressedLength
        var waiting: [[UInt8]] = []
        return {
            while waiting.isEmpty, left > 0 {
                let data = try handle.read(upToCount: Int(min(left, Int64(chunkBytes)))) ?? Data()
                guard !data.isEmpty else { throw CommandFailure(.failed, "the ZIP ends in the middle of \(entry.name)") }
                left -= Int64(data.count)
                guard let inflater else { return [UInt8](data) }
                do {
                    try inflater.append([UInt8](data)) { waiting.append($0) }
                } catch {
                    throw CommandFailure(.failed, "\(entry.name) can't be unpacked: \(error)")
                }
            }
            return waiting.isEmpty ? nil : waiting.removeFirst()
        }
    }

    private static func open(_ path: String) throws -> FileHandle {
        guard let handle = FileHandle(forReadingAtPath: path) else { throw CommandFailure(.failed, "\(path) can't be read") }
        return handle
    }

    private static func read(_ handle: FileHandle, _ offset: Int64, _ count: Int) throws -> [UInt8] {
        try handle.seek(toOffset: UInt64(offset))
        return [UInt8](try handle.read(upToCount: count) ?? Data())
    }
}

/// The bytes of one of its files, for an upload.
struct PackageFile: AsyncSequence, Sendable {
    typealias Element = [UInt8]
    let package: BackupPackage
    let name: String

    struct AsyncIterator: AsyncIteratorProtocol {
        let package: BackupPackage
        let name: String
        var pull: (() throws -> [UInt8]?)?

        mutating func next() async throws -> [UInt8]? {
            let pull = try self.pull ?? package.pieces(of: name)
            self.pull = pull
            return try pull()
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(package: package, name: name) }
}
