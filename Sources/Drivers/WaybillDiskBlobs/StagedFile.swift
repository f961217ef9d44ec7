#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Appends to a file in large pieces that lie well in memory, and past the system's page cache where the file system can do that.
///
/// What is written once and read much later, if at all, only pushes out of the cache what others need, and copying it there costs
/// more than all else that happens to it. A file that is shorter than a piece is written through the cache, and so is the end of
/// a longer one, since direct writes come in whole blocks.
///
/// `@unchecked Sendable` is safe because its owner's queue lets one thread at a time write.
final class StagedFile: @unchecked Sendable {
    static let pieceBytes = 512 * 1024
    /// No file system asks for more.
    private static let blockBytes = 4096

    private let descriptor: Int32
    private let path: String
    private let piece: UnsafeMutableRawBufferPointer
    private var filled = 0
    private var isDirect = false
    private var canBeDirect = true

    init(_ descriptor: Int32, _ path: String) {
        self.descriptor = descriptor
        self.path = path
        piece = .allocate(byteCount: Self.pieceBytes, alignment: Self.blockBytes)
    }

    deinit {
        piece.deallocate()
    }

    /// - Throws: `BlobError`; then nothing more may be appended.
    func append(_ bytes: UnsafeRawBufferPointer) throws {
        var left = bytes[...]
        while !left.isEmpty {
            let some = UnsafeRawBufferPointer(rebasing: left.prefix(piece.count - filled))
            UnsafeMutableRawBufferPointer(rebasing: piece[filled...]).copyMemory(from: some)
            filled += some.count
            left = left.dropFirst(some.count)
            if filled == piece.count { try writePiece() }
        }
    }

    /// Writes what is still in memory. Nothing is synced yet.
    /// - Throws: `BlobError`.
    func finish() throws {
        try setDirect(false)
        try FileCalls.write(UnsafeRawBufferPointer(rebasing: piece[..<filled]), to: descriptor, path)
        filled = 0
    }

    private func writePiece() throws {
        if canBeDirect { try setDirect(true) }
        let whole = UnsafeRawBufferPointer(piece)
        let done = isDirect ? try FileCalls.writeDirect(whole, to: descriptor, path) : 0
        if done < whole.count {
            // A file system that took the flag may still refuse the write.
            canBeDirect = false
            try setDirect(false)
            try FileCalls.write(UnsafeRawBufferPointer(rebasing: whole[done...]), to: descriptor, path)
        }
        filled = 0
    }

    private func setDirect(_ wanted: Bool) throws {
        guard wanted != isDirect else { return }
        if FileCalls.setDirect(wanted, descriptor) {
            isDirect = wanted
        } else if wanted {
            canBeDirect = false
        } else {
            throw FileCalls.error("fcntl", path, errno)
        }
    }
}
