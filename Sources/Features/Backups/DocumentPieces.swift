import AgeFiles
import Formats
import TenantData
import WaybillBlobs

/// The CSV of a document, opened, unpacked and pulled piece by piece. It has one owner.
final class DocumentPieces {
    /// So many bytes are unpacked at a time: many documents may be read side by side.
    private static let packedBytes = 64 << 10

    private let file: String
    private let document: RestoreDocument
    private let blobs: any BlobStore
    private let isPacked: Bool
    private let unpacker: ArchiveUnpacker
    private var next = 0
    private var chunks: BlobChunks.AsyncIterator?
    private var isAtEnd = false
    /// Bytes that are still to be unpacked, and pieces that were, the next one last.
    private var packed: ArraySlice<UInt8> = []
    private var unpacked: [[UInt8]] = []

    init(_ file: BackupManifest.File, _ document: RestoreDocument, in blobs: any BlobStore, keyring: AgeKeyring) {
        self.file = file.name
        self.document = document
        self.blobs = blobs
        isPacked = document.isDeflated || file.encrypted != nil
        unpacker = ArchiveUnpacker(file, isDeflated: document.isDeflated, keyring: keyring)
    }

    /// The next piece, nil at the end.
    /// - Throws: `ArchiveError` if the bytes are not there any more, are damaged, or can't be opened.
    func piece() async throws -> [UInt8]? {
        do {
            guard isPacked else { return try await chunk() }
            while true {
                if let first = unpacked.popLast() { return first }
                guard !isAtEnd else { return nil }
                if packed.isEmpty, let chunk = try await chunk() { packed = chunk[...] }
                if packed.isEmpty {
                    isAtEnd = true
                    try unpacker.finish { unpacked.append($0) }
                } else {
                    try unpacker.push(Array(packed.prefix(Self.packedBytes))) { unpacked.append($0) }
                    packed = packed.dropFirst(Self.packedBytes)
                }
                unpacked.reverse()
            }
        } catch let error as BlobError where error.code == .notFound || error.code == .damaged {
            throw ArchiveError(file: file, "its bytes are not there any more, or are damaged")
        }
    }

    private func chunk() async throws -> [UInt8]? {
        while true {
            if chunks != nil {
                if let chunk = try await chunks?.next() { return chunk }
                chunks = nil
            }
            guard next < document.pieces.count else { return nil }
            let piece = document.pieces[next]
            next += 1
            guard let key = BlobKey(piece.key) else { throw ArchiveError(file: file, "it is not where it was") }
            chunks = try await blobs.read(key, range: 0..<piece.length).makeAsyncIterator()
        }
    }
}
