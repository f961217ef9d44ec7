import AgeFiles
import Crypto
import Datasets
import Formats

/// Makes what a backup's file holds, its CSV or bytes that rows need, from its bytes, which come in pieces: opens and unpacks it.
/// It has one owner.
public final class ArchiveUnpacker {
    private let file: BackupManifest.File
    private let isEncrypted: Bool
    private var age: AgeReader?
    private let inflater: Inflater?
    private var digest = SHA256()
    private var bytes: Int64 = 0
    private var unpackedBytes: Int64 = 0

    /// - Parameters:
    ///   - isDeflated: an unencrypted file comes as a deflate stream.
    ///   - keyring: what an encrypted one is opened with; nil: it is held against the manifest as it lies there.
    public init(_ file: BackupManifest.File, isDeflated: Bool = false, keyring: AgeKeyring?) {
        isEncrypted = file.encrypted != nil
        self.file = file
        age = file.encrypted == nil ? nil : keyring.map { AgeReader($0) }
        inflater = file.isGzipInside ? Inflater(.gzip) : isDeflated ? Inflater() : nil
    }

    /// Whether the file's key has been found, or needs none.
    public var isOpen: Bool { age?.isOpen ?? true }

    /// A chunk in pieces of which none unpacks to more than fits into the memory, whoever made the file.
    public func pieces(of chunk: [UInt8]) -> [[UInt8]] {
        let size = 64 << 10
        guard age != nil, chunk.count > size else { return [chunk] }
        return stride(from: 0, to: chunk.count, by: size).map { Array(chunk[$0..<min($0 + size, chunk.count)]) }
    }

    /// Takes the next piece, and hands what it comes to to `body`.
    /// - Throws: `ArchiveError`; what `body` throws.
    public func push(_ piece: [UInt8], _ body: ([UInt8]) throws -> Void) throws {
        guard isEncrypted else { return try unpack(piece, body) }
        digest.update(data: piece)
        bytes += Int64(piece.count)
        guard age != nil else { return }
        try unpack(try opening { try age?.append(piece) ?? [] }, body)
    }

    /// Ends the file, and holds an encrypted one against the manifest.
    /// - Throws: as `push`.
    public func finish(_ body: ([UInt8]) throws -> Void) throws {
        guard isEncrypted else { return }
        if age != nil {
            try unpack(try opening { try age?.finish() ?? [] }, body)
            guard inflater?.isAtEnd ?? true else { throw ArchiveError(file: file.name, "it ends too early") }
        }
        if let reason = Self.difference(file, bytes: bytes, sha256: HexText.of(digest.finalize())) {
            throw ArchiveError(file: file.name, reason)
        }
    }

    /// What of a file as it lies there is not as the manifest says.
    public static func difference(_ file: BackupManifest.File, bytes: Int64, sha256: String) -> String? {
        guard bytes == file.stored.bytes else { return "it has \(bytes) bytes, and the manifest says \(file.stored.bytes)" }
        return sha256 == file.stored.sha256 ? nil : "its SHA-256 is not what the manifest says"
    }

    private func opening(_ body: () throws -> [UInt8]) throws -> [UInt8] {
        do {
            return try body()
        } catch let error as AgeError {
            throw ArchiveError(file: file.name, error.description)
        }
    }

    private func unpack(_ piece: [UInt8], _ body: ([UInt8]) throws -> Void) throws {
        guard let inflater else { return try body(piece) }
        do {
            try inflater.append(piece) { some in
                unpackedBytes += Int64(some.count)
                guard unpackedBytes <= file.bytes else {
                    throw ArchiveError(file: file.name, "it unpacks to more than the \(file.bytes) bytes of the manifest")
                }
                try body(some)
            }
        } catch is CompressionError {
            throw ArchiveError(file: file.name, "it can't be unpacked")
        }
    }
}
