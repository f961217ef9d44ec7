import Foundation

/// Files on this side of the wire.
enum LocalFile {
    private static let chunkBytes = 256 << 10

    /// A file as the body of a request.
    static func body(_ path: String) throws -> WireRequest.Body {
        let size: Int64?
        do {
            size = (try FileManager.default.attributesOfItem(atPath: path)[.size] as? NSNumber)?.int64Value
        } catch {
            throw WaybillClientError(.file, "\(path) can't be read: \(error)")
        }
        return .stream(chunks(of: path), length: size)
    }

    /// The bytes of a file, read as they are asked for.
    static func chunks(of path: String) -> WireBody {
        WireBody {
            var handle: FileHandle?
            return {
                guard let open = handle ?? FileHandle(forReadingAtPath: path) else {
                    throw WaybillClientError(.file, "\(path) can't be read")
                }
                handle = open
                do {
                    guard let data = try open.read(upToCount: chunkBytes), !data.isEmpty else {
                        try open.close()
                        return nil
                    }
                    return [UInt8](data)
                } catch {
                    throw WaybillClientError(.file, "\(path) can't be read: \(error)")
                }
            }
        }
    }
}

extension WireBody {
    /// Another sequence of chunks.
    init<Chunks: AsyncSequence & Sendable>(_ chunks: Chunks) where Chunks.Element == [UInt8] {
        self.init {
            var iterator = chunks.makeAsyncIterator()
            return { try await iterator.next() }
        }
    }
}
