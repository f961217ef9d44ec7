import Crypto
import WaybillBlobs

/// Takes the bytes of a request to their place in the staged file, in large pieces, and hashes them on the way if all that lies
/// before them was hashed.
struct StagedSink {
    static let pieceBytes = 1 << 20

    let file: any StagedBlob
    let writer: UploadWriter
    /// Where the next byte goes.
    private(set) var end: Int64
    /// Of all bytes before `end`; nil if it is not known.
    private(set) var hash: SHA256?
    private var gathered: [UInt8] = []

    init(file: any StagedBlob, writer: UploadWriter, at start: Int64, hash: SHA256?) {
        self.file = file
        self.writer = writer
        end = start
        self.hash = hash
    }

    /// - Throws: `UploadRefusal.takenOver`, `BlobError`.
    mutating func append(_ bytes: [UInt8]) async throws {
        hash?.update(data: bytes)
        gathered += bytes
        end += Int64(bytes.count)
        if gathered.count >= Self.pieceBytes { try await drain() }
    }

    /// Writes what is still in memory.
    mutating func drain() async throws {
        guard !gathered.isEmpty else { return }
        let (bytes, start) = (gathered, end - Int64(gathered.count))
        gathered = []
        try await writer.writing { try await file.write(bytes, at: start) }
    }
}
