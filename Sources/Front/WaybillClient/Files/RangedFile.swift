import Crypto
import Foundation
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A file that arrives by ranges: `PATH.parts`, as long as the whole, and beside it `PATH.parts.index`, which says of what they
/// are ranges and, a line each, which of them are there.
final class RangedFile: Sendable {
    /// What the end of the process costs at most, of each range that is on its way.
    static let rangeBytes: Int64 = 8 << 20
    private static let readBytes = 1 << 20

    let path: String
    let total: Int64
    let etag: String
    private let file: FileHandle
    private let index: FileHandle
    private let stored: Mutex<Set<Int>>

    private var partsPath: String { path + ".parts" }
    private var indexPath: String { path + ".parts.index" }

    /// Takes up the ranges that are there of the same file, or begins with none.
    /// - Throws: `WaybillClientError` with code `.file`.
    init(path: String, total: Int64, etag: String) throws {
        let (partsPath, indexPath) = (path + ".parts", path + ".parts.index")
        let head = "\(Self.rangeBytes) \(total) \(etag)\n"
        let known = Self.known(indexPath, partsPath, head, total)
        (file, index) = try Self.doing(path) {
            // In this order: nothing that was there counts once the bytes may be others.
            if known.isEmpty {
                try Data().write(to: URL(fileURLWithPath: indexPath))
                try Data().write(to: URL(fileURLWithPath: partsPath))
            }
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: partsPath))
            try file.truncate(atOffset: UInt64(total))
            // Whole, since the last line may be one that was cut off.
            let lines = known.sorted().map { "\($0)\n" }.joined()
            try Data((head + lines).utf8).write(to: URL(fileURLWithPath: indexPath), options: .atomic)
            let index = try FileHandle(forUpdating: URL(fileURLWithPath: indexPath))
            try index.seekToEnd()
            return (file, index)
        }
        (self.path, self.total, self.etag) = (path, total, etag)
        stored = Mutex(known)
    }

    /// The ranges that an index says are there.
    private static func known(_ indexPath: String, _ partsPath: String, _ head: String, _ total: Int64) -> Set<Int> {
        guard let data = FileManager.default.contents(atPath: indexPath), let text = String(data: data, encoding: .utf8),
            text.hasPrefix(head),
            let size = try? FileManager.default.attributesOfItem(atPath: partsPath)[.size] as? NSNumber, size.int64Value == total
        else { return [] }
        let lines = text.dropFirst(head.count).split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        let count = Self.count(total)
        return Set(lines.compactMap { Int($0) }.filter { (0..<count).contains($0) })
    }

    private static func count(_ total: Int64) -> Int { Int((total - 1) / rangeBytes + 1) }

    var count: Int { Self.count(total) }

    func range(_ index: Int) -> Range<Int64> {
        let start = Int64(index) * Self.rangeBytes
        return start..<start + min(total - start, Self.rangeBytes)
    }

    /// The ranges that are not there, in order.
    var missing: [Int] { stored.withLock { stored in (0..<count).filter { !stored.contains($0) } } }

    func write(_ bytes: [UInt8], at offset: Int64) throws {
        var done = 0
        while done < bytes.count {
            let written = bytes.withUnsafeBytes {
                pwrite(file.fileDescriptor, $0.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset) + off_t(done))
            }
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else {
                throw WaybillClientError(.file, "\(partsPath) can't be written: \(String(cString: strerror(errno)))")
            }
            done += written
        }
    }

    /// All bytes of a range are there.
    func settle(_ number: Int) throws {
        try stored.withLock { stored in
            stored.insert(number)
            try Self.doing(path) { try index.write(contentsOf: Data("\(number)\n".utf8)) }
        }
    }

    /// SHA-256 of what is there.
    func digest() throws -> [UInt8] {
        var hash = SHA256()
        try Self.doing(path) {
            try file.seek(toOffset: 0)
            while let data = try file.read(upToCount: Self.readBytes), !data.isEmpty {
                hash.update(data: data)
                try Task.checkCancellation()
            }
        }
        return [UInt8](hash.finalize())
    }

    /// Makes it durable and gives it its name, in the place of a file that has it.
    func publish() throws {
        try Self.doing(path) {
            try file.synchronize()
            try close()
        }
        guard rename(partsPath, path) == 0 else { throw WaybillClientError(.file, "\(path) can't be written") }
        try Self.doing(path) { try FileManager.default.removeItem(atPath: indexPath) }
    }

    func remove() throws {
        try Self.doing(path) {
            try close()
            try FileManager.default.removeItem(atPath: indexPath)
            try FileManager.default.removeItem(atPath: partsPath)
        }
    }

    private func close() throws {
        try file.close()
        try index.close()
    }

    private static func doing<Result>(_ path: String, _ action: () throws -> Result) throws -> Result {
        do {
            return try action()
        } catch let error as CancellationError {
            throw error
        } catch {
            throw WaybillClientError(.file, "\(path) can't be written: \(error)")
        }
    }
}
