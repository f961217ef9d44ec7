import Synchronization
import WaybillBlobs

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// An open file that is read from one place to another. Its bytes stay even if the blob is replaced or deleted meanwhile.
final class DiskBlobReader: Sendable {
    private static let chunkBytes: Int64 = 1 << 20
    private struct State {
        /// Nil once it is closed.
        var descriptor: Int32?
        var left: Range<Int64>
    }

    private let path: String
    private let state: Mutex<State>

    init(path: String, range: Range<Int64>) throws {
        self.path = path
        let descriptor = try FileCalls.open(path, O_RDONLY)
        do {
            let status = try FileCalls.status(descriptor, path)
            guard !status.isFolder else { throw FileCalls.error("open", path, ENOENT) }
            state = Mutex(State(descriptor: descriptor, left: range.clamped(to: 0..<max(0, status.length))))
        } catch {
            FileCalls.close(descriptor)
            throw error
        }
    }

    deinit { state.withLock { DiskBlobReader.close(&$0) } }

    /// The next chunk, or nil at the end. Blocks.
    func next() throws -> [UInt8]? {
        // Held while it reads: it is called by one task at a time, so nobody waits for it.
        try state.withLock { state in
            guard let descriptor = state.descriptor, !state.left.isEmpty else {
                DiskBlobReader.close(&state)
                return nil
            }
            let count = Int(min(DiskBlobReader.chunkBytes, state.left.upperBound - state.left.lowerBound))
            let chunk = try FileCalls.read(descriptor, count: count, at: state.left.lowerBound, path)
            guard chunk.count == count else {
                throw BlobError(.damaged, "\(path) ends at \(state.left.lowerBound + Int64(chunk.count)), before it should")
            }
            state.left = (state.left.lowerBound + Int64(count))..<state.left.upperBound
            return chunk
        }
    }

    private static func close(_ state: inout State) {
        if let descriptor = state.descriptor.take() { FileCalls.close(descriptor) }
    }
}
