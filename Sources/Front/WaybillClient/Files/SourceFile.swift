import Crypto
import Foundation

/// A local file that is to be sent, as it was when that began.
struct SourceFile: Sendable {
    private static let readBytes = 256 << 10

    let path: String
    let size: Int64

    /// - Throws: `WaybillClientError` with code `.file` for what is no plain file that can be read.
    init(_ path: String) throws {
        self.path = path
        let facts: [FileAttributeKey: Any]
        do {
            // What a symbolic link points to counts.
            let real = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
            facts = try FileManager.default.attributesOfItem(atPath: real)
        } catch {
            throw WaybillClientError(.file, "\(path) is not there, or can't be read")
        }
        guard facts[.type] as? FileAttributeType == .typeRegular, let size = (facts[.size] as? NSNumber)?.int64Value else {
            throw WaybillClientError(.file, "\(path) is no file, but a folder or something else")
        }
        self.size = size
    }

    /// The name without folders.
    var name: String { path.split(separator: "/").last.map(String.init) ?? path }

    /// Reads all of it.
    /// - Parameter progress: is told how many bytes were read.
    /// - Returns: SHA-256 in small hexadecimal digits.
    func sha256(_ progress: (Int64) -> Void) throws -> String {
        var hash = SHA256()
        let next = try reader(0..<size)
        var done: Int64 = 0
        progress(0)
        while let bytes = try next() {
            hash.update(data: bytes)
            done += Int64(bytes.count)
            progress(done)
            try Task.checkCancellation()
        }
        return hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Some bytes of it as the body of a request.
    /// - Parameter sent: is told how many bytes were handed over, each time some were.
    func body(_ range: Range<Int64>, sent: @escaping @Sendable (Int) -> Void) -> WireRequest.Body {
        let body = WireBody {
            var next: (() throws -> [UInt8]?)?
            return {
                if next == nil { next = try reader(range) }
                guard let bytes = try next?() else { return nil }
                sent(bytes.count)
                return bytes
            }
        }
        return .stream(body, length: range.upperBound - range.lowerBound)
    }

    /// Gives the bytes of a range piece by piece, and nil at its end.
    private func reader(_ range: Range<Int64>) throws -> () throws -> [UInt8]? {
        guard let handle = FileHandle(forReadingAtPath: path) else { throw WaybillClientError(.file, "\(path) can't be read") }
        var left = range.upperBound - range.lowerBound
        do {
            try handle.seek(toOffset: UInt64(range.lowerBound))
        } catch {
            throw WaybillClientError(.file, "\(path) can't be read: \(error)")
        }
        return {
            guard left > 0 else {
                try? handle.close()
                return nil
            }
            let data: Data?
            do {
                data = try handle.read(upToCount: Int(min(left, Int64(SourceFile.readBytes))))
            } catch {
                throw WaybillClientError(.file, "\(path) can't be read: \(error)")
            }
            guard let data, !data.isEmpty else { throw WaybillClientError(.file, "\(path) has become shorter while it was sent") }
            left -= Int64(data.count)
            return [UInt8](data)
        }
    }
}
